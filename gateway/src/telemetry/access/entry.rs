//! A record as a line: an object, or `key=value` for people.

use super::Settings;
use super::redact::REDACTED;
use gateway_config::{LogField, LogFormat};
use gateway_core::observe::Record;
use http::HeaderValue;
use serde_json::Value;
use std::borrow::Cow;
use std::io::Write as _;

/// What one thing of a record is.
enum Told<'a> {
    Text(Cow<'a, str>),
    Whole(u64),
    Number(f64),
}

/// What one thing of a record is; none where the exchange had nothing of it.
fn told<'a>(
    field: &LogField,
    header: Option<&'a HeaderValue>,
    record: &'a Record,
    settings: &Settings,
) -> Option<Told<'a>> {
    let text = |text: &'a str| (!text.is_empty()).then_some(Told::Text(Cow::Borrowed(text)));
    let made = |text: String| Some(Told::Text(Cow::Owned(text)));
    let summary = &record.summary;
    match field {
        LogField::Time => made(humantime::format_rfc3339_micros(record.at).to_string()),
        LogField::Request => text(record.request.to_str().unwrap_or_default()),
        LogField::Trace => record.trace.and_then(|(id, _)| made(format!("{id:032x}"))),
        LogField::Listener => text(&record.listener),
        LogField::Client => made(record.client.to_string()),
        LogField::Consumer => record.consumer.as_deref().and_then(text),
        LogField::Method => text(record.method.as_str()),
        LogField::Scheme => text(record.scheme),
        LogField::Host => text(&record.authority),
        LogField::Path => text(&record.path),
        LogField::Query => record.query.as_deref().map(|query| Told::Text(settings.redaction.query(query))),
        LogField::Protocol => text(record.protocol),
        LogField::Route => text(&record.route),
        LogField::Upstream => record.upstream.as_deref().and_then(text),
        LogField::Status => Some(Told::Whole(summary.status.into())),
        LogField::Error => summary.error.and_then(text),
        // Whole microseconds: what is behind them is noise.
        LogField::Milliseconds => {
            let microseconds = u32::try_from(summary.duration.as_micros()).map_or(f64::MAX, f64::from);
            Some(Told::Number(microseconds / 1000.0))
        }
        LogField::Received => Some(Told::Whole(summary.request_bytes)),
        LogField::Sent => Some(Told::Whole(summary.response_bytes)),
        LogField::Header(name) => header.map(|value| match settings.redaction.hides_field(name) {
            true => Told::Text(Cow::Borrowed(REDACTED)),
            // What is not text is told as far as it is.
            false => Told::Text(String::from_utf8_lossy(value.as_bytes())),
        }),
    }
}

/// What an entry has of a record, in the order that was chosen; nothing for what the exchange did not have.
fn each<'a>(record: &'a Record, settings: &'a Settings) -> impl Iterator<Item = (&'a str, Told<'a>)> {
    let mut headers = record.fields.iter();
    settings.log.fields.iter().zip(&settings.names).filter_map(move |(field, name)| {
        let header = match field {
            LogField::Header(_) => headers.next().and_then(Option::as_ref),
            _ => None,
        };
        Some((name.as_str(), told(field, header, record, settings)?))
    })
}

/// What an entry has of a record, for whoever has a form of its own for it.
pub(crate) fn entry(record: &Record, settings: &Settings) -> Vec<(String, Value)> {
    let value = |told| match told {
        Told::Text(text) => Value::from(text),
        Told::Whole(number) => number.into(),
        Told::Number(number) => number.into(),
    };
    each(record, settings).map(|(name, told)| (name.to_owned(), value(told))).collect()
}

/// Puts a line behind others.
pub(super) fn line(record: &Record, settings: &Settings, lines: &mut Vec<u8>) {
    let is_json = settings.log.format == LogFormat::Json;
    let (begin, between, end): (&[u8], &[u8], &[u8]) = if is_json { (b"{", b",", b"}\n") } else { (b"", b" ", b"\n") };
    lines.extend_from_slice(begin);
    for (position, (name, told)) in each(record, settings).enumerate() {
        if position > 0 {
            lines.extend_from_slice(between);
        }
        // Writing to memory does not fail.
        let _ = match is_json {
            // Names are words and tokens, which have nothing to escape.
            true => write!(lines, "\"{name}\":"),
            false => write!(lines, "{name}="),
        };
        let _ = match told {
            Told::Text(text) if !is_json && is_plain(&text) => lines.write_all(text.as_bytes()),
            Told::Text(text) => serde_json::to_writer(&mut *lines, &*text).map_err(Into::into),
            Told::Whole(number) => write!(lines, "{number}"),
            Told::Number(number) => write!(lines, "{number}"),
        };
    }
    lines.extend_from_slice(end);
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
    use http::Method;
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
