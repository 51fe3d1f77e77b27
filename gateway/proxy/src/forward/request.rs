//! The request as the upstream gets it.

use super::{HostField, Peer, forwarded, template};
use crate::heap::boxed;
use crate::route::Forward;
use crate::router::Captured;
use gateway_config::{HostPolicy, Rewrite};
use gateway_core::exchange::{self, Exchange};
use gateway_core::path::{Allow, normalize};
use gateway_core::{Body, Error, Kind};
use http::header::{CONNECTION, EXPECT, HeaderValue, TE, TRANSFER_ENCODING, VIA};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, Request, Uri, Version};
use http_body::Body as _;
use std::borrow::Cow;

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Turns an exchange's request into one for its upstream. Its head is moved out unless a later phase reads it.
///
/// # Errors
/// A rewritten path that is none.
pub fn outgoing(
    exchange: &mut Exchange,
    captured: &Captured,
    forward: &Forward,
    peer: &Peer,
    trusted: bool,
    keep_head: bool,
    body: Body,
) -> Result<(HostField, Box<Request<Body>>), Error> {
    let target = target(&exchange.request, captured, &forward.rewrite)?;
    let host = match &forward.host {
        HostPolicy::Endpoint => HostField::Endpoint,
        HostPolicy::Preserve => HostField::Given(host_field(&exchange.request.authority)?),
        HostPolicy::Fixed(name) => HostField::Given(host_field(name)?),
    };
    let mut headers = match keep_head {
        true => exchange.request.headers.clone(),
        false => std::mem::take(&mut exchange.request.headers),
    };
    forwarded::tell(&mut headers, &exchange.request, peer, trusted);
    headers.insert(REQUEST_ID, exchange.id.clone());
    finish(&mut headers);
    if !body.is_end_stream() && body.size_hint().exact().is_none() {
        // hyper would leave the body of a GET away.
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }

    let mut request = boxed(|| Request::new(body));
    *request.method_mut() = exchange.request.method.clone();
    *request.uri_mut() = target;
    *request.version_mut() = Version::HTTP_11;
    *request.headers_mut() = headers;
    Ok((host, request))
}

/// What every request upstream has and has not. `expect` is answered by us as soon as somebody wants the body; `te: trailers`
/// is the one transfer parameter that passes, and names itself in `connection` (RFC 9110 10.1.4).
pub(super) fn finish(headers: &mut HeaderMap) {
    let (mut expects, mut trails) = (false, false);
    // One look at the names, where most requests have neither.
    for name in headers.keys() {
        expects |= *name == EXPECT;
        trails |= *name == TE;
    }
    if expects {
        headers.remove(EXPECT);
    }
    if trails {
        headers.insert(CONNECTION, HeaderValue::from_static("te"));
    }
    headers.append(VIA, HeaderValue::from_static("1.1 gateway"));
}

fn host_field(name: &str) -> Result<HeaderValue, Error> {
    HeaderValue::from_str(name).map_err(|cause| Error::new(Kind::Internal, "the host cannot be a field").because(cause))
}

/// Path and query. The path was normal before, and one that was put together is brought to the normal form again.
fn target(request: &exchange::Request, captured: &Captured, rewrite: &Rewrite) -> Result<Uri, Error> {
    let path = rewritten(&request.path, captured, rewrite)?;
    let target = match request.query.as_deref() {
        None => path.into_owned(),
        Some(query) => format!("{path}?{query}"),
    };
    let target = PathAndQuery::from_maybe_shared(bytes::Bytes::from(target)).map_err(|cause| {
        Error::new(Kind::HttpRequestError, "the path or query has a byte that is not allowed").because(cause)
    })?;
    let mut parts = http::uri::Parts::default();
    parts.path_and_query = Some(target);
    Uri::from_parts(parts).map_err(|cause| Error::new(Kind::Internal, "the target cannot be built").because(cause))
}

/// The path as the upstream gets it.
///
/// # Errors
/// What was put together is no path.
pub fn rewritten<'a>(path: &'a str, captured: &Captured, rewrite: &Rewrite) -> Result<Cow<'a, str>, Error> {
    let made = match rewrite {
        Rewrite::Keep => return Ok(Cow::Borrowed(path)),
        Rewrite::Prefix { strip, add } => {
            let rest = match path.strip_prefix(strip.as_str()) {
                Some(rest) if rest.is_empty() || rest.starts_with('/') || strip.ends_with('/') => rest,
                _ => path,
            };
            let slash = if rest.starts_with('/') || (rest.is_empty() && !add.is_empty()) { "" } else { "/" };
            format!("{add}{slash}{rest}")
        }
        Rewrite::Template(text) => template::expand(text, captured),
    };
    let lenient = Allow { encoded_slash: true, backslash: true, encoded_nul: true };
    match normalize(&made, lenient) {
        Ok(normal) => Ok(Cow::Owned(normal.into_owned())),
        Err(cause) => Err(Error::new(Kind::HttpRequestError, "the rewritten path is none").because(cause)),
    }
}
