//! The kit of the tests: the built gateway as a child process, scripted upstreams, raw clients. Everything is blocking and
//! waits for what it needs; nothing sleeps to give something time.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on ends"
)]
#![expect(clippy::disallowed_methods, reason = "tests measure and wait by the machine's clock")]

pub mod client;
pub mod collector;
pub mod dns;
pub mod gateway;
pub mod grpc;
pub mod http2;
pub mod issuer;
pub mod library;
pub mod nats;
pub mod pipes;
pub mod rabbit;
pub mod recorder;
pub mod redis;
pub mod service;
pub mod strict;
pub mod tls;
pub mod upstream;
pub mod wait;

pub use client::{Client, Response};
pub use collector::Collector;
pub use dns::{Answer, Dns};
pub use gateway::TestGateway;
pub use issuer::{Key, KeyServer};
pub use library::Library;
pub use nats::Nats;
pub use rabbit::Rabbit;
pub use recorder::Recorder;
pub use redis::Redis;
pub use tls::Authority;
pub use upstream::{Reply, Upstream};
