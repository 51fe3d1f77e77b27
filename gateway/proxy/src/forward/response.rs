//! What an upstream says, made fit to be passed on.

use super::Upload;
use crate::tunnel::Handshake;
use crate::upstream::Lease;
use gateway_core::headers::{names_close, strip_hop_by_hop};
use gateway_core::{Body, Error, Kind, Retry};
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{Response, StatusCode, Version};
use http_body::Body as _;
use std::time::Duration;

/// What the answer is held against.
pub(super) struct Expected<'a> {
    pub(super) upload: &'a Upload,
    /// Where the request has asked to switch protocols.
    pub(super) handshake: Option<&'a Handshake>,
}

/// How the end of an answer's body is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Framing {
    /// By the answer itself.
    #[default]
    Own,
    /// By the end of its connection, which a cut looks like (RFC 9112 8).
    Connection,
}

/// Checks the head and ties the body to its connection. Its end is a success of the endpoint where the head was `good`.
///
/// # Errors
/// A status that no final answer has, or a switch of protocols that was not asked for.
pub(super) fn incoming(
    mut response: Box<Response<Body>>,
    lease: Lease,
    expected: &Expected<'_>,
    stall: Duration,
    good: bool,
) -> Result<Box<Response<Body>>, Error> {
    let status = response.status();
    if let Some(handshake) = expected.handshake {
        handshake.check(status, response.headers())?;
    }
    if status == StatusCode::SWITCHING_PROTOCOLS {
        let Some(handshake) = expected.handshake else {
            return Err(Error::new(Kind::HttpUpgradeFailed, "the upstream switched protocols unasked"));
        };
        handshake.switch(lease)?;
        strip_hop_by_hop(response.headers_mut());
        response.headers_mut().remove(CONTENT_LENGTH);
        *response.body_mut() = Body::empty();
        return Ok(response);
    }
    if !(200..600).contains(&status.as_u16()) {
        return Err(Error::new(Kind::HttpProtocolError, format!("the upstream answered with status {status}")));
    }
    if response.body().size_hint().exact().is_none() {
        // The coding is ours to undo before the field goes; hyper undoes the last `chunked` and no other.
        let mut codings = response.headers().get_all(TRANSFER_ENCODING).iter().peekable();
        let is_framed = codings.peek().is_some() || response.version() == Version::HTTP_2;
        if codings.any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"chunked")) {
            let detail = "the upstream's transfer-encoding is not just `chunked`";
            return Err(Error::new(Kind::HttpProtocolError, detail));
        }
        if !is_framed {
            response.extensions_mut().insert(Framing::Connection);
        }
    }
    let stays = response.version() == Version::HTTP_11 && !names_close(response.headers());
    let headers = response.headers_mut();
    strip_hop_by_hop(headers);
    // Several equal lines are one; hyper refused different ones.
    if headers.len() > headers.keys_len() {
        let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
        if let (Some(length), Some(_)) = (lengths.next().cloned(), lengths.next()) {
            headers.insert(CONTENT_LENGTH, length);
        }
    }
    let body = std::mem::take(response.body_mut());
    *response.body_mut() = super::answer_body(body, lease, expected.upload, stall, good, stays);
    Ok(response)
}

/// Whose fault a failed attempt is. The client's body is looked at first: hyper tells its faults as ours.
pub(super) fn fault(cause: hyper::Error, upload: &Upload) -> Error {
    if let Some(error) = upload.take_fault() {
        return error;
    }
    let kind = if cause.is_parse_too_large() {
        Kind::HttpResponseTooLarge
    } else if cause.is_parse() {
        Kind::HttpProtocolError
    } else if cause.is_timeout() {
        Kind::ConnectionReadTimeout
    } else {
        Kind::ConnectionTerminated
    };
    let detail = match kind {
        Kind::HttpResponseTooLarge => "the head of the upstream's answer is too large",
        Kind::HttpProtocolError => "the upstream's answer breaks the protocol",
        Kind::ConnectionReadTimeout => "the upstream stopped answering",
        _ => "the upstream closed the connection before it answered",
    };
    // Closed before it answered: on a connection that had been idle, most likely before it saw the request.
    let retry = if kind == Kind::ConnectionTerminated { Retry::IfReused } else { Retry::No };
    Error::new(kind, detail).retry(retry).because(cause)
}
