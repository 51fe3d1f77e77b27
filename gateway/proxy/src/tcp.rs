//! What the kernel knows of a TCP connection (`tcp(7)`, `TCP_INFO`).

use std::io;
use std::os::fd::{AsFd, AsRawFd as _};

/// Bytes of a connection that go to its peer.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outgoing {
    /// Beyond what it was given already, the peer has promised to take so many, and the network on the way is thought to.
    pub(crate) promised: usize,
    /// It was given so many that are not sent yet.
    pub(crate) unsent: usize,
    /// The most in one segment; 0: it is not known.
    pub(crate) segment: usize,
}

/// `struct tcp_info` as of Linux 5.4, in words of 32 bits.
const WORDS: usize = 58;

impl Outgoing {
    /// Of this connection. An older kernel does not tell what is promised: nothing.
    pub(crate) fn of(socket: impl AsFd) -> io::Result<Self> {
        let mut words = [0_u32; WORDS];
        let mut length = libc::socklen_t::try_from(size_of_val(&words)).unwrap_or_default();
        let (socket, into) = (socket.as_fd().as_raw_fd(), words.as_mut_ptr().cast());
        #[expect(unsafe_code, reason = "no safe wrapper asks for it")]
        // SAFETY: it writes `length` bytes at most, and as many are there.
        let told = unsafe { libc::getsockopt(socket, libc::IPPROTO_TCP, libc::TCP_INFO, into, &raw mut length) };
        if told == 0 { Ok(Self::read(&words)) } else { Err(io::Error::last_os_error()) }
    }

    fn read(words: &[u32; WORDS]) -> Self {
        let long = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
        let (segment, congestion, unsent, window) = (words[4], words[20], words[36], words[57]);
        let acknowledged = long(words[30], words[31]);
        let (sent, again) = (long(words[50], words[51]), long(words[52], words[53]));
        let on_its_way = sent.saturating_sub(again).saturating_sub(acknowledged);
        let takes = u64::from(window).min(u64::from(segment) * u64::from(congestion));
        let promised = takes.saturating_sub(on_its_way).saturating_sub(u64::from(unsent));
        let [promised, unsent, segment] =
            [promised, unsent.into(), segment.into()].map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
        Self { promised, unsent, segment }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn a_peer_that_reads_nothing_promises_less_with_all_it_is_given() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut writer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut reader, _) = listener.accept().unwrap();
        let before = Outgoing::of(&writer).unwrap();
        assert!(before.promised >= 4096 && before.segment > 0 && before.unsent == 0, "{before:?}");
        writer.set_nonblocking(true).unwrap();
        let mut given = 0;
        while let Ok(count) = writer.write(&[0; 64 * 1024]) {
            given += count;
        }
        let full = Outgoing::of(&writer).unwrap();
        assert!(full.promised == 0 && full.unsent > 0, "{full:?}");
        reader.read_exact(&mut vec![0; given]).unwrap();
        writer.set_nonblocking(false).unwrap();
        writer.write_all(b"!").unwrap();
        reader.read_exact(&mut [0]).unwrap();
        let again = Outgoing::of(&writer).unwrap();
        assert!(again.promised > 4096, "{again:?}");
    }

    #[test]
    fn what_is_on_its_way_or_waits_is_not_promised_again() {
        let mut words = [0; WORDS];
        (words[4], words[20], words[57]) = (1000, 10, 8000);
        let promised = |words: &[u32; WORDS]| Outgoing::read(words).promised;
        assert_eq!(promised(&words), 8000, "its window");
        words[57] = 1 << 20;
        assert_eq!(promised(&words), 10_000, "what the network is thought to take");
        (words[30], words[50], words[52]) = (70_000, 76_000, 1_000);
        assert_eq!(promised(&words), 5_000, "5,000 are on their way, sent again or not");
        words[36] = 2_000;
        assert_eq!(Outgoing::read(&words), Outgoing { promised: 3_000, unsent: 2_000, segment: 1_000 });
        words[36] = 1 << 20;
        assert_eq!(promised(&words), 0);
        assert_eq!(promised(&[0; WORDS]), 0, "an older kernel");
    }
}
