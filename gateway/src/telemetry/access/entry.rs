//! A record as a line: an object, or `key=value` for people.

use super::Settings;
use super::redact::REDACTED;
use gateway_config::{LogField, LogFormat};
use gateway_core::observe::Record;
use serde_json::Value;

/// What one thing of a record is; none where the exchange had nothing of it.
fn value(field: &LogField, header: Option<&str>, record: &Record, settings: &Settings) -> Option<Value> {
    let text = |text: &str| (!text.is_empty()).then(|| Value::from(text));
    let summary = &record.summary;
    match field {
        LogField::Time => Some(humantime::format_rfc3339_micros(record.at).to_string().into()),
        LogField::Request => text(record.request.to_str().unwrap_or_default()),
        LogField::Trace => record.trace.map(|(id, _)| format!("{id:032x}").into()),
        LogField::Listener => text(&record.listener),
        LogField::Client => Some(record.client.to_string().into()),
        LogField::Consumer => record.consumer.as_deref().map(Value::from),
        LogField::Method => text(record.method.as_str()),
        LogField::Scheme => text(record.scheme),
        LogField::Host => text(&record.authority),
        LogField::Path => text(&record.path),
        LogField::Query => record.query.as_deref().map(|query| settings.redaction.query(query).into_owned().into()),
        LogField::Protocol => text(record.protocol),
        LogField::Route => text(&record.route),
        LogField::Upstream => record.upstream.as_deref().map(Value::from),
        LogField::Status => Some(summary.status.into()),
        LogField::Error => summary.error.map(Value::from),
        // Whole microseconds: what is behind them is noise.
        LogField::Milliseconds => {
            Some((u32::try_from(summary.duration.as_micros()).map_or(f64::MAX, f64::from) / 1000.0).into())
        }
        LogField::Received => Some(summary.request_bytes.into()),
        LogField::Sent => Some(summary.response_bytes.into()),
        LogField::Header(name) => header.map(|value| match settings.redaction.hides_field(name) {
            true => REDACTED.into(),
            false => value.into(),
        }),
    }
}

/// What an entry has of a record, in the order that was chosen; nothing for what the exchange did not have.
pub(crate) fn entry(record: &Record, settings: &Settings) -> Vec<(String, Value)> {
    let mut headers = record.fields.iter();
    let told = settings.log.fields.iter().filter_map(|field| {
        let header = match field {
            LogField::Header(_) => headers.next().and_then(Option::as_ref),
            _ => None,
        };
        // What is not text is told as far as it is.
        let header = header.map(|header| String::from_utf8_lossy(header.as_bytes()));
        Some((field.name(), value(field, header.as_deref(), record, settings)?))
    });
    told.collect()
}

/// Puts a line behind others.
pub(super) fn line(record: &Record, settings: &Settings, lines: &mut Vec<u8>) {
    let entry = entry(record, settings);
    match settings.log.format {
        LogFormat::Json => {
            let object: serde_json::Map<String, Value> = entry.into_iter().collect();
            // Writing to memory does not fail, and all keys are texts.
            let _ = serde_json::to_writer(&mut *lines, &object);
        }
        LogFormat::Text => {
            for (position, (name, value)) in entry.iter().enumerate() {
                if position > 0 {
                    lines.push(b' ');
                }
                lines.extend_from_slice(name.as_bytes());
                lines.push(b'=');
                match value {
                    Value::String(text) if is_plain(text) => lines.extend_from_slice(text.as_bytes()),
                    other => drop(serde_json::to_writer(&mut *lines, other)),
                }
            }
        }
    }
    lines.push(b'\n');
}

/// Whether a text needs no quotes to be told from what follows.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'=' | b'\\'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use gateway_config::{AccessLog, LogTarget};
    use gateway_core::plugin::Summary;
    use http::{HeaderValue, Method};
    use std::net::IpAddr;
    use std::time::{Duration, SystemTime};

    fn record() -> Record {
        Record {
            at: SystemTime::UNIX_EPOCH + Duration::from_millis(1_500),
            request: HeaderValue::from_static("r-1"),
            trace: Some((0xabc, 1)),
            listener: "public".into(),
            client: IpAddr::from([192, 0, 2, 1]),
            consumer: None,
            method: Method::GET,
            scheme: "https",
            authority: "shop.example".into(),
            path: "/a b\n".into(),
            query: Some("token=x&page=1".into()),
            protocol: "2",
            route: "orders".into(),
            upstream: None,
            summary: Summary {
                status: 200,
                duration: Duration::from_micros(1_234),
                response_bytes: 7,
                ..Summary::default()
            },
            fields: vec![Some(HeaderValue::from_static("curl")), Some(HeaderValue::from_static("Bearer x")), None],
        }
    }

    fn written(format: LogFormat, fields: Vec<LogField>) -> String {
        let log = AccessLog { target: LogTarget::Stdout, format, fields, sample: 1_000_000, redact: Vec::new() };
        let mut lines = Vec::new();
        line(&record(), &Settings::new(&log), &mut lines);
        String::from_utf8(lines).unwrap()
    }

    #[test]
    fn an_entry_has_what_was_chosen_and_no_credentials() {
        let header = |name: &str| LogField::Header(name.to_owned());
        let fields = vec![
            LogField::Status,
            header("user-agent"),
            LogField::Query,
            header("authorization"),
            header("x-none"),
            LogField::Milliseconds,
        ];
        let expected = "{\"status\":200,\"header.user-agent\":\"curl\",\"query\":\"token=REDACTED&page=1\",\
                        \"header.authorization\":\"REDACTED\",\"milliseconds\":1.234}\n";
        assert_eq!(written(LogFormat::Json, fields), expected);
    }

    #[test]
    fn a_line_for_people_is_one_line() {
        let expected = "time=1970-01-01T00:00:01.500000Z request=r-1 client=192.0.2.1 method=GET host=shop.example \
                        path=\"/a b\\n\" status=200 milliseconds=1.234 received=0 sent=7 route=orders \
                        trace=00000000000000000000000000000abc listener=public scheme=https protocol=2\n";
        assert_eq!(written(LogFormat::Text, LogField::usual()), expected);
    }
}
