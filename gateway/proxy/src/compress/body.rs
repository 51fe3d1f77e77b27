//! A body that is compressed as it is sent.

use super::encoder::Encoder;
use bytes::Bytes;
use gateway_core::{Body, Error, Kind};
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};

/// Bytes that are encoded at once.
const PIECE: usize = 16 * 1024;

/// Pieces that are encoded before others on the thread have their turn: what compresses well gives nothing to hand on for long.
const TURN: usize = 4;

/// Bytes that are worth being handed on while there is more to encode.
const WORTH: usize = 8 * 1024;

/// A body on its way through an encoder. What was encoded waits for more only as long as there is more: where the source
/// pauses, the client has all that came, so that events arrive when they happen.
pub(super) struct Compressed {
    source: Body,
    /// None once it has finished.
    encoder: Option<Encoder>,
    /// Read, and not yet encoded.
    left: Bytes,
    /// Something was encoded since the last flush.
    is_unflushed: bool,
    trailers: Option<HeaderMap>,
}

impl Compressed {
    pub(super) fn new(source: Body, encoder: Encoder) -> Self {
        Self { source, encoder: Some(encoder), left: Bytes::new(), is_unflushed: false, trailers: None }
    }

    /// The next bytes, as far as the source has any; none at the end.
    fn poll_bytes(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Vec<u8>, Error>>> {
        let mut pieces = 0;
        loop {
            let Some(encoder) = &mut self.encoder else { return Poll::Ready(None) };
            if encoder.ready() >= WORTH {
                return Poll::Ready(Some(Ok(encoder.take())));
            }
            if !self.left.is_empty() {
                if pieces == TURN {
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                pieces += 1;
                let piece = self.left.split_to(self.left.len().min(PIECE));
                self.is_unflushed = true;
                match encoder.write(&piece) {
                    Ok(()) => continue,
                    Err(error) => return Poll::Ready(Some(Err(failed(error)))),
                }
            }
            match Pin::new(&mut self.source).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(bytes) => self.left = bytes,
                    Err(frame) => self.trailers = frame.into_trailers().ok(),
                },
                // Cut as the source was: the end of the coding never comes.
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(None) => {
                    let last = self.encoder.take().map_or(Ok(Vec::new()), Encoder::finish);
                    return Poll::Ready(Some(last.map_err(failed)));
                }
                Poll::Pending if std::mem::take(&mut self.is_unflushed) => {
                    if let Err(error) = encoder.flush() {
                        return Poll::Ready(Some(Err(failed(error))));
                    }
                    match encoder.take() {
                        bytes if bytes.is_empty() => return Poll::Pending,
                        bytes => return Poll::Ready(Some(Ok(bytes))),
                    }
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl HttpBody for Compressed {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        match std::task::ready!(this.poll_bytes(context)) {
            Some(Ok(bytes)) => Poll::Ready(Some(Ok(Frame::data(Bytes::from(bytes))))),
            Some(Err(error)) => {
                this.encoder = None;
                this.trailers = None;
                Poll::Ready(Some(Err(error)))
            }
            None => Poll::Ready(this.trailers.take().map(|trailers| Ok(Frame::trailers(trailers)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.encoder.is_none() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

fn failed(error: std::io::Error) -> Error {
    Error::new(Kind::Internal, "the answer could not be compressed").because(error)
}
