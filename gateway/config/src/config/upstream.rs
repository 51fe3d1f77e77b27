//! Services as the program knows them: endpoints, balance, health, bounds, and when a request is sent once more.

use super::{Bridge, Certificate, Discover, Place};
use rustls::RootCertStore;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// A service and its endpoints.
#[derive(Debug, Clone, PartialEq)]
pub struct Upstream {
    /// Unique.
    pub name: Arc<str>,
    /// At least one, unless they are found.
    pub endpoints: Vec<Endpoint>,
    /// What is spoken in place of HTTP; then it has no endpoints.
    pub bridge: Option<Bridge>,
    /// What requests in JSON become; then it speaks HTTP/2.
    pub grpc: Option<Grpc>,
    /// What is spoken to all of them.
    pub protocol: Protocol,
    /// How TLS is spoken to those that want it.
    pub tls: UpstreamTls,
    /// Whether those that are found by a name or a catalogue want it.
    pub found_over_tls: bool,
    /// Where they are found; none: they are those that were written.
    pub discover: Option<Discover>,
    /// DNS servers for names; none: the system's.
    pub resolver: Vec<SocketAddr>,
    /// Which of them takes the next request.
    pub balance: Balance,
    /// Questions from time to time; none: nobody asks.
    pub health: Option<Health>,
    /// When one that fails gets nothing.
    pub outliers: Outliers,
    /// How long one that is new gets less than its share; zero: not at all.
    pub slow_start: Duration,
    /// When nothing is asked of any.
    pub breaker: Option<Breaker>,
    /// How long it may take.
    pub timeouts: UpstreamTimeouts,
    /// How much it may be asked at once.
    pub limits: UpstreamLimits,
    /// Where it was written.
    pub place: Place,
}

impl Upstream {
    /// A service with these endpoints and the defaults for all else.
    #[must_use]
    pub fn of(name: Arc<str>, endpoints: Vec<Endpoint>) -> Self {
        Self {
            name,
            endpoints,
            bridge: None,
            grpc: None,
            protocol: Protocol::Http1,
            tls: UpstreamTls::default(),
            found_over_tls: false,
            discover: None,
            resolver: Vec::new(),
            balance: Balance::RoundRobin,
            health: None,
            outliers: Outliers::default(),
            slow_start: Duration::ZERO,
            breaker: None,
            timeouts: UpstreamTimeouts::default(),
            limits: UpstreamLimits::default(),
            place: Place::default(),
        }
    }
}

/// `http://host:port` or `https://host:port`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// A name or an address, without brackets.
    pub host: String,
    /// 80 or 443 when it was not written.
    pub port: u16,
    /// Over TLS.
    pub tls: bool,
    /// Its share against the others', from 1 to 100.
    pub weight: u32,
    /// One with a higher number gets nothing as long as one with a lower number can take it.
    pub priority: u32,
}

/// Services that speak gRPC, asked in JSON.
#[derive(Debug, Clone)]
pub struct Grpc {
    /// What describes them: an encoded `google.protobuf.FileDescriptorSet`.
    pub descriptors: Arc<[u8]>,
    /// Bytes of a message, both ways (4 MiB).
    pub message: usize,
    /// Where the file was named.
    pub place: Place,
}

impl PartialEq for Grpc {
    /// The same wherever it was written.
    fn eq(&self, other: &Self) -> bool {
        self.descriptors == other.descriptors && self.message == other.message
    }
}

/// A version of HTTP.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2: over TLS where that agrees on it, else with prior knowledge (RFC 9113 3.3).
    Http2,
}

/// How TLS is spoken to a service.
#[derive(Clone, Default)]
pub struct UpstreamTls {
    /// Who may have signed its certificate; none: those that the system knows.
    pub authorities: Option<Arc<RootCertStore>>,
    /// Our own certificate, for services that ask for one.
    pub certificate: Option<Certificate>,
    /// The name that its certificate must have; none: the endpoint's host.
    pub server_name: Option<String>,
}

impl PartialEq for UpstreamTls {
    fn eq(&self, other: &Self) -> bool {
        let roots = |tls: &Self| tls.authorities.as_ref().map(|authorities| authorities.roots.clone());
        roots(self) == roots(other) && self.certificate == other.certificate && self.server_name == other.server_name
    }
}

impl fmt::Debug for UpstreamTls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authorities = self.authorities.as_ref().map(|authorities| authorities.len());
        let mut shown = formatter.debug_struct("UpstreamTls");
        shown.field("authorities", &authorities).field("certificate", &self.certificate);
        shown.field("server_name", &self.server_name).finish()
    }
}

