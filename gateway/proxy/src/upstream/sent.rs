//! The head of the request that an HTTP/1.1 connection has last, as it was written: what is needed to send it once more.
//!
//! It is needed only where a pooled connection turns out to be closed, and kept for every request that may meet that. So it is taken where
//! the bytes pass by, in one copy, to where the last one was.

use gateway_core::Body;
use http::{Method, Request};
use memchr::memchr_iter;
use parking_lot::Mutex;
use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What the buffer keeps of its room for the next head. Until then it holds the last one, whose size is bounded as a client's head is.
const HELD: usize = 4096;

/// Shared by the connection, its socket, and whoever may send the request again.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sent(Arc<Head>);

#[derive(Debug, Default)]
struct Head {
    bytes: Mutex<Vec<u8>>,
    /// Whether what is written next is one; until then there is none.
    is_next: AtomicBool,
}

impl Sent {
    /// What is written next is the head of a request without a body.
    pub(super) fn begin(&self) {
        self.0.is_next.store(true, Ordering::Relaxed);
    }

    /// This is to be written. The kernel may take a part of it: the rest comes once more, and is known by then.
    pub(super) fn note<'a>(&self, slices: impl IntoIterator<Item = &'a [u8]>) {
        let Head { bytes, is_next } = &*self.0;
        if is_next.load(Ordering::Relaxed) {
            let mut bytes = bytes.lock();
            bytes.clear();
            bytes.shrink_to(HELD);
            slices.into_iter().for_each(|slice| bytes.extend_from_slice(slice));
            is_next.store(false, Ordering::Relaxed);
        }
    }

    /// The same for several at once.
    pub(super) fn note_vectored(&self, slices: &[IoSlice<'_>]) {
        self.note(slices.iter().map(|slice| &**slice));
    }

    /// The request again; none where not all of it was written.
    pub(crate) fn request(&self) -> Option<Request<Body>> {
        if self.0.is_next.load(Ordering::Relaxed) {
            return None;
        }
        let bytes = self.0.bytes.lock();
        // As many as may be: a listener's bound on them is its user's to set.
        let mut fields = vec![httparse::EMPTY_HEADER; memchr_iter(b'\n', &bytes).count()];
        let mut parsed = httparse::Request::new(&mut fields);
        if parsed.parse(&bytes).ok()?.is_partial() {
            return None;
        }
        let mut request =
            Request::builder().method(Method::from_bytes(parsed.method?.as_bytes()).ok()?).uri(parsed.path?);
        for field in parsed.headers.iter() {
            request = request.header(field.name, field.value);
        }
        request.body(Body::empty()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_request_that_was_written() {
        let sent = Sent::default();
        assert!(sent.request().is_none());
        sent.note([&b"PUT /before HTTP/1.1\r\n\r\n"[..]]);
        assert!(sent.request().is_none(), "nobody asked for it");
        sent.begin();
        sent.note_vectored(&[
            IoSlice::new(b"DELETE /a?b HTTP/1.1\r\nhost: a\r\n"),
            IoSlice::new(b"x: \xff \t\r\nx:\r\n\r\n"),
        ]);
        sent.note([&b"the rest of it again"[..]]);
        let request = sent.request().unwrap();
        assert_eq!((request.method(), request.uri().to_string().as_str()), (&Method::DELETE, "/a?b"));
        let fields: Vec<_> = request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        assert_eq!(fields, [("host", &b"a"[..]), ("x", b"\xff"), ("x", b"")]);
        sent.begin();
        assert!(sent.request().is_none(), "nothing of it was written");
        sent.note([&b"GET / HTTP/1.1\r\nhost: a\r\n"[..]]);
        assert!(sent.request().is_none(), "half of a head");
        sent.begin();
        sent.note([format!("GET / HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(5000)).as_bytes()]);
        assert_eq!(sent.request().unwrap().headers().len(), 5000, "however many they are");
    }
}
