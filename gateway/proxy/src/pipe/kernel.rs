//! The kernel's side of it.

use rustix::io::{Errno, retry_on_intr};
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_getpipe_size, fcntl_setpipe_size, pipe_with};
use rustix::process::{Resource, getrlimit};
use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Bytes that are in a pipe at once, at most (HARDENING P11): as many as come in one segment where segments are largest, over loopback
/// (65,536 less the heads of IP and TCP with a time stamp). A few more are sent as a packet of their own, behind every piece.
pub(crate) const LARGEST: usize = 65_483;

/// A pipe has a place for each page, and what came in pieces fills few of them to the end.
const PLACES: usize = 128 * 1024;

/// Empty pipes that a thread keeps for the next answers.
const KEPT: usize = 16;

/// Pipes of the process, at most. A user may have some thousand of them; they take a quarter of our descriptors.
static LIMIT: LazyLock<usize> = LazyLock::new(|| {
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(descriptors / 8).unwrap_or(usize::MAX).min(256)
});

static COUNT: AtomicUsize = AtomicUsize::new(0);

/// A sandbox has refused the call.
static FORBIDDEN: AtomicBool = AtomicBool::new(false);

thread_local! {
    static SHELF: RefCell<Vec<Pipe>> = const { RefCell::new(Vec::new()) };
}

/// A pipe, and how much is in it.
pub(crate) struct Pipe {
    into: OwnedFd,
    out: OwnedFd,
    held: usize,
    _place: Place,
}

/// One of as many as there may be.
struct Place;

impl Place {
    fn take() -> io::Result<Self> {
        let place = Self;
        match COUNT.fetch_add(1, Ordering::Relaxed) {
            before if before < *LIMIT => Ok(place),
            _ => Err(Errno::MFILE.into()),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        COUNT.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Pipe {
    /// An empty one.
    ///
    /// # Errors
    /// There is none to be had: too many descriptors, more pipes than there may be, or no leave to use them.
    pub(crate) fn take() -> io::Result<Self> {
        if let Some(kept) = SHELF.with_borrow_mut(Vec::pop) {
            return Ok(kept);
        }
        if FORBIDDEN.load(Ordering::Relaxed) {
            return Err(Errno::PERM.into());
        }
        let place = Place::take()?;
        let (out, into) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        // One as it comes will do. Where its user has very many, that is a page.
        if fcntl_setpipe_size(&into, PLACES).is_err() && fcntl_getpipe_size(&into)? < LARGEST {
            return Err(Errno::MFILE.into());
        }
        // With both ends of one pipe it moves nothing. Where a sandbox forbids the call, that is known before it is needed.
        match rustix::pipe::splice(&out, None, &into, None, 1, SpliceFlags::NONBLOCK) {
            Ok(_) | Err(Errno::INVAL | Errno::AGAIN) => {}
            Err(error) => {
                if matches!(error, Errno::PERM | Errno::ACCESS | Errno::NOSYS) {
                    FORBIDDEN.store(true, Ordering::Relaxed);
                }
                return Err(error.into());
            }
        }
        Ok(Self { into, out, held: 0, _place: place })
    }

    /// Kept for the next answer, where there is room and enough are left for other threads; closed where something is left in it.
    pub(crate) fn put(self) {
        if self.held > 0 || COUNT.load(Ordering::Relaxed) > *LIMIT / 2 {
            return;
        }
        // A thread that ends has no shelf any more.
        let _ = SHELF.try_with(|shelf| {
            let mut shelf = shelf.borrow_mut();
            if shelf.len() < KEPT {
                shelf.push(self);
            }
        });
    }

    /// Where bytes go in, while it is empty.
    pub(crate) fn entrance(&self) -> Option<BorrowedFd<'_>> {
        self.is_empty().then(|| self.into.as_fd())
    }

    /// So many went in.
    pub(crate) fn filled(&mut self, count: usize) {
        self.held += count;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// Moves what is in it into a socket, as far as that takes it now.
    pub(crate) fn drain(&mut self, into: impl AsFd) -> io::Result<usize> {
        let moved = splice(&self.out, into, self.held)?;
        self.held = self.held.saturating_sub(moved);
        Ok(moved)
    }
}

/// Moves bytes between a pipe and a socket, `limit` at most, without waiting; 0: the socket's peer sends no more.
pub(crate) fn splice(from: impl AsFd, into: impl AsFd, limit: usize) -> io::Result<usize> {
    let flags = SpliceFlags::NONBLOCK | SpliceFlags::MOVE;
    Ok(retry_on_intr(|| rustix::pipe::splice(&from, None, &into, None, limit, flags))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream;

    #[test]
    fn what_goes_in_comes_out_and_an_empty_pipe_is_used_again() {
        let (mut writer, from) = UnixStream::pair().unwrap();
        let (into, mut reader) = UnixStream::pair().unwrap();
        let mut pipe = Pipe::take().unwrap();
        assert!(fcntl_getpipe_size(&pipe.into).unwrap() >= LARGEST);
        writer.write_all(b"hello").unwrap();
        let count = splice(&from, pipe.entrance().unwrap(), 4).unwrap();
        pipe.filled(count);
        assert!(pipe.entrance().is_none(), "something is in it");
        assert_eq!(pipe.drain(&into).unwrap(), 4);
        let mut came = [0; 4];
        reader.read_exact(&mut came).unwrap();
        assert_eq!(&came, b"hell");
        assert_eq!(splice(&reader, pipe.entrance().unwrap(), 4).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        let number = rustix::fd::AsRawFd::as_raw_fd(&pipe.into);
        pipe.put();
        let mut pipe = Pipe::take().unwrap();
        assert_eq!(rustix::fd::AsRawFd::as_raw_fd(&pipe.into), number);
        let count = splice(&from, pipe.entrance().unwrap(), 4).unwrap();
        pipe.filled(count);
        pipe.put();
        SHELF.with_borrow(|shelf| assert!(shelf.is_empty(), "an `o` is in it"));
        drop(writer);
        assert_eq!(splice(&from, Pipe::take().unwrap().entrance().unwrap(), 4).unwrap(), 0, "no more comes");
    }
}
