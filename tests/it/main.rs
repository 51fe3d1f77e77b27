//! The built gateway over sockets. Each row of HARDENING.md is named by a test: `tests/tidy.rs` counts them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "tests wait by the machine's clock")]

mod admin;
mod admin_access;
mod admin_changes;
mod attacks;
mod bridge_amqp;
mod bridge_example;
mod bridge_nats;
mod cache;
mod cache_changes;
mod cache_collapse;
mod cache_consumers;
mod cache_identity;
mod compiling;
mod compression;
mod disconnects;
mod discovery;
mod discovery_consul;
mod flow;
mod grpc;
mod http1;
mod http2;
mod http2_abuse;
mod identity;
mod identity_attacks;
mod identity_examples;
mod identity_rotation;
mod limits;
mod limits_example;
mod limits_shared;
mod overload;
mod plugins;
mod process;
mod reload;
mod reload_edges;
mod scenarios;
mod stalled_readers;
mod telemetry_logs;
mod telemetry_metrics;
mod telemetry_traces;
mod templates;
mod timeouts;
mod tls;
mod tls_reload;
mod transformation_example;
mod upgrade;
mod upstream_connections;
mod upstream_tls;
mod upstreams;
mod wasi_http;
mod wasi_http_bounds;
mod websocket;
mod websocket_bounds;
mod websocket_http2;
