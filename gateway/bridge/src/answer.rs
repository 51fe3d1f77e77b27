//! What a broker says, as an answer of HTTP.

use bytes::Bytes;
use gateway_core::exchange::Answer;
use gateway_core::headers::strip_hop_by_hop;
use gateway_core::{Body, Error, Kind};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Response, StatusCode};
use serde_json::Value;

/// A whole answer.
pub(crate) fn whole(answer: Answer) -> Response<Body> {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    response
}

/// 202, with what is known of the message.
pub(crate) fn accepted(told: Option<&Value>) -> Response<Body> {
    let mut answer = Answer { status: StatusCode::ACCEPTED, ..Answer::default() };
    if let Some(told) = told {
        answer.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        answer.body = Bytes::from(told.to_string());
    }
    whole(answer)
}

/// A reply with its fields, those left out that frame a message or that no field of HTTP can be.
///
/// # Errors
/// It has more than `limit` bytes.
pub(crate) fn reply<'m>(
    status: StatusCode,
    fields: impl Iterator<Item = (&'m str, &'m [u8])>,
    payload: Bytes,
    limit: usize,
) -> Result<Response<Body>, Error> {
    if payload.len() > limit {
        return Err(Error::new(Kind::HttpResponseTooLarge, format!("the reply has more than {limit} bytes")));
    }
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    strip_hop_by_hop(&mut headers);
    headers.remove(CONTENT_LENGTH);
    if !headers.contains_key(CONTENT_TYPE) && !payload.is_empty() {
        headers.insert(CONTENT_TYPE, type_of(&payload));
    }
    Ok(whole(Answer { status, headers, body: payload }))
}

/// What a reply without a type is told as.
fn type_of(payload: &[u8]) -> HeaderValue {
    HeaderValue::from_static(match std::str::from_utf8(payload) {
        Ok(_) if serde_json::from_slice::<serde::de::IgnoredAny>(payload).is_ok() => "application/json",
        Ok(_) => "text/plain; charset=utf-8",
        Err(_) => "application/octet-stream",
    })
}
