//! What the gateway knows, in the words of OTLP.

use super::{Entry, Line, Waiting};
use crate::telemetry::access;
use gateway_core::trace::{Finished, Side, Span as Known, Value};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs, SeverityNumber};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message as _;
use std::time::{Instant, SystemTime};
use tracing::Level;

/// What field 1 and field 2 of a message begin with where they are messages themselves.
const FIELD_1: u8 = 1 << 3 | 2;
const FIELD_2: u8 = 2 << 3 | 2;

/// The spans of these requests, encoded.
pub(super) fn traces(service: &str, batch: &[Waiting]) -> Vec<u8> {
    encoded(service, batch.iter().map(|waiting| &*waiting.finished))
}

/// Each span is encoded where it belongs, not when all of them stand in one message: that would ask a span for its length once for each message
/// around it.
fn encoded<'f>(service: &str, batch: impl Iterator<Item = &'f Finished>) -> Vec<u8> {
    let mut scope_spans = ScopeSpans { scope: Some(scope()), ..ScopeSpans::default() }.encode_to_vec();
    // One for each side, so that what a span has is written over the like of it, and no memory is asked for.
    let [mut server, mut client, mut internal] = [Span::default(), Span::default(), Span::default()];
    for finished in batch {
        for known in &finished.spans {
            let span = match known.side {
                Side::Server => &mut server,
                Side::Client => &mut client,
                Side::Internal => &mut internal,
            };
            write(span, finished, known);
            push(&mut scope_spans, FIELD_2, span);
        }
    }
    let mut resource_spans =
        ResourceSpans { resource: Some(resource(service)), ..ResourceSpans::default() }.encode_to_vec();
    push_encoded(&mut resource_spans, FIELD_2, &scope_spans);
    let mut request = Vec::with_capacity(resource_spans.len() + 8);
    push_encoded(&mut request, FIELD_1, &resource_spans);
    request
}

/// Puts one more field behind those of an encoded message.
fn push(message: &mut Vec<u8>, field: u8, value: &impl prost::Message) {
    message.push(field);
    // Writing to memory does not fail.
    let _ = value.encode_length_delimited(message);
}

fn push_encoded(message: &mut Vec<u8>, field: u8, value: &[u8]) {
    message.push(field);
    let _ = prost::encode_length_delimiter(value.len(), message);
    message.extend_from_slice(value);
}

/// These entries of the access log, encoded.
pub(super) fn entries(service: &str, batch: &[Entry]) -> Vec<u8> {
    logs(service, batch.iter().map(log_record).collect())
}

/// These lines of the log, encoded.
pub(super) fn lines(service: &str, batch: &[Line]) -> Vec<u8> {
    logs(service, batch.iter().map(line).collect())
}

fn logs(service: &str, log_records: Vec<LogRecord>) -> Vec<u8> {
    let scope_logs = ScopeLogs { scope: Some(scope()), log_records, ..ScopeLogs::default() };
    let resource_logs =
        ResourceLogs { resource: Some(resource(service)), scope_logs: vec![scope_logs], ..ResourceLogs::default() };
    ExportLogsServiceRequest { resource_logs: vec![resource_logs] }.encode_to_vec()
}

/// Makes a span of what is known, in the memory of another one.
fn write(span: &mut Span, finished: &Finished, known: &Known) {
    let time = |moment: Instant| nanoseconds(at(finished.began, moment));
    let kind = match known.side {
        Side::Server => SpanKind::Server,
        Side::Client => SpanKind::Client,
        Side::Internal => SpanKind::Internal,
    };
    let mut attributes = Attributes::over(&mut span.attributes);
    for (key, value) in &known.attributes {
        match value {
            Value::Text(text) => attributes.text(key, text),
            Value::Name(name) => attributes.text(key, name),
            Value::Number(number) => attributes.number(key, *number),
        }
    }
    if let Some(failure) = &known.failure {
        attributes.text("error.type", failure);
    }
    // The last span of a request is the request itself; it tells of those that were too many.
    if finished.lost > 0 && known.side == Side::Server {
        attributes.number("gateway.spans.lost", finished.lost.into());
    }
    span.attributes = attributes.pairs;
    // By the conventions a server that refuses its client has not failed.
    let has_failed = match known.side {
        Side::Server => known
            .attributes
            .iter()
            .any(|(key, value)| *key == "http.response.status_code" && matches!(value, Value::Number(500..))),
        Side::Client | Side::Internal => known.failure.is_some(),
    };
    let state = finished.state.as_ref().and_then(|state| state.to_str().ok()).unwrap_or_default();
    finished.id.to_be_bytes().as_slice().clone_into(&mut span.trace_id);
    known.id.to_be_bytes().as_slice().clone_into(&mut span.span_id);
    state.clone_into(&mut span.trace_state);
    let parent = known.parent.to_be_bytes();
    let parent = if known.parent == 0 { &[][..] } else { &parent };
    parent.clone_into(&mut span.parent_span_id);
    // Recorded.
    span.flags = 1;
    known.name.as_ref().clone_into(&mut span.name);
    span.kind = kind.into();
    span.start_time_unix_nano = time(known.began);
    span.end_time_unix_nano = time(known.ended);
    span.status = has_failed.then(|| Status { code: StatusCode::Error.into(), ..Status::default() });
}

