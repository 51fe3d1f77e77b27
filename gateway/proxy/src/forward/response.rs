//! What an upstream says, made fit to be passed on.

use super::Upload;
use crate::tunnel::Handshake;
use crate::upstream::Lease;
use gateway_core::headers::strip_hop_by_hop;
use gateway_core::{Body, Error, Kind, Retry};
use http::header::{CONTENT_LENGTH, HeaderValue, TRANSFER_ENCODING};
use http::{Response, StatusCode, Version};
use http_body::Body as _;
use std::time::Duration;

/// How the end of an answer's body is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Framing {
    /// By the answer itself.
    #[default]
    Own,
    /// By the end of its connection, which a cut looks like (RFC 9112 8).
    Connection,
}

/// Holds the head of an answer against what one can be, and against the handshake that was asked for.
///
/// # Errors
/// A status that no final answer has, a switch of protocols that was not asked for, a coding of the body that nobody undoes.
pub(super) fn check(response: &Response<Body>, handshake: Option<&Handshake>) -> Result<(), Error> {
    let status = response.status();
    if let Some(handshake) = handshake {
        handshake.check(status, response.headers())?;
    }
    if status == StatusCode::SWITCHING_PROTOCOLS {
        return match handshake {
            Some(_) => Ok(()),
            None => Err(Error::new(Kind::HttpUpgradeFailed, "the upstream switched protocols unasked")),
        };
    }
    if !(200..600).contains(&status.as_u16()) {
        return Err(Error::new(Kind::HttpProtocolError, format!("the upstream answered with status {status}")));
    }
    // The coding is ours to undo before the field goes; hyper undoes the last `chunked` and no other.
    let is_other = |coding: &HeaderValue| !coding.as_bytes().eq_ignore_ascii_case(b"chunked");
    if response.body().size_hint().exact().is_none()
        && response.headers().get_all(TRANSFER_ENCODING).iter().any(is_other)
    {
        return Err(Error::new(Kind::HttpProtocolError, "the upstream's transfer-encoding is not just `chunked`"));
    }
    Ok(())
}

/// An answer that has switched protocols: what follows its head is the tunnel's.
///
/// # Errors
/// The connection was not left to that.
pub(super) fn switched(
    mut response: Box<Response<Body>>,
    lease: Lease,
    handshake: &Handshake,
) -> Result<Box<Response<Body>>, Error> {
    handshake.switch(lease)?;
    strip_hop_by_hop(response.headers_mut());
    response.headers_mut().remove(CONTENT_LENGTH);
    *response.body_mut() = Body::empty();
    Ok(response)
}

/// Makes the head fit to be passed on, and ties the body to its connection. Its end is a success of the endpoint where the head was `good`.
pub(super) fn incoming(
    mut response: Box<Response<Body>>,
    lease: Lease,
    upload: &Upload,
    stall: Duration,
    good: bool,
) -> Box<Response<Body>> {
    if response.body().size_hint().exact().is_none()
        && !response.headers().contains_key(TRANSFER_ENCODING)
        && response.version() != Version::HTTP_2
    {
        response.extensions_mut().insert(Framing::Connection);
    }
    let is_http11 = response.version() == Version::HTTP_11;
    let headers = response.headers_mut();
    let stays = !strip_hop_by_hop(headers) && is_http11;
    // Several equal lines are one; hyper refused different ones.
    if headers.len() > headers.keys_len() {
        let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
        if let (Some(length), Some(_)) = (lengths.next().cloned(), lengths.next()) {
            headers.insert(CONTENT_LENGTH, length);
        }
    }
    let body = std::mem::take(response.body_mut());
    *response.body_mut() = super::answer_body(body, lease, upload, stall, good, stays);
    response
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
