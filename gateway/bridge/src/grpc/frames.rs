//! Messages as gRPC frames them: a byte that says whether it is compressed, its length in four, the message.

use bytes::{Buf as _, Bytes, BytesMut};
use gateway_core::{Body, Error, Kind};
use http::HeaderMap;
use http_body::Body as _;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// What stands before a message.
const PREFIX: usize = 5;

/// The messages of an answer as they come. Nothing is read before it is asked for, and one message is kept at most.
pub(super) struct Messages {
    body: Body,
    buffer: BytesMut,
    limit: usize,
    /// What followed the last one.
    trailers: HeaderMap,
    is_over: bool,
}

impl Messages {
    /// Those of a body, of at most `limit` bytes each.
    pub(super) fn new(body: Body, limit: usize) -> Self {
        Self { body, buffer: BytesMut::new(), limit, trailers: HeaderMap::new(), is_over: false }
    }

    /// The next one.
    pub(super) async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// The next one; none when there are no more.
    ///
    /// # Errors
    /// [`Kind::HttpResponseTooLarge`] past the limit, [`Kind::HttpProtocolError`] where it is none; the body's own.
    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        loop {
            match self.whole() {
                Ok(Some(message)) => return Poll::Ready(Some(Ok(message))),
                Ok(None) => {}
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
            if self.is_over {
                return Poll::Ready(match self.buffer.is_empty() {
                    true => None,
                    false => {
                        self.buffer.clear();
                        Some(Err(broken("the answer ends within a message")))
                    }
                });
            }
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                None => self.is_over = true,
                Some(Err(error)) => {
                    self.is_over = true;
                    self.buffer.clear();
                    return Poll::Ready(Some(Err(error)));
                }
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.buffer.extend_from_slice(&data),
                    Err(frame) => {
                        self.is_over = true;
                        self.trailers = frame.into_trailers().unwrap_or_default();
                    }
                },
            }
        }
    }

    /// What followed the last message; empty before.
    pub(super) fn trailers(&self) -> &HeaderMap {
        &self.trailers
    }

    fn whole(&mut self) -> Result<Option<Bytes>, Error> {
        let Some((prefix, rest)) = self.buffer.split_first_chunk::<PREFIX>() else { return Ok(None) };
        let [compressed, length @ ..] = *prefix;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if compressed != 0 {
            return Err(broken("the answer is compressed, which was not asked for"));
        }
        if length > self.limit {
            let detail = format!("the answer has a message of more than {} bytes", self.limit);
            return Err(Error::new(Kind::HttpResponseTooLarge, detail));
        }
        if rest.len() < length {
            return Ok(None);
        }
        self.buffer.advance(PREFIX);
        Ok(Some(self.buffer.split_to(length).freeze()))
    }
}

/// The service does not keep to the protocol.
pub(super) fn broken(detail: &str) -> Error {
    Error::new(Kind::HttpProtocolError, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::{StreamBody, combinators::BoxBody};

    fn body(parts: Vec<Result<http_body::Frame<Bytes>, Error>>) -> Body {
        let stream = futures_util::stream::iter(parts);
        Body::stream(BoxBody::new(StreamBody::new(stream)))
    }

    fn data(bytes: &'static [u8]) -> Result<http_body::Frame<Bytes>, Error> {
        Ok(http_body::Frame::data(Bytes::from_static(bytes)))
    }

    #[tokio::test]
    async fn messages_are_found_however_they_are_cut() {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", 0.into());
        let end = Ok(http_body::Frame::trailers(trailers));
        let parts = vec![data(b"\0\0"), data(b"\0\0\x02a"), data(b"b\0\0\0\0\0\0\0\0\0\x01c"), end];
        let mut messages = Messages::new(body(parts), 2);
        for expected in ["ab", "", "c"] {
            assert_eq!(messages.next().await.unwrap().unwrap(), expected);
        }
        assert!(messages.next().await.is_none());
        assert_eq!(messages.trailers()["grpc-status"], "0");
    }

    #[tokio::test]
    async fn what_is_no_message_or_too_long_is_told() {
        for (bytes, expected) in [
            (&b"\0\0\0\0\x05ab"[..], Kind::HttpProtocolError),
            (b"\x01\0\0\0\x01a", Kind::HttpProtocolError),
            (b"\0\xff\xff\xff\xff", Kind::HttpResponseTooLarge),
            (b"\0\0", Kind::HttpProtocolError),
        ] {
            let mut messages = Messages::new(body(vec![data(bytes)]), 5);
            let error = messages.next().await.unwrap().unwrap_err();
            assert_eq!(error.kind(), expected, "{bytes:?}");
        }
    }
}
