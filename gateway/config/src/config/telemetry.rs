//! What is counted, traced and told of requests.

use std::path::PathBuf;
use std::sync::Arc;

/// What is counted, traced and told of requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Telemetry {
    /// Whether requests are counted.
    pub metrics: bool,
    /// `service.name` of all that is sent.
    pub service: Arc<str>,
    /// Who takes it; there is one wherever something goes to one.
    pub otlp: Option<Otlp>,
    /// None: no traces.
    pub traces: Option<Traces>,
    /// None: no access log.
    pub access_log: Option<AccessLog>,
    /// None: as the command line says.
    pub log: Option<ProcessLog>,
}

/// The log of the gateway and its plugins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessLog {
    /// None: standard error.
    pub target: Option<LogTarget>,
    /// None: as the command line says.
    pub format: Option<LogFormat>,
}

/// A collector of OpenTelemetry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Otlp {
    /// The upstream's name; it exists.
    pub upstream: Arc<str>,
    /// How it is spoken to.
    pub protocol: OtlpProtocol,
}

/// How a collector is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtlpProtocol {
    /// Protobuf over HTTP.
    Http,
    /// gRPC.
    Grpc,
}

/// Traces of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traces {
    /// How many of a million that begin here are recorded.
    pub sample: u32,
    /// Whose `traceparent` is gone on with.
    pub trust: TraceTrust,
}

/// Whose `traceparent` is gone on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TraceTrust {
    /// That of trusted proxies.
    Proxies,
    /// Everybody's.
    Everybody,
    /// Nobody's.
    Nobody,
}

/// An entry for each request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessLog {
    /// Where entries go.
    pub target: LogTarget,
    /// How a line looks.
    pub format: LogFormat,
    /// What an entry has, in order.
    pub fields: Vec<LogField>,
    /// How many of a million have one; those that failed always do.
    pub sample: u32,
    /// More names of fields and parameters whose values are not told, in lower case.
    pub redact: Vec<String>,
}

/// Where entries go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogTarget {
    /// Standard output.
    Stdout,
    /// The collector.
    Otlp,
    /// A file.
    File {
        /// Seen from where the configuration was seen.
        path: PathBuf,
        /// When a new one is begun.
        rotation: Rotation,
        /// How many of them are kept, or one more.
        keep: usize,
    },
}

/// How a line of a log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// An object.
    Json,
    /// `key=value`.
    Text,
}

/// When a new file is begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotation {
    /// Each day.
    Daily,
    /// Each hour.
    Hourly,
    /// The one file grows.
    Never,
}

/// One thing that an entry tells.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "their words say it")]
pub enum LogField {
    Time,
    Request,
    Trace,
    Listener,
    Client,
    Consumer,
    Method,
    Scheme,
    Host,
    Path,
    Query,
    Protocol,
    Route,
    Upstream,
    Status,
    Error,
    Milliseconds,
    Received,
    Sent,
    /// A field of the request, in lower case.
    Header(String),
}

impl LogField {
    /// All but the fields of requests, as they are written; in the order of an entry where none is.
    pub const WORDS: [(&'static str, Self); 19] = [
        ("time", Self::Time),
        ("request", Self::Request),
        ("client", Self::Client),
        ("consumer", Self::Consumer),
        ("method", Self::Method),
        ("host", Self::Host),
        ("path", Self::Path),
        ("status", Self::Status),
        ("error", Self::Error),
        ("milliseconds", Self::Milliseconds),
        ("received", Self::Received),
        ("sent", Self::Sent),
        ("route", Self::Route),
        ("upstream", Self::Upstream),
        ("trace", Self::Trace),
        ("listener", Self::Listener),
        ("scheme", Self::Scheme),
        ("protocol", Self::Protocol),
        ("query", Self::Query),
    ];

    /// What an entry has where nothing else is written: all but the query, which may say what is nobody's business.
    #[must_use]
    pub fn usual() -> Vec<Self> {
        Self::WORDS.into_iter().map(|(_, field)| field).filter(|field| *field != Self::Query).collect()
    }

    /// Its name in an entry.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Header(name) => format!("header.{name}"),
            _ => Self::WORDS.iter().find(|(_, field)| field == self).map_or("", |(word, _)| word).to_owned(),
        }
    }
}
