//! Messages as server-sent events (WHATWG HTML 9.2), in a bounded queue between a broker and a client.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use gateway_core::{Body, Error};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Response};
use http_body::{Body as HttpBody, Frame};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Interval, MissedTickBehavior};

/// Events that wait for their client.
const WAITING: usize = 256;

/// Bytes of them, but always one event.
const WAITING_BYTES: usize = 1 << 20;

/// Between two comments, by which a client that went away without a word is found out.
const BEAT: Duration = Duration::from_secs(15);

/// One message, ready to be written.
pub(crate) struct Event {
    bytes: Bytes,
    /// Dropped once the event was written, or never will be; told which.
    receipt: Option<Receipt>,
}

/// What is told that an event was written to its client.
pub(crate) type Receipt = Box<dyn FnOnce() + Send + Sync>;

impl Event {
    /// A message: text as it is, anything else as base64 in an event of that name.
    pub(crate) fn new(payload: &[u8], receipt: Option<Receipt>) -> Self {
        let mut written = Vec::with_capacity(payload.len() + 16);
        match std::str::from_utf8(payload) {
            Ok(text) => {
                // Each of the three ends a line, so none may stand in one.
                for line in text.replace("\r\n", "\n").split(['\n', '\r']) {
                    written.extend_from_slice(b"data: ");
                    written.extend_from_slice(line.as_bytes());
                    written.push(b'\n');
                }
            }
            Err(_) => {
                written.extend_from_slice(b"event: base64\ndata: ");
                written.extend_from_slice(STANDARD.encode(payload).as_bytes());
                written.push(b'\n');
            }
        }
        written.push(b'\n');
        Self { bytes: Bytes::from(written), receipt }
    }

    /// The last one of a client that reads more slowly than messages come.
    fn overflow() -> Self {
        Self {
            bytes: Bytes::from_static(b"event: overflow\ndata: messages came faster than they were read\n\n"),
            receipt: None,
        }
    }
}

/// Where a broker's messages go in.
pub(crate) struct Sender {
    events: mpsc::Sender<Event>,
    bytes: Arc<AtomicUsize>,
}

/// The stream is over.
pub(crate) struct Over;

impl Sender {
    /// Puts one in, and never waits: what comes faster than it is read ends the stream, which tells so.
    pub(crate) fn offer(&self, event: Event) -> Result<(), Over> {
        let length = event.bytes.len();
        let before = self.bytes.fetch_add(length, Ordering::Relaxed);
        let fits = before == 0 || before + length <= WAITING_BYTES;
        // One place is kept for the last event.
        if fits && self.events.capacity() > 1 {
            return self.events.try_send(event).map_err(|_| Over);
        }
        tracing::info!("messages came faster than a client read them: its stream of events ends");
        let _ = self.events.try_send(Event::overflow());
        Err(Over)
    }

    /// The client went away.
    pub(crate) async fn closed(&self) {
        self.events.closed().await;
    }
}

/// An answer that is events as they come, and where they are put in.
pub(crate) fn stream() -> (Sender, Response<Body>) {
    let (events, queue) = mpsc::channel(WAITING);
    let bytes = Arc::new(AtomicUsize::new(0));
    let mut beat = tokio::time::interval_at(tokio::time::Instant::now() + BEAT, BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let body = Events { queue, bytes: Arc::clone(&bytes), beat, written: None };
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let mut response = Response::new(Body::stream(body));
    *response.headers_mut() = headers;
    (Sender { events, bytes }, response)
}

struct Events {
    queue: mpsc::Receiver<Event>,
    bytes: Arc<AtomicUsize>,
    beat: Interval,
    /// Of the event before, and whether there was an occasion to write it.
    written: Option<(Receipt, bool)>,
}

impl HttpBody for Events {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match self.written.take() {
            // Whoever polls has the event in its buffer, and writes that before it polls again.
            Some((receipt, false)) => {
                self.written = Some((receipt, true));
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            Some((receipt, true)) => receipt(),
            None => {}
        }
        match self.queue.poll_recv(context) {
            Poll::Ready(Some(Event { bytes, receipt })) => {
                self.bytes.fetch_sub(bytes.len().min(self.bytes.load(Ordering::Relaxed)), Ordering::Relaxed);
                self.written = receipt.map(|receipt| (receipt, false));
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => match self.beat.poll_tick(context) {
                Poll::Ready(_) => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b":\n\n"))))),
                Poll::Pending => Poll::Pending,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_event_whatever_is_in_it() {
        for (payload, expected) in [
            (&b"{\"a\":1}"[..], "data: {\"a\":1}\n\n"),
            (b"one\ntwo", "data: one\ndata: two\n\n"),
            (b"one\r\ntwo\rthree", "data: one\ndata: two\ndata: three\n\n"),
            (b"a\n\nevent: forged", "data: a\ndata: \ndata: event: forged\n\n"),
            (b"", "data: \n\n"),
            (b"\xff\x00", "event: base64\ndata: /wA=\n\n"),
        ] {
            assert_eq!(Event::new(payload, None).bytes, expected.as_bytes(), "{payload:?}");
        }
    }

    #[tokio::test]
    async fn what_comes_faster_than_it_is_read_ends_the_stream_and_tells_so() {
        use http_body_util::BodyExt as _;
        let (sender, response) = stream();
        let taken = (0..WAITING * 2).take_while(|_| sender.offer(Event::new(b"x", None)).is_ok()).count();
        assert_eq!(taken, WAITING - 1);
        drop(sender);
        let mut body = response.into_body();
        let mut last = Bytes::new();
        while let Some(frame) = body.frame().await {
            last = frame.unwrap().into_data().unwrap();
        }
        assert!(last.starts_with(b"event: overflow\n"), "{last:?}");
    }
}
