//! What the program means: the resolved configuration, valid by construction.
//!
//! Every name in it exists, every pattern is well formed, every secret was found. Not here: what the user wrote (`document`).

mod bridge;
mod cache;
mod compress;
mod discover;
mod plugin;
mod store;
mod telemetry;
mod tls;
mod upstream;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use bridge::{Bridge, BridgeProtocol, MessagePart, MessageSource, MessageTemplate, Operation, Payload, Verb};
pub use cache::{Cache, CacheKey, CacheStore, QueryKey, Share, Ttl};
pub use compress::{Compress, CompressLevels, Compression, Encoding, MediaType};
pub use discover::{Consul, Discover};
pub use plugin::{Grants, LimitGrant, OnError, PluginConfig, PluginLimits, PluginUse, Secret};
pub use store::{Store, WhenAway};
pub use telemetry::{
    AccessLog, LogField, LogFormat, LogTarget, Otlp, OtlpProtocol, ProcessLog, Rotation, Telemetry, TraceTrust, Traces,
};
pub use tls::{Certificate, ClientCertificates, Tls, TlsVersion};
pub use upstream::*;

/// Everything that one `gateway run` serves.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Every file that was read, the first one first: what to watch.
    pub files: Vec<PathBuf>,
    /// Every folder in which a pattern of `include` looks; a file that is put there belongs to the configuration.
    pub folders: Vec<PathBuf>,
    /// Secret files that were read; watched as well.
    pub secret_files: Vec<PathBuf>,
    /// Files of certificates and their keys that were read; watched as well.
    pub certificate_files: Vec<PathBuf>,
    /// The folder that dropped components are taken from, absolute.
    pub plugin_directory: Option<PathBuf>,
    /// The local administration listener.
    pub admin: Option<AdminListener>,
    /// How long requests in flight may take once the process was asked to stop.
    pub drain: Duration,
    /// How long connections are still taken once it is no longer ready.
    pub drain_delay: Duration,
    /// What is counted, traced and told of requests.
    pub telemetry: Telemetry,
    /// Where answers are kept.
    pub cache: CacheStore,
    /// Bytes of memory past which nothing more is taken on; none: by what the system allows.
    pub memory: Option<u64>,
    /// Proxies whose `Forwarded` and `X-Forwarded-*` fields are believed.
    pub trusted_proxies: Vec<Network>,
    /// At least one.
    pub listeners: Vec<Listener>,
    /// By name.
    pub upstreams: BTreeMap<Arc<str>, Upstream>,
    /// By name.
    pub stores: BTreeMap<Arc<str>, Store>,
    /// At least one; names are unique.
    pub routes: Vec<Route>,
    /// Every distinct use of a plugin in a chain or an answer. Chains and answers refer to it by position, so that two
    /// uses with the same configuration share one pool of instances.
    pub plugins: Vec<PluginUse>,
}

/// Where something was written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The file.
    pub file: Arc<PathBuf>,
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
    /// Byte range in the file, for the caret.
    pub span: (usize, usize),
}

/// Addresses of one family with a common prefix, such as `10.0.0.0/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// The first address.
    pub address: IpAddr,
    /// Bits of it that count.
    pub prefix: u8,
}

impl Network {
    /// Whether the address begins with this prefix; an IPv4 address mapped into IPv6 counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        fn common(left: u128, right: u128, width: u32, prefix: u8) -> bool {
            prefix == 0 || (left ^ right) >> (width - u32::from(prefix).min(width)) == 0
        }
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                common(network.to_bits().into(), address.to_bits().into(), 32, self.prefix)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                common(network.to_bits(), address.to_bits(), 128, self.prefix)
            }
            _ => false,
        }
    }
}

/// The administration listener.
#[derive(Debug, Clone, PartialEq)]
pub struct AdminListener {
    /// Where it listens.
    pub address: Admin,
    /// What whoever asks has to show; there is one unless only this machine reaches the address.
    pub token: Option<Secret>,
}

/// Where the administration listener listens.
#[derive(Debug, Clone, PartialEq)]
pub enum Admin {
    /// TCP; loopback, or there is a token.
    Tcp(SocketAddr),
    /// A unix socket.
    Unix(PathBuf),
}

/// A socket that takes requests.
#[derive(Debug, Clone, PartialEq)]
pub struct Listener {
    /// Unique.
    pub name: Arc<str>,
    /// Where it listens; port 0 lets the system choose.
    pub address: SocketAddr,
    /// See HARDENING P10.
    pub timeouts: ListenerTimeouts,
    /// See HARDENING P8.
    pub limits: ListenerLimits,
    /// Runs before every route's own chain, and for 404 and 405.
    pub chain: Vec<usize>,
    /// For routes that say nothing of it.
    pub compress: Compression,
    /// None: plain HTTP.
    pub tls: Option<Tls>,
    /// Every request is sent to the same place by HTTPS, on this port.
    pub redirect_https: Option<u16>,
    /// Where it was written.
    pub place: Place,
}

/// How long a client may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenerTimeouts {
    /// From the first byte of a head to its end (10 s).
    pub header: Duration,
    /// Between requests (60 s).
    pub idle: Duration,
    /// Without progress of a request body (30 s).
    pub body: Duration,
    /// For a request body in all (300 s).
    pub body_total: Duration,
    /// Without progress of a response (30 s).
    pub write: Duration,
}

/// How much a client may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenerLimits {
    /// Bytes of a head (64 KiB).
    pub header: usize,
    /// Fields of a head (100).
    pub headers: usize,
    /// Bytes of a request target (8 KiB).
    pub target: usize,
    /// Connections at once (10,000).
    pub connections: usize,
    /// Bytes of a request body; none: unbounded.
    pub body: Option<u64>,
}

