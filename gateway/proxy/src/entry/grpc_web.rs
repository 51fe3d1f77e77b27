//! gRPC-Web (gRPC's `PROTOCOL-WEB.md`): what browsers can send of gRPC. It becomes gRPC where it enters, and is made again where the
//! answer leaves; in between it is a call like any other.

use super::grpc;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut as _, Bytes, BytesMut};
use gateway_core::exchange::{Request, Response};
use gateway_core::{Body, Error, Kind};
use http::header::{ACCEPT, CONTENT_TYPE, TE};
use http::{HeaderMap, HeaderValue, Method};
use http_body::{Body as HttpBody, Frame};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

const WEB: &[u8] = b"application/grpc-web";
const TEXT: &[u8] = b"application/grpc-web-text";

/// The first byte of the frame that has the trailers.
const TRAILERS: u8 = 0x80;

/// A call of gRPC-Web: in which form it came, and is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Web {
    sent_as_text: bool,
    answered_as_text: bool,
}

impl Web {
    /// Makes a call of gRPC of a request, if it is one of gRPC-Web.
    pub(super) fn take(request: &mut Request) -> Option<Self> {
        let written = request.headers.get(CONTENT_TYPE).filter(|_| request.method == Method::POST)?.as_bytes();
        let (sent_as_text, message) = match (written.strip_prefix(TEXT), written.strip_prefix(WEB)) {
            (Some(message), _) => (true, message),
            (None, Some(message)) => (false, message),
            (None, None) => return None,
        };
        if !matches!(message.first(), None | Some(b'+' | b';')) {
            return None;
        }
        let content_type = HeaderValue::from_bytes(&[b"application/grpc", message].concat()).ok()?;
        let accepted = request.headers.get(ACCEPT).map(HeaderValue::as_bytes).unwrap_or_default();
        let answered_as_text = match accepted.starts_with(WEB) {
            true => accepted.starts_with(TEXT),
            false => sent_as_text,
        };
        request.headers.insert(CONTENT_TYPE, content_type);
        request.headers.insert(TE, HeaderValue::from_static("trailers"));
        Some(Self { sent_as_text, answered_as_text })
    }

    /// The request's body as gRPC has it.
    pub(super) fn request_body(self, body: Body) -> Body {
        match self.sent_as_text {
            false => body,
            true => Body::stream(Decoding { body, rest: BytesMut::new() }),
        }
    }

    /// Makes an answer of gRPC one of gRPC-Web: its trailers are the last frame of its body. Any other is left as it is.
    pub(super) fn tell(self, head: &mut Response, body: Body) -> Body {
        if !grpc::is_grpc(&head.headers) {
            return body;
        }
        let written = head.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
        let message = written.strip_prefix(b"application/grpc").unwrap_or_default();
        let web = if self.answered_as_text { TEXT } else { WEB };
        if let Ok(content_type) = HeaderValue::from_bytes(&[web, message].concat()) {
            head.headers.insert(CONTENT_TYPE, content_type);
        }
        // A head alone: what it says of the call stands where every client looks for it, and needs not be exposed to scripts.
        let mut trailers = HeaderMap::new();
        for name in ["grpc-status", "grpc-message", "grpc-status-details-bin"] {
            if let Some(value) = head.headers.remove(name)
                && let Ok(name) = http::HeaderName::from_bytes(name.as_bytes())
            {
                trailers.insert(name, value);
            }
        }
        match trailers.is_empty() {
            false => Body::from(self.written(trailer_frame(&trailers))),
            true => Body::stream(Encoding { body, web: self }),
        }
    }

    /// Each part is padded: whoever reads goes on after the padding.
    fn written(self, part: Bytes) -> Bytes {
        if self.answered_as_text { Bytes::from(STANDARD.encode(part)) } else { part }
    }
}

/// Trailers as fields of HTTP/1.1, in a frame of their own.
fn trailer_frame(trailers: &HeaderMap) -> Bytes {
    let mut fields = BytesMut::new();
    for (name, value) in trailers {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            fields.put_slice(part);
        }
    }
    let mut frame = BytesMut::with_capacity(5 + fields.len());
    frame.put_u8(TRAILERS);
    frame.put_u32(u32::try_from(fields.len()).unwrap_or(u32::MAX));
    frame.put(fields);
    frame.freeze()
}

