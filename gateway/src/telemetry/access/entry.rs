//! What an entry has of a record.

use super::Settings;
use super::redact::REDACTED;
use gateway_config::LogField;
use gateway_core::observe::Record;
use http::HeaderValue;
use serde_json::Value;
use std::borrow::Cow;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

/// What one thing of a record is.
pub(super) enum Told<'a> {
    Text(Cow<'a, str>),
    /// One that is written as it is, in JSON and for people.
    Word(&'a str),
    Whole(u64),
    Time(SystemTime),
    Address(IpAddr),
    Trace(u128),
    Milliseconds(Duration),
}

/// What one thing of a record is; none where the exchange had nothing of it.
fn told<'a>(
    field: &LogField,
    header: Option<&'a HeaderValue>,
    record: &'a Record,
    settings: &Settings,
) -> Option<Told<'a>> {
    let text = |text: &'a str| (!text.is_empty()).then_some(Told::Text(Cow::Borrowed(text)));
    let summary = &record.summary;
    match field {
        LogField::Time => Some(Told::Time(record.at)),
        LogField::Request => text(std::str::from_utf8(record.request.as_bytes()).unwrap_or_default()),
        LogField::Trace => record.trace.map(|(id, _)| Told::Trace(id)),
        LogField::Listener => text(&record.listener),
        LogField::Client => Some(Told::Address(record.client)),
        LogField::Consumer => record.consumer.as_deref().and_then(text),
        // A token (RFC 9110 9.1).
        LogField::Method => Some(Told::Word(record.method.as_str())),
        LogField::Scheme => Some(Told::Word(record.scheme)),
        LogField::Host => text(&record.authority),
        LogField::Path => text(&record.path),
        LogField::Query => record.query.as_deref().map(|query| Told::Text(settings.redaction.query(query))),
        LogField::Protocol => Some(Told::Word(record.protocol)),
        LogField::Route => text(&record.route),
        LogField::Upstream => record.upstream.as_deref().and_then(text),
        LogField::Status => Some(Told::Whole(summary.status.into())),
        LogField::Error => summary.error.and_then(text),
        LogField::Milliseconds => Some(Told::Milliseconds(summary.duration)),
        LogField::Received => Some(Told::Whole(summary.request_bytes)),
        LogField::Sent => Some(Told::Whole(summary.response_bytes)),
        LogField::Header(name) => header.map(|value| match settings.redaction.hides_field(name) {
            true => Told::Text(Cow::Borrowed(REDACTED)),
            // What is not text is told as far as it is.
            false => Told::Text(String::from_utf8_lossy(value.as_bytes())),
        }),
    }
}

/// What an entry has of a record, in the order that was chosen, each with its position there; nothing for what the exchange did not have.
pub(super) fn each<'a>(record: &'a Record, settings: &'a Settings) -> impl Iterator<Item = (usize, Told<'a>)> {
    let mut headers = record.fields.iter();
    settings.log.fields.iter().enumerate().filter_map(move |(position, field)| {
        let header = match field {
            LogField::Header(_) => headers.next().and_then(Option::as_ref),
            _ => None,
        };
        Some((position, told(field, header, record, settings)?))
    })
}

/// What an entry has of a record, for whoever has a form of its own for it.
pub(crate) fn entry(record: &Record, settings: &Settings) -> Vec<(String, Value)> {
    let value = |told| match told {
        Told::Text(text) => Value::from(text),
        Told::Word(word) => word.into(),
        Told::Whole(number) => number.into(),
        Told::Time(time) => humantime::format_rfc3339_micros(time).to_string().into(),
        Told::Address(address) => address.to_string().into(),
        Told::Trace(id) => format!("{id:032x}").into(),
        // Whole microseconds: what is behind them is noise.
        Told::Milliseconds(duration) => ((duration.as_secs_f64() * 1e6).round() / 1e3).into(),
    };
    let named = |(position, told): (usize, _)| Some((settings.names.get(position)?.clone(), value(told)));
    each(record, settings).filter_map(named).collect()
}
