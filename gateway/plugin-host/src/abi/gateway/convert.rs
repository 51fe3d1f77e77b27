//! Between the guest's types and the gateway's. What a guest gives is checked here like a client's input.

use super::Said;
use super::wit::types::{self, Field};
use crate::capabilities::fields;
use crate::limits::Limits;
use bytes::Bytes;
use gateway_core::exchange::Answer;
use gateway_core::plugin::{BodyFlow, Flow, Summary};
use http::{HeaderMap, StatusCode};
use wasmtime::component::{ComponentType, Lower};

/// `summary` of `on-complete`.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(crate) struct SummaryRecord {
    status: u16,
    duration: u64,
    #[component(name = "request-bytes")]
    request_bytes: u64,
    #[component(name = "response-bytes")]
    response_bytes: u64,
    error: Option<&'static str>,
}

impl From<Summary> for SummaryRecord {
    fn from(summary: Summary) -> Self {
        Self {
            status: summary.status,
            duration: u64::try_from(summary.duration.as_micros()).unwrap_or(u64::MAX),
            request_bytes: summary.request_bytes,
            response_bytes: summary.response_bytes,
            error: summary.error,
        }
    }
}

/// What an answer is checked against.
pub(crate) struct Terms<'a> {
    pub(crate) limits: &'a Limits,
    /// Whether there is a phase for the body that a head phase may await.
    pub(crate) may_await: bool,
}

/// What a head phase answered; the error says which rule it breaks.
pub(crate) fn flow(said: Said, terms: &Terms<'_>) -> Result<Flow, String> {
    let Said::Flow(flow) = said else { return Err(another()) };
    Ok(match flow {
        types::Flow::Next => Flow::Next,
        types::Flow::AwaitBody if terms.may_await => Flow::AwaitBody,
        types::Flow::AwaitBody => return Err("it awaits a body and exports no phase for it".to_owned()),
        types::Flow::Respond(response) => Flow::Respond(Box::new(whole(response, terms)?)),
    })
}

/// What a body phase answered.
pub(crate) fn body_flow(said: Said, terms: &Terms<'_>) -> Result<BodyFlow, String> {
    let Said::BodyFlow(flow) = said else { return Err(another()) };
    Ok(match flow {
        types::BodyFlow::Next => BodyFlow::Next,
        types::BodyFlow::Replace(replacement) => BodyFlow::Replace(body(replacement, terms.limits)?),
        types::BodyFlow::Respond(response) => BodyFlow::Respond(Box::new(whole(response, terms)?)),
    })
}

/// What `handle` answered.
pub(crate) fn answer(said: Said, terms: &Terms<'_>) -> Result<Answer, String> {
    let Said::Response(response) = said else { return Err(another()) };
    whole(response, terms)
}

/// What no phase of this host does.
fn another() -> String {
    "it answered as another phase does".to_owned()
}

/// A whole response.
fn whole(response: types::Response, terms: &Terms<'_>) -> Result<Answer, String> {
    Ok(Answer {
        status: status(response.status)
            .ok_or_else(|| format!("it answered with the status {}; 200 to 599 are allowed", response.status))?,
        headers: headers(response.headers)
            .map_err(|error| format!("it answered with a bad field: {}", text(&error)))?,
        body: body(response.body, terms.limits)?,
    })
}

/// A status that a plugin may write.
pub(crate) fn status(status: u16) -> Option<StatusCode> {
    if (200..=599).contains(&status) { StatusCode::from_u16(status).ok() } else { None }
}

/// Fields that a plugin made, checked.
pub(crate) fn headers(fields: Vec<Field>) -> Result<HeaderMap, types::Error> {
    if fields.len() > fields::COUNT {
        return Err(fields::too_many());
    }
    let mut headers = HeaderMap::with_capacity(fields.len());
    for field in fields {
        headers.append(fields::writable(&field.name)?, fields::value(&field.value)?);
    }
    fields::fits(&headers, 0).map(|()| headers)
}

/// All fields for a guest, in order.
pub(crate) fn list(headers: &HeaderMap) -> Vec<Field> {
    headers
        .iter()
        .map(|(name, value)| Field { name: name.as_str().to_owned(), value: value.as_bytes().to_vec() })
        .collect()
}

fn body(body: Vec<u8>, limits: &Limits) -> Result<Bytes, String> {
    if body.len() > limits.body {
        return Err(format!("it gave a body of {} bytes; `limits.body` is {}", body.len(), limits.body));
    }
    Ok(body.into())
}

/// An error of a host function in words.
pub(crate) fn text(error: &types::Error) -> String {
    match error {
        types::Error::Denied(text)
        | types::Error::Invalid(text)
        | types::Error::TooLarge(text)
        | types::Error::Failed(text) => text.clone(),
        types::Error::WrongPhase => "there is no such thing in this phase".to_owned(),
    }
}
