//! What an entry has of a record.

use super::Settings;
use super::redact::REDACTED;
use gateway_config::LogField;
use gateway_core::observe::Record;
use serde_json::Value;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

/// Who is told what a record has: each thing with its position among the fields that were chosen.
pub(super) trait Form {
    fn text(&mut self, field: usize, text: &str);
    /// One that is written in JSON as it is.
    fn word(&mut self, field: usize, word: &str);
    fn whole(&mut self, field: usize, number: u64);
    fn time(&mut self, field: usize, time: SystemTime);
    fn address(&mut self, field: usize, address: IpAddr);
    fn trace(&mut self, field: usize, id: u128);
    fn milliseconds(&mut self, field: usize, duration: Duration);
}

/// Tells what was chosen of a record, in that order; nothing of what the exchange did not have.
pub(super) fn tell(record: &Record, settings: &Settings, form: &mut impl Form) {
    let mut headers = record.fields.iter();
    let summary = &record.summary;
    for (at, field) in settings.log.fields.iter().enumerate() {
        match field {
            LogField::Time => form.time(at, record.at),
            // What is usable as an id, or was made by us.
            LogField::Request => form.word(at, record.request.to_str().unwrap_or_default()),
            LogField::Trace => record.trace.into_iter().for_each(|(id, _)| form.trace(at, id)),
            // Names of the configuration.
            LogField::Listener => form.word(at, &record.listener),
            LogField::Client => form.address(at, record.client),
            LogField::Consumer => record.consumer.iter().for_each(|consumer| form.text(at, consumer)),
            // A token (RFC 9110 9.1).
            LogField::Method => form.word(at, record.method.as_str()),
            LogField::Scheme => form.word(at, record.scheme),
            LogField::Host => form.text(at, &record.authority),
            LogField::Path => form.text(at, &record.path),
            LogField::Query => {
                record.query.iter().for_each(|query| form.text(at, &settings.redaction.query(query)));
            }
            LogField::Protocol => form.word(at, record.protocol),
            LogField::Route => form.word(at, &record.route),
            LogField::Upstream => record.upstream.iter().for_each(|upstream| form.word(at, upstream)),
            LogField::Status => form.whole(at, summary.status.into()),
            LogField::Error => summary.error.iter().for_each(|error| form.text(at, error)),
            LogField::Milliseconds => form.milliseconds(at, summary.duration),
            LogField::Received => form.whole(at, summary.request_bytes),
            LogField::Sent => form.whole(at, summary.response_bytes),
            LogField::Header(name) => match headers.next().and_then(Option::as_ref) {
                Some(_) if settings.redaction.hides_field(name) => form.word(at, REDACTED),
                // What is not text is told as far as it is.
                Some(value) => form.text(at, &String::from_utf8_lossy(value.as_bytes())),
                None => {}
            },
        }
    }
}

/// What an entry has of a record, for whoever has a form of its own for it.
pub(crate) fn entry(record: &Record, settings: &Settings) -> Vec<(String, Value)> {
    let mut entry = Entry { settings, told: Vec::with_capacity(settings.names.len()) };
    tell(record, settings, &mut entry);
    entry.told
}

struct Entry<'a> {
    settings: &'a Settings,
    told: Vec<(String, Value)>,
}

impl Entry<'_> {
    fn put(&mut self, field: usize, value: impl Into<Value>) {
        self.told.extend(self.settings.names.get(field).map(|name| (name.clone(), value.into())));
    }
}

impl Form for Entry<'_> {
    fn text(&mut self, field: usize, text: &str) {
        if !text.is_empty() {
            self.put(field, text);
        }
    }

    fn word(&mut self, field: usize, word: &str) {
        self.text(field, word);
    }

    fn whole(&mut self, field: usize, number: u64) {
        self.put(field, number);
    }

    fn time(&mut self, field: usize, time: SystemTime) {
        self.put(field, humantime::format_rfc3339_micros(time).to_string());
    }

    fn address(&mut self, field: usize, address: IpAddr) {
        self.put(field, address.to_string());
    }

    fn trace(&mut self, field: usize, id: u128) {
        self.put(field, format!("{id:032x}"));
    }

    /// Whole microseconds: what is behind them is noise.
    fn milliseconds(&mut self, field: usize, duration: Duration) {
        self.put(field, (duration.as_secs_f64() * 1e6).round() / 1e3);
    }
}
