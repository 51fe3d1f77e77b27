//! What the gateway knows, in the words of OTLP.

use super::{Entry, Line, Waiting};
use crate::telemetry::access;
use gateway_core::trace::{Finished, Side, Span as Known, Value};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
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

/// The spans of these requests, encoded.
pub(super) fn traces(service: &str, batch: &[Waiting]) -> Vec<u8> {
    let finished = batch.iter().map(|waiting| &waiting.finished);
    let spans = finished.flat_map(|finished| finished.spans.iter().map(|known| span(finished, known)));
    let scope_spans = ScopeSpans { scope: Some(scope()), spans: spans.collect(), ..ScopeSpans::default() };
    let resource_spans =
        ResourceSpans { resource: Some(resource(service)), scope_spans: vec![scope_spans], ..ResourceSpans::default() };
    ExportTraceServiceRequest { resource_spans: vec![resource_spans] }.encode_to_vec()
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

fn span(finished: &Finished, known: &Known) -> Span {
    let time = |moment: Instant| nanoseconds(at(finished.began, moment));
    let kind = match known.side {
        Side::Server => SpanKind::Server,
        Side::Client => SpanKind::Client,
        Side::Internal => SpanKind::Internal,
    };
    let mut attributes: Vec<_> = known.attributes.iter().map(|(key, value)| pair(key, any(value))).collect();
    if let Some(failure) = &known.failure {
        attributes.push(pair("error.type", Any::StringValue(failure.clone().into_owned())));
    }
    // The last span of a request is the request itself; it tells of those that were too many.
    if finished.lost > 0 && known.side == Side::Server {
        attributes.push(pair("gateway.spans.lost", Any::IntValue(finished.lost.into())));
    }
    // By the conventions a server that refuses its client has not failed.
    let has_failed = match known.side {
        Side::Server => known
            .attributes
            .iter()
            .any(|(key, value)| *key == "http.response.status_code" && matches!(value, Value::Number(500..))),
        Side::Client | Side::Internal => known.failure.is_some(),
    };
    let state = finished.state.as_ref().and_then(|state| state.to_str().ok()).unwrap_or_default();
    Span {
        trace_id: finished.id.to_be_bytes().to_vec(),
        span_id: known.id.to_be_bytes().to_vec(),
        trace_state: state.to_owned(),
        parent_span_id: if known.parent == 0 { Vec::new() } else { known.parent.to_be_bytes().to_vec() },
        // Recorded.
        flags: 1,
        name: known.name.clone().into_owned(),
        kind: kind.into(),
        start_time_unix_nano: time(known.began),
        end_time_unix_nano: time(known.ended),
        attributes,
        status: has_failed.then(|| Status { code: StatusCode::Error.into(), ..Status::default() }),
        ..Span::default()
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

fn any(value: &Value) -> Any {
    match value {
        Value::Text(text) => Any::StringValue(text.clone().into_owned()),
        Value::Name(name) => Any::StringValue(name.to_string()),
        Value::Number(number) => Any::IntValue(*number),
    }
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
