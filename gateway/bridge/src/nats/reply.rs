//! A message of NATS as an answer.

use crate::answer;
use async_nats::Message;
use gateway_core::{Body, Error, Kind, problem};
use http::{Response, StatusCode};
use serde_json::{Value, json};

/// How services of NATS say that they failed (its ADR-32).
const ERROR_CODE: &str = "Nats-Service-Error-Code";
const ERROR: &str = "Nats-Service-Error";

/// A reply. A service's own error is an answer with that status.
pub(super) fn answer(message: &Message, limit: usize) -> Result<Response<Body>, Error> {
    let headers = message.headers.as_ref();
    let known = |wanted: &str| {
        let mut all = headers.into_iter().flat_map(|headers| headers.iter());
        all.find(|(name, _)| name.to_string().eq_ignore_ascii_case(wanted)).and_then(|(_, values)| values.first())
    };
    let (code, detail) = (known(ERROR_CODE), known(ERROR));
    let status = match (code, detail) {
        (None, None) => StatusCode::OK,
        (Some(code), _) => match code.as_str().parse::<u16>() {
            Ok(code @ 400..600) => StatusCode::from_u16(code).unwrap_or(StatusCode::BAD_GATEWAY),
            _ => StatusCode::BAD_GATEWAY,
        },
        _ => StatusCode::BAD_GATEWAY,
    };
    if status != StatusCode::OK && message.payload.is_empty() {
        return Ok(answer::whole(problem::answer(status, detail.map(|detail| detail.as_str()))));
    }
    let names: Vec<(String, &Vec<async_nats::HeaderValue>)> = headers
        .into_iter()
        .flat_map(|headers| headers.iter())
        .map(|(name, values)| (name.to_string(), values))
        .collect();
    // Those of the server's own are no business of the client's.
    let own = names.iter().filter(|(name, _)| !name.to_ascii_lowercase().starts_with("nats-"));
    let fields = own.flat_map(|(name, values)| values.iter().map(|value| (name.as_str(), value.as_str().as_bytes())));
    answer::reply(status, fields, message.payload.clone(), limit)
}

/// What JetStream says of a message that it was to keep.
pub(super) fn stored(message: &Message) -> Result<Response<Body>, Error> {
    let unreadable = || Error::new(Kind::HttpProtocolError, "the acknowledgement of a message is none");
    let told: Value = serde_json::from_slice(&message.payload).map_err(|cause| unreadable().because(cause))?;
    if let Some(error) = told.get("error") {
        let detail = format!("the stream did not keep the message: {error}");
        return Err(Error::new(Kind::DestinationUnavailable, detail));
    }
    let (Some(stream), Some(sequence)) = (told.get("stream"), told.get("seq")) else { return Err(unreadable()) };
    let duplicate = told.get("duplicate").and_then(Value::as_bool).unwrap_or_default();
    Ok(answer::accepted(Some(&json!({ "stream": stream, "sequence": sequence, "duplicate": duplicate }))))
}