/// Attributes that are written over those of the span before.
struct Attributes {
    before: std::vec::IntoIter<KeyValue>,
    pairs: Vec<KeyValue>,
}

impl Attributes {
    fn over(before: &mut Vec<KeyValue>) -> Self {
        let before = std::mem::take(before);
        Self { pairs: Vec::with_capacity(before.len()), before: before.into_iter() }
    }

    fn text(&mut self, key: &str, text: &str) {
        self.put(key, |value| match value {
            Some(Any::StringValue(before)) => text.clone_into(before),
            other => *other = Some(Any::StringValue(text.to_owned())),
        });
    }

    fn number(&mut self, key: &str, number: i64) {
        self.put(key, |value| *value = Some(Any::IntValue(number)));
    }

    fn put(&mut self, key: &str, write: impl FnOnce(&mut Option<Any>)) {
        let mut pair = self.before.next().unwrap_or_default();
        key.clone_into(&mut pair.key);
        write(&mut pair.value.get_or_insert_default().value);
        self.pairs.push(pair);
    }
}

fn log_record((settings, record): &Entry) -> LogRecord {
    let attributes = access::entry(record, settings).into_iter().map(|(name, value)| {
        let value = match value {
            serde_json::Value::String(text) => Any::StringValue(text),
            serde_json::Value::Number(number) => match number.as_i64() {
                Some(number) => Any::IntValue(number),
                None => Any::DoubleValue(number.as_f64().unwrap_or_default()),
            },
            other => Any::StringValue(other.to_string()),
        };
        pair(&name, value)
    });
    let severity = if record.summary.status >= 500 { SeverityNumber::Error } else { SeverityNumber::Info };
    let (trace_id, span_id) = match record.trace {
        Some((trace, span)) => (trace.to_be_bytes().to_vec(), span.to_be_bytes().to_vec()),
        None => (Vec::new(), Vec::new()),
    };
    LogRecord {
        time_unix_nano: nanoseconds(record.at),
        observed_time_unix_nano: nanoseconds(record.at),
        severity_number: severity.into(),
        body: Some(AnyValue { value: Some(Any::StringValue("served".to_owned())) }),
        attributes: attributes.collect(),
        flags: u32::from(record.trace.is_some()),
        trace_id,
        span_id,
        ..LogRecord::default()
    }
}

fn line(line: &Line) -> LogRecord {
    let severity = match line.level {
        Level::ERROR => SeverityNumber::Error,
        Level::WARN => SeverityNumber::Warn,
        Level::INFO => SeverityNumber::Info,
        Level::DEBUG => SeverityNumber::Debug,
        Level::TRACE => SeverityNumber::Trace,
    };
    let fields = line.fields.iter().map(|(name, value)| pair(name, Any::StringValue(value.clone())));
    let target = pair("code.namespace", Any::StringValue(line.target.to_owned()));
    LogRecord {
        time_unix_nano: nanoseconds(line.at),
        observed_time_unix_nano: nanoseconds(line.at),
        severity_number: severity.into(),
        severity_text: line.level.to_string(),
        body: Some(AnyValue { value: Some(Any::StringValue(line.message.clone())) }),
        attributes: std::iter::once(target).chain(fields).collect(),
        ..LogRecord::default()
    }
}