/// A body in base64, which may be padded anywhere.
struct Decoding {
    body: Body,
    /// Less than four letters.
    rest: BytesMut,
}

impl HttpBody for Decoding {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        loop {
            let frame = match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => frame,
                None if !self.rest.is_empty() => {
                    self.rest.clear();
                    return Poll::Ready(Some(Err(no_base64())));
                }
                other => return Poll::Ready(other),
            };
            let Ok(data) = frame.into_data() else { continue };
            self.rest.extend_from_slice(&data);
            let whole = self.rest.len() / 4 * 4;
            let letters = self.rest.split_to(whole);
            let decoded = decode(&letters)?;
            if !decoded.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(Bytes::from(decoded)))));
            }
        }
    }
}

/// Groups of four letters. Padding ends what was encoded in one go, and the next may follow.
fn decode(letters: &[u8]) -> Result<Vec<u8>, Error> {
    let mut decoded = Vec::with_capacity(letters.len() / 4 * 3);
    let mut left = letters;
    while !left.is_empty() {
        let end = left.iter().position(|letter| *letter == b'=').map_or(left.len(), |padding| (padding / 4 + 1) * 4);
        let (part, after) = left.split_at_checked(end).ok_or_else(no_base64)?;
        STANDARD.decode_vec(part, &mut decoded).map_err(|cause| no_base64().because(cause))?;
        left = after;
    }
    Ok(decoded)
}

fn no_base64() -> Error {
    Error::new(Kind::HttpRequestError, "the request's body is no base64")
}

/// An answer whose trailers become a frame.
struct Encoding {
    body: Body,
    web: Web,
}

impl HttpBody for Encoding {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let web = self.web;
        Poll::Ready(frame.map(|frame| {
            let part = frame?.into_data().or_else(|frame| frame.into_trailers().map(|fields| trailer_frame(&fields)));
            Ok(Frame::data(web.written(part.unwrap_or_default())))
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(content_type: &'static str, accept: &'static str) -> Option<(Web, String)> {
        let mut request = Request {
            method: Method::POST,
            scheme: "http",
            authority: "a".into(),
            path: "/a.B/C".into(),
            query: None,
            headers: HeaderMap::new(),
        };
        request.headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        request.headers.insert(ACCEPT, HeaderValue::from_static(accept));
        let web = Web::take(&mut request)?;
        Some((web, request.headers[CONTENT_TYPE].to_str().unwrap().to_owned()))
    }

    #[test]
    fn calls_of_grpc_web_are_told_from_others() {
        let web = |sent_as_text, answered_as_text| Web { sent_as_text, answered_as_text };
        for (content_type, accept, expected) in [
            ("application/grpc-web", "*/*", Some((web(false, false), "application/grpc"))),
            ("application/grpc-web+proto", "", Some((web(false, false), "application/grpc+proto"))),
            ("application/grpc-web-text", "application/grpc-web-text", Some((web(true, true), "application/grpc"))),
            ("application/grpc-web-text+proto", "*/*", Some((web(true, true), "application/grpc+proto"))),
            ("application/grpc-web-text", "application/grpc-web", Some((web(true, false), "application/grpc"))),
            ("application/grpc", "*/*", None),
            ("application/grpc-website", "*/*", None),
            ("application/json", "*/*", None),
        ] {
            let expected = expected.map(|(web, text)| (web, text.to_owned()));
            assert_eq!(taken(content_type, accept), expected, "{content_type}");
        }
    }

    #[test]
    fn base64_may_be_padded_in_between() {
        assert_eq!(decode(b"YQ==YmM=ZGVm").unwrap(), b"abcdef");
        assert_eq!(decode(b"").unwrap(), b"");
        for broken in [&b"Y=Q="[..], b"????", b"===="] {
            assert!(decode(broken).is_err(), "{broken:?}");
        }
    }

    #[test]
    fn trailers_are_a_frame() {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", 0.into());
        assert_eq!(trailer_frame(&trailers), &b"\x80\0\0\0\x10grpc-status: 0\r\n"[..]);
    }
}