/// Which endpoint takes the next request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Balance {
    /// Each in its turn.
    #[default]
    RoundRobin,
    /// The one with fewer requests under way of two that are drawn.
    LeastRequest,
    /// The one of two that answers sooner, judged by what it did lately and what is under way.
    PeakEwma,
    /// Always the same for the same client.
    Hash(KeyBy),
}

/// What a client is known by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyBy {
    /// The value of a field, by its lower-case name.
    Header(String),
    /// The value of a cookie.
    Cookie(String),
    /// Its address.
    Address,
}

/// How endpoints are asked whether they are well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// What is asked for; none: a connection is enough.
    pub path: Option<String>,
    /// The statuses of one that is well.
    pub statuses: Vec<Statuses>,
    /// Between two questions.
    pub interval: Duration,
    /// For the answer.
    pub timeout: Duration,
    /// Good answers in a row that bring it back.
    pub healthy: u32,
    /// Bad ones in a row that take it out.
    pub unhealthy: u32,
}

/// When an endpoint that fails requests gets none for a while, see HARDENING F4.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outliers {
    /// Failures in a row (5); 0: never.
    pub failures: u32,
    /// Answers that are failures (502 to 504).
    pub statuses: Vec<Statuses>,
    /// For how long (30 s).
    pub ejection: Duration,
    /// Per cent of the endpoints (10), but always one.
    pub most: u8,
}

impl Default for Outliers {
    fn default() -> Self {
        Self {
            failures: 5,
            statuses: vec![Statuses { first: 502, last: 504 }],
            ejection: Duration::from_secs(30),
            most: 10,
        }
    }
}

/// When nothing is asked of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breaker {
    /// Per cent of the requests.
    pub failures: u8,
    /// At least so many of them.
    pub requests: u32,
    /// In this time.
    pub window: Duration,
    /// For so long nothing is asked.
    pub open: Duration,
    /// Then so many must go well.
    pub probes: u32,
}

/// From one status to another, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statuses {
    /// The lowest.
    pub first: u16,
    /// The highest.
    pub last: u16,
}

impl Statuses {
    /// Whether any of them has this status.
    #[must_use]
    pub fn any(all: &[Self], status: u16) -> bool {
        all.iter().any(|range| (range.first..=range.last).contains(&status))
    }
}

/// How long an upstream may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpstreamTimeouts {
    /// For the TCP connection (2 s).
    pub connect: Duration,
    /// From the end of the request to the head of the answer (30 s).
    pub first_byte: Duration,
    /// Without progress of the answer's body (30 s).
    pub body: Duration,
    /// A pooled connection without use (60 s).
    pub idle: Duration,
}

impl Default for UpstreamTimeouts {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { connect: seconds(2), first_byte: seconds(30), body: seconds(30), idle: seconds(60) }
    }
}

/// What an upstream is asked at once, see HARDENING F3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpstreamLimits {
    /// Connections per upstream (1,024).
    pub connections: usize,
    /// Requests under way (1,024).
    pub requests: usize,
    /// Requests that wait until they may go (1,024).
    pub pending: usize,
    /// Requests at once that are sent once more (3).
    pub retries: usize,
    /// Bytes of an answer's head (64 KiB).
    pub header: usize,
    /// Fields of an answer's head (100).
    pub headers: usize,
}

impl Default for UpstreamLimits {
    fn default() -> Self {
        Self { connections: 1024, requests: 1024, pending: 1024, retries: 3, header: 64 * 1024, headers: 100 }
    }
}

/// When a request is sent once more, see HARDENING F2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// How many times (1).
    pub times: u32,
    /// There was no connection (yes).
    pub connect: bool,
    /// The connection was closed before it answered (yes).
    pub reset: bool,
    /// There was no answer in time (no).
    pub timeout: bool,
    /// Answers that are no good.
    pub statuses: Vec<Statuses>,
    /// The same by their `grpc-status`.
    pub grpc: Vec<u16>,
    /// For each try; none: as long as the request.
    pub per_try: Option<Duration>,
    /// Before the second try, about (10 ms).
    pub back_off: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            times: 1,
            connect: true,
            reset: true,
            timeout: false,
            statuses: Vec::new(),
            grpc: Vec::new(),
            per_try: None,
            back_off: Duration::from_millis(10),
        }
    }
}