fn resource(service: &str) -> Resource {
    let text = |text: &str| Any::StringValue(text.to_owned());
    let attributes = vec![
        pair("service.name", text(service)),
        pair("service.version", text(env!("CARGO_PKG_VERSION"))),
        pair("process.pid", Any::IntValue(std::process::id().into())),
    ];
    Resource { attributes, ..Resource::default() }
}

fn scope() -> InstrumentationScope {
    let version = env!("CARGO_PKG_VERSION").to_owned();
    InstrumentationScope { name: "gateway".to_owned(), version, ..InstrumentationScope::default() }
}

fn pair(key: &str, value: Any) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

/// A moment of the steady clock by the calendar, from one that is known by both.
fn at((steady, wall): (Instant, SystemTime), moment: Instant) -> SystemTime {
    match moment.checked_duration_since(steady) {
        Some(after) => wall + after,
        None => wall - steady.saturating_duration_since(moment),
    }
}

fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use std::time::Duration;

    /// Also where one has less than the one before, or another kind of value under the same name.
    #[test]
    fn nothing_of_a_span_is_left_in_the_next() {
        let (now, wall) = (gateway_core::clock::now(), SystemTime::UNIX_EPOCH + Duration::from_secs(1));
        let span = |parent, attributes: Vec<(&'static str, Value)>, failure: Option<&'static str>| Known {
            id: 7,
            parent,
            name: "GET".into(),
            side: Side::Server,
            began: now,
            ended: now + Duration::from_nanos(5),
            attributes,
            failure: failure.map(Into::into),
        };
        let long = vec![
            ("http.response.status_code", Value::Number(503)),
            ("url.path", Value::Text("/a/long/path".into())),
            ("http.route", Value::Name("orders".into())),
        ];
        let short = vec![("http.response.status_code", Value::Text("none".into()))];
        let spans = vec![span(9, long, Some("timeout")), span(0, short, None), span(3, vec![], None)];
        let state = Some(http::HeaderValue::from_static("a=b"));
        let one = Finished { id: 1 << 100, state, began: (now, wall), spans: spans.clone(), lost: 2 };
        let two = Finished { id: 2, state: None, began: (now, wall), spans, lost: 0 };
        let bytes = encoded("shop", [&one, &two].into_iter());
        let request = ExportTraceServiceRequest::decode(&*bytes).unwrap();
        let [of_resource] = &request.resource_spans[..] else { panic!("{request:?}") };
        assert_eq!(of_resource.resource, Some(resource("shop")));
        let [of_scope] = &of_resource.scope_spans[..] else { panic!("{request:?}") };
        assert_eq!(of_scope.scope, Some(scope()));
        let text = |key, text: &str| pair(key, Any::StringValue(text.to_owned()));
        let number = |key, number| pair(key, Any::IntValue(number));
        let failed = Some(Status { code: StatusCode::Error.into(), ..Status::default() });
        let expected = |trace: u128, state: &str, parent: &[u8], attributes, status| Span {
            trace_id: trace.to_be_bytes().to_vec(),
            span_id: 7_u64.to_be_bytes().to_vec(),
            trace_state: state.to_owned(),
            parent_span_id: parent.to_vec(),
            flags: 1,
            name: "GET".to_owned(),
            kind: SpanKind::Server.into(),
            start_time_unix_nano: 1_000_000_000,
            end_time_unix_nano: 1_000_000_005,
            attributes,
            status,
            ..Span::default()
        };
        let all = |trace, state, lost: &[KeyValue]| {
            let long = vec![
                number("http.response.status_code", 503),
                text("url.path", "/a/long/path"),
                text("http.route", "orders"),
                text("error.type", "timeout"),
            ];
            let short = vec![text("http.response.status_code", "none")];
            [
                expected(trace, state, &9_u64.to_be_bytes(), [&long, lost].concat(), failed.clone()),
                expected(trace, state, &[], [&short, lost].concat(), None),
                expected(trace, state, &3_u64.to_be_bytes(), lost.to_vec(), None),
            ]
        };
        let lost = [number("gateway.spans.lost", 2)];
        assert_eq!(of_scope.spans, [all(1 << 100, "a=b", &lost), all(2, "", &[])].concat());
    }
}
