//! Answers of the administration listener: JSON, text, and problem details (RFC 9457) for whatever goes wrong.

use bytes::Bytes;
use gateway_core::{Body, Kind, Origin};
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use hyper::body::Incoming;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// An answer.
pub(super) type Reply = Response<Body>;

/// Bytes of a request's body.
const LONGEST: usize = 64 << 10;
/// How long one may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Something is wrong with what was asked.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    detail: String,
    allow: Option<&'static str>,
    problems: Option<serde_json::Value>,
}

impl Problem {
    /// With a sentence for whoever asked.
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), allow: None, problems: None }
    }

    /// Nothing is there.
    pub(super) fn absent(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// It cannot be understood.
    pub(super) fn bad(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// Another method is meant.
    pub(super) fn method(allow: &'static str) -> Self {
        Self { allow: Some(allow), ..Self::new(StatusCode::METHOD_NOT_ALLOWED, format!("{allow} is meant")) }
    }

    /// With what is wrong with the configuration, as `/status` tells it.
    pub(super) fn with(self, problems: &impl Serialize) -> Self {
        Self { problems: serde_json::to_value(problems).ok(), ..self }
    }
}

impl From<Problem> for Reply {
    fn from(problem: Problem) -> Self {
        let Problem { status, detail, allow, problems } = problem;
        let mut document = serde_json::json!({
            "type": "about:blank",
            "title": status.canonical_reason().unwrap_or("Unknown"),
            "status": status.as_u16(),
            "detail": detail,
        });
        if let (Some(fields), Some(problems)) = (document.as_object_mut(), problems) {
            fields.insert("problems".to_owned(), problems);
        }
        let mut reply = of("application/problem+json", document.to_string());
        *reply.status_mut() = status;
        if let Some(allow) = allow {
            reply.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
        }
        if status == StatusCode::UNAUTHORIZED {
            reply.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        reply
    }
}

/// What there is, as a document.
pub(super) fn json(value: &impl Serialize) -> Reply {
    match serde_json::to_vec_pretty(value) {
        Ok(mut body) => {
            body.push(b'\n');
            of("application/json", body)
        }
        Err(error) => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, format!("it cannot be written: {error}")).into(),
    }
}

/// A line for probes.
pub(super) fn text(status: StatusCode, body: &'static str) -> Reply {
    let mut reply = of("text/plain; charset=utf-8", body);
    *reply.status_mut() = status;
    reply
}

/// Something of this media type, never to be kept.
pub(super) fn of(media: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Body::from(body.into()));
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media));
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

/// What was sent, bounded in size and time. It is read whatever becomes of it: a client that still sends would see its connection reset
/// instead of the answer.
pub(super) async fn sent(body: Incoming) -> Result<Bytes, Problem> {
    let body = Body::incoming(body, Origin::Client).gather(LONGEST);
    match tokio::time::timeout(PATIENCE, body).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(error)) if matches!(error.kind(), Kind::BodyTooLarge) => {
            Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("at most {LONGEST} bytes")))
        }
        Ok(Err(error)) => Err(Problem::bad(error.detail())),
        Err(_) => Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "the body did not come")),
    }
}

/// The document that was sent: an object, where serde would take a list of its values as well.
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let document: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(body).map_err(unmeant)?;
    T::deserialize(document).map_err(unmeant)
}

fn unmeant(error: serde_json::Error) -> Problem {
    Problem::bad(format!("this is not what is meant: {error}"))
}

/// Nothing is to be said: no body, or an empty object.
pub(super) fn nothing(body: &[u8]) -> Result<(), Problem> {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Nothing {}
    if body.is_empty() {
        return Ok(());
    }
    read(body).map(|Nothing {}| ())
}
