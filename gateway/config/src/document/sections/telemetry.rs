//! `[telemetry]`: what is counted, traced and told of requests.

use toml::de::DeValue;

use crate::document::decode::{Decode, Decoder, Node, NonEmpty, Spanned};
use crate::document::definition::Shape;
use crate::document::section::section;
use crate::document::value::{Count, FieldName, LogFieldName, Name, PlainText, Ratio, choice};
use crate::{LogFormat, OtlpProtocol, Rotation, TraceTrust};

section! {
    /// What is counted, traced and told of requests.
    Telemetry {
        /// Whether requests are counted, for `/metrics` on the administration address.
        "metrics" => metrics: bool, default(true);
        /// What this gateway is called in traces and in what is sent to a collector, `gateway` when not written.
        "service" => service: Name, optional;
        /// The collector that takes traces and log entries.
        "otlp" => otlp: Spanned<Otlp>, optional;
        /// Traces of requests; none when not written.
        "traces" => traces: Traces, optional;
        /// An entry for each request; none when not written.
        "access-log" => access_log: AccessLog, optional;
        /// The log of the gateway and its plugins. What is logged says `--log`.
        "log" => log: ProcessLog, optional;
        rule Needs ["traces", "otlp"];
    }
}

section! {
    /// A collector of OpenTelemetry. It is an upstream like others: its endpoints, TLS and time-outs are written there.
    Otlp {
        /// Which upstream it is.
        "upstream" => upstream: Spanned<Name>, required;
        /// How it is spoken to: gRPC, for which its upstream has `protocol = "http2"`, or protobuf over HTTP.
        "protocol" => protocol: OtlpProtocol, default(OtlpProtocol::Http);
    }
}

choice!(OtlpProtocol { "http" => Http, "grpc" => Grpc });

section! {
    /// Traces of requests (W3C Trace Context), with a span for each call of a plugin and each try to have a service answer.
    Traces {
        /// How many of the traces that begin here are recorded.
        "sample" => sample: Ratio, default(Ratio::percent(10));
        /// Whose `traceparent` is gone on with, and whose word for whether it is recorded is kept: that of `trusted-proxies`,
        /// everybody's, or nobody's. What others send of a trace is dropped.
        "trust" => trust: TraceTrust, default(TraceTrust::Proxies);
    }
}

choice!(TraceTrust { "proxies" => Proxies, "everybody" => Everybody, "nobody" => Nobody });

section! {
    /// An entry for each request. Credentials in it are replaced by `REDACTED`.
    AccessLog {
        /// Where entries go: `"stdout"`, `"otlp"`, or a file.
        "to" => to: Spanned<LogTarget>, required;
        /// An object for each line, or `key=value`.
        "format" => format: LogFormat, default(LogFormat::Json);
        /// What an entry has, in this order; `header.NAME` is a field of the request.
        "fields" => fields: NonEmpty<LogFieldName>, optional;
        /// How many requests have one. Those that failed, with 500 and above, always do.
        "sample" => sample: Ratio, default(Ratio::percent(100));
        /// Names of more header fields and query parameters whose values are not told, beside those that carry credentials.
        "redact" => redact: Vec<FieldName>, empty;
    }
}

choice!(LogFormat { "json" => Json, "text" => Text });

section! {
    /// A file that entries are put at the end of.
    LogFile {
        /// Relative to this file. The hour or the day stands behind its name where it rotates.
        "file" => file: Spanned<PlainText>, required;
        /// When a new one is begun, in UTC.
        "rotate" => rotate: Rotation, default(Rotation::Daily);
        /// How many of them are kept, or one more, where it rotates.
        "keep" => keep: Count<1, 10_000>, default(Count::new(7));
    }
}

choice!(Rotation { "daily" => Daily, "hourly" => Hourly, "never" => Never });

section! {
    /// The log of the gateway and its plugins.
    ProcessLog {
        /// Where it goes: `"stdout"`, a file, or `"otlp"`, which is standard error and the collector; standard error when not written.
        "to" => to: Spanned<LogTarget>, optional;
        /// An object for each line, or text; as `--log-format` says when not written.
        "format" => format: LogFormat, optional;
    }
}

/// Where entries go that are not put into a file.
#[derive(Debug, Clone, Copy)]
pub(crate) enum LogWord {
    Stdout,
    Otlp,
}

choice!(LogWord { "stdout" => Stdout, "otlp" => Otlp });

/// Where entries go.
#[derive(Debug, Clone)]
pub(crate) enum LogTarget {
    Word(LogWord),
    File(LogFile),
}

impl Decode for LogTarget {
    fn shape() -> Shape {
        Shape::Either(vec![LogWord::shape(), LogFile::shape()])
    }

    fn decode(node: &Node<'_>, decoder: &mut Decoder<'_>) -> Option<Self> {
        match node.get_ref() {
            DeValue::Table(_) => LogFile::decode(node, decoder).map(Self::File),
            _ => LogWord::decode(node, decoder).map(Self::Word),
        }
    }
}