/// One route.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// Unique.
    pub name: Arc<str>,
    /// Names of the listeners that serve it; all of them when none were written.
    pub listeners: Vec<Arc<str>>,
    /// What a request must be.
    pub matches: Match,
    /// Wins over specificity; 0 when it was not written.
    pub priority: i32,
    /// The route's own chain, without the listener's: positions in [`Config::plugins`].
    pub chain: Vec<usize>,
    /// What answers.
    pub dispatch: Dispatch,
    /// For the whole request (60 s).
    pub deadline: Duration,
    /// Lenience against the path and field rules.
    pub allow: Allow,
    /// Bytes of a request body on this route; none: the listener's.
    pub body_limit: Option<u64>,
    /// Requests of this route at once; none: unbounded.
    pub concurrency: Option<Concurrency>,
    /// How answers are cached; none: not at all.
    pub cache: Option<Cache>,
    /// Which answers are compressed; none: as the listener says.
    pub compress: Option<Compression>,
    /// Where it was written.
    pub place: Place,
}

/// The conditions of a route; all of them hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Match {
    /// None: any host.
    pub host: Option<Host>,
    /// None: any path.
    pub path: PathPattern,
    /// Empty: any method.
    pub methods: Vec<String>,
    /// Fields by lower-case name.
    pub headers: Vec<(String, ValueMatch)>,
    /// Query parameters by name, percent-decoded.
    pub query: Vec<(String, ValueMatch)>,
}

/// A host without its port, lower-case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Host {
    /// `api.example.com`.
    Exact(String),
    /// `*.example.com`: the part after the star's dot; one or more labels stand before it.
    Wildcard(String),
}

/// A path in its normal form, split at its slashes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PathPattern {
    /// As it was written.
    pub text: String,
    /// The segments after the leading slash. `/a/` is `["a", ""]`, `/` is `[""]`.
    pub segments: Vec<Segment>,
    /// `prefix = "/a"`: what follows the segments is free, beginning at a slash or absent.
    pub prefix: bool,
}

/// One part of a path between slashes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Segment {
    /// Just this text.
    Literal(String),
    /// `{name}`: one segment that is not empty.
    Parameter(Arc<str>),
    /// `{*name}`: all that is left, at the end only; may be empty.
    Rest(Arc<str>),
}

/// What a value must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueMatch {
    /// Present.
    Present,
    /// Equal, byte for byte.
    Exact(String),
}

/// What answers a route: exactly one.
#[derive(Debug, Clone, PartialEq)]
pub enum Dispatch {
    /// A service.
    Upstream(Forward),
    /// A plugin's `handle`: a position in [`Config::plugins`].
    Answer(usize),
    /// 3xx with a location made from a template.
    Redirect {
        /// 301, 302, 303, 307 or 308 (308 when it was not written).
        status: u16,
        /// The template of the location.
        location: Template,
    },
    /// A fixed response.
    Respond {
        /// 200 to 599.
        status: u16,
        /// Fields in order.
        headers: Vec<(String, String)>,
        /// None for a status of 400 and above: a problem document is made.
        body: Option<String>,
    },
}

/// Requests at once, and those that wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Concurrency {
    /// Under way.
    pub requests: usize,
    /// Waiting; the next one is refused.
    pub pending: usize,
}

/// How a request goes to an upstream.
#[derive(Debug, Clone, PartialEq)]
pub struct Forward {
    /// At least one; one with weight 0 gets nothing, but there is always one that does.
    pub targets: Vec<Target>,
    /// What keeps a client with its target; none: each request is drawn anew.
    pub by: Option<KeyBy>,
    /// How the path is changed.
    pub rewrite: Rewrite,
    /// Which `Host` it sees.
    pub host: HostPolicy,
    /// When it is sent once more.
    pub retry: Retry,
    /// None: no WebSocket connections.
    pub websocket: Option<WebSocket>,
    /// Calls of gRPC-Web become calls of gRPC.
    pub grpc_web: bool,
}

/// WebSocket connections of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WebSocket {
    /// Without a byte from either side (5 minutes).
    pub idle: Duration,
}

/// One of the upstreams of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The upstream's name; it exists.
    pub upstream: Arc<str>,
    /// Its share against the others'.
    pub weight: u32,
}

/// How the path is changed on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rewrite {
    /// Not at all.
    Keep,
    /// Remove a prefix (at a slash), then add one.
    Prefix {
        /// Removed where it is present; empty: nothing.
        strip: String,
        /// Put in front; empty: nothing.
        add: String,
    },
    /// `/v1/orders/{id}`.
    Template(Template),
}

/// Text with captured parameters in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// In order.
    pub parts: Vec<TemplatePart>,
}

/// A part of a [`Template`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TemplatePart {
    /// Text as it is.
    Text(String),
    /// A path parameter; the route captures it.
    Parameter(Arc<str>),
}

/// The `Host` that the upstream sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostPolicy {
    /// The endpoint's own (the default).
    Endpoint,
    /// The client's.
    Preserve,
    /// This one.
    Fixed(String),
}

/// Lenience that a route asks for; all false by default. See HARDENING P14 and P15.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Allow {
    /// `%2f`, kept as it is.
    pub encoded_slash: bool,
    /// `%5c` and `\`, kept as `%5c`.
    pub backslash: bool,
    /// `%00`.
    pub encoded_nul: bool,
    /// Field names with `_`.
    pub underscore: bool,
}
