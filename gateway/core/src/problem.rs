//! Answers of the gateway itself: problem details (RFC 9457).

use crate::error::{Error, Kind};
use crate::exchange::Answer;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, HeaderName, StatusCode};

/// `proxy-status` (RFC 9209): which hop failed, and how.
pub const PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");

/// A problem document.
#[must_use]
#[cold]
pub fn answer(status: StatusCode, detail: Option<&str>) -> Answer {
    let mut document = serde_json::Map::new();
    document.insert("type".into(), "about:blank".into());
    document.insert("title".into(), status.canonical_reason().unwrap_or("Unknown").into());
    document.insert("status".into(), status.as_u16().into());
    if let Some(detail) = detail {
        document.insert("detail".into(), detail.into());
    }
    let mut headers = HeaderMap::with_capacity(4);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Answer { status, headers, body: Bytes::from(serde_json::Value::Object(document).to_string()) }
}

/// What the client is told of a failure: the kind, never the chain behind it.
#[must_use]
#[cold]
pub fn of(error: &Error) -> Answer {
    let detail = match error.kind().status().as_u16() {
        400..500 => Some(error.detail()),
        _ => None,
    };
    let mut answer = answer(error.kind().status(), detail);
    if let Ok(value) = HeaderValue::try_from(format!("gateway; error={}", error.kind().token())) {
        answer.headers.insert(PROXY_STATUS, value);
    }
    if matches!(error.kind(), Kind::Overloaded | Kind::ConnectionLimitReached) {
        answer.headers.insert(http::header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    answer
}
