//! What can go wrong with an exchange: whose fault it is, whether it may be tried again, what the client is told.
//!
//! The kinds are those of RFC 9209 section 2.3, which wasi:http's error codes follow.

use http::StatusCode;
use std::fmt;

/// A failure of an exchange. The client sees the kind, the log sees the whole chain.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    origin: Origin,
    retry: Retry,
    detail: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// Who caused it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The peer that sent the request.
    Client,
    /// The service that should answer it.
    Upstream,
    /// A guest.
    Plugin,
    /// This program.
    Gateway,
}

/// Whether the same request may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// It may have been acted on.
    No,
    /// Nothing of it was sent.
    Yes,
    /// The connection was an idle one that had been closed meanwhile.
    IfReused,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The request breaks the protocol.
    HttpRequestError,
    /// The request's head passes a bound.
    HeadTooLarge,
    /// The request's target passes a bound.
    TargetTooLong,
    /// The request's body passes a bound.
    BodyTooLarge,
    /// The client sent nothing for too long.
    ClientTimeout,
    /// The client went away.
    ClientGone,
    /// The upstream's name has no address.
    DnsError,
    /// Every endpoint of it is out of service.
    DestinationUnavailable,
    /// The upstream took no connection.
    ConnectionRefused,
    /// The upstream closed too early.
    ConnectionTerminated,
    /// No connection in time.
    ConnectionTimeout,
    /// The upstream's certificate is not good.
    TlsCertificateError,
    /// The upstream and we do not agree on TLS.
    TlsProtocolError,
    /// A connection in use made no progress in time.
    ConnectionReadTimeout,
    /// No head of an answer in time.
    HttpResponseTimeout,
    /// The upstream's answer breaks the protocol.
    HttpProtocolError,
    /// The upstream's answer passes a bound.
    HttpResponseTooLarge,
    /// The upstream switched protocols unasked.
    HttpUpgradeFailed,
    /// More is asked of the upstream at once than it may be.
    ConnectionLimitReached,
    /// Requests call each other in a circle.
    LoopDetected,
    /// A plugin failed and its configuration says to refuse.
    PluginFailed,
    /// The gateway is stopping or full.
    Overloaded,
    /// A fault of ours.
    Internal,
}

impl Kind {
    /// Every token there is.
    pub const TOKENS: [&'static str; 20] = [
        "http_request_error",
        "client_timeout",
        "client_gone",
        "dns_error",
        "destination_unavailable",
        "connection_refused",
        "connection_terminated",
        "connection_timeout",
        "tls_certificate_error",
        "tls_protocol_error",
        "connection_read_timeout",
        "http_response_timeout",
        "http_protocol_error",
        "http_response_body_size",
        "http_upgrade_failed",
        "connection_limit_reached",
        "proxy_loop_detected",
        "plugin_failed",
        "proxy_overloaded",
        "proxy_internal_error",
    ];

    /// The token of RFC 9209 section 2.3, or ours where it has none.
    #[must_use]
    pub fn token(self) -> &'static str {
        match self {
            Self::HttpRequestError | Self::HeadTooLarge | Self::TargetTooLong | Self::BodyTooLarge => {
                "http_request_error"
            }
            Self::ClientTimeout => "client_timeout",
            Self::ClientGone => "client_gone",
            Self::DnsError => "dns_error",
            Self::DestinationUnavailable => "destination_unavailable",
            Self::ConnectionRefused => "connection_refused",
            Self::ConnectionTerminated => "connection_terminated",
            Self::ConnectionTimeout => "connection_timeout",
            Self::TlsCertificateError => "tls_certificate_error",
            Self::TlsProtocolError => "tls_protocol_error",
            Self::ConnectionReadTimeout => "connection_read_timeout",
            Self::HttpResponseTimeout => "http_response_timeout",
            Self::HttpProtocolError => "http_protocol_error",
            Self::HttpResponseTooLarge => "http_response_body_size",
            Self::HttpUpgradeFailed => "http_upgrade_failed",
            Self::ConnectionLimitReached => "connection_limit_reached",
            Self::LoopDetected => "proxy_loop_detected",
            Self::PluginFailed => "plugin_failed",
            Self::Overloaded => "proxy_overloaded",
            Self::Internal => "proxy_internal_error",
        }
    }

    /// The status that the client gets.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::HttpRequestError | Self::ClientGone => StatusCode::BAD_REQUEST,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::ClientTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::ConnectionTimeout | Self::ConnectionReadTimeout | Self::HttpResponseTimeout => {
                StatusCode::GATEWAY_TIMEOUT
            }
            Self::DnsError
            | Self::ConnectionRefused
            | Self::ConnectionTerminated
            | Self::TlsCertificateError
            | Self::TlsProtocolError
            | Self::HttpProtocolError
            | Self::HttpResponseTooLarge
            | Self::HttpUpgradeFailed => StatusCode::BAD_GATEWAY,
            Self::LoopDetected => StatusCode::LOOP_DETECTED,
            Self::DestinationUnavailable | Self::ConnectionLimitReached | Self::PluginFailed | Self::Overloaded => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Who caused it, where the kind alone tells.
    fn origin(self) -> Origin {
        match self {
            Self::HttpRequestError
            | Self::HeadTooLarge
            | Self::TargetTooLong
            | Self::BodyTooLarge
            | Self::ClientTimeout
            | Self::ClientGone => Origin::Client,
            Self::PluginFailed => Origin::Plugin,
            Self::LoopDetected | Self::Overloaded | Self::Internal => Origin::Gateway,
            _ => Origin::Upstream,
        }
    }
}

impl Error {
    /// A failure whose origin follows from its kind and that is not to be tried again. The detail is for the log. It is cold: what leads to it is laid
    /// apart from what serves.
    #[must_use]
    #[cold]
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, origin: kind.origin(), retry: Retry::No, detail: detail.into(), source: None }
    }

    /// The same failure, with what caused it.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same failure, with another say on trying again.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// What happened.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Who caused it.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// Whether the request may be sent again.
    #[must_use]
    pub fn retryable(&self) -> Retry {
        self.retry
    }

    /// The detail alone, one sentence without what caused it.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.detail)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// The messages of an error and all that caused it, joined with `: `, for the log.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let message = cause.to_string();
        if !text.ends_with(&message) {
            text.push_str(": ");
            text.push_str(&message);
        }
        next = cause.source();
    }
    text
}
