//! The sections of a configuration file, each defined once: a file for each word.

mod cache;
mod chain;
mod compress;
mod file;
mod listener;
mod plugin;
mod retry;
mod route;
mod secret;
mod store;
mod telemetry;
mod tls;
mod upstream;
mod websocket;

pub(crate) use cache::{CacheStore, CacheSwitch, Collapse};
pub(crate) use chain::{Chain, ChainEntry, PluginEntry};
pub(crate) use compress::{Compress, CompressSwitch};
pub(crate) use file::Document;
pub(crate) use listener::Listener;
pub(crate) use plugin::{Grants, Isolation, Limits, Plugin};
pub(crate) use retry::{Condition, Retry, Word};
pub(crate) use route::{Leniency, Match, Respond, Rewrite, Route};
pub(crate) use secret::{SecretSource, SecretValue};
pub(crate) use store::{LimitGrant, Store};
pub(crate) use telemetry::{AccessLog, LogTarget, LogWord, Otlp, Telemetry};
pub(crate) use tls::{CertificateFiles, Hsts, HttpsPort, Tls};
pub(crate) use upstream::{
    Amqp, AmqpOperation, Balance, Breaker, Consul, Discover, EndpointEntry, Grpc, Health, KeyBy, Nats, NatsOperation,
    Outliers, Upstream, UpstreamTls,
};
pub(crate) use websocket::WebSocketSwitch;
