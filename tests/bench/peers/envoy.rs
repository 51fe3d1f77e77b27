//! Envoy: one worker, the key check by its routes, by its own filter for that, or by a proxy-wasm filter with the same logic
//! (`../envoy-filter`).

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What checks the key.
#[derive(Clone, Copy)]
pub(super) enum Check {
    Routes,
    /// `api_key_auth`.
    Native,
    Wasm,
}

/// Where `make bench-peers` puts what no package manager does.
fn peers() -> PathBuf {
    std::env::var_os("BENCH_PEERS").unwrap_or_default().into()
}

pub(super) fn program() -> PathBuf {
    peers().join("envoy/envoy/_bin/envoy")
}

pub(super) fn filter() -> PathBuf {
    peers().join("envoy_filter.wasm")
}

pub(super) fn command(address: SocketAddr, upstream: SocketAddr, folder: &Path, check: Check) -> Command {
    let file = folder.join("envoy.yaml");
    fs::write(&file, configuration(address, upstream, check)).unwrap();
    let mut command = Command::new(program());
    command.arg("-c").arg(file).args(["--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]);
    command
}

fn configuration(address: SocketAddr, upstream: SocketAddr, check: Check) -> String {
    let (host, port) = (address.ip(), address.port());
    let (service_host, service_port) = (upstream.ip(), upstream.port());
    let (routes, filter) = match check {
        Check::Routes => (ROUTES, String::new()),
        Check::Native => ("", NATIVE.to_owned()),
        Check::Wasm => ("", WASM.replace("FILE", &filter().display().to_string())),
    };
    format!(
        r#"static_resources:
  listeners:
  - address: {{ socket_address: {{ address: {host}, port_value: {port} }} }}
    tcp_backlog_size: 4096
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: public
          codec_type: AUTO
          use_remote_address: true
          route_config:
            request_headers_to_add:
            - header: {{ key: x-forwarded-host, value: "%REQ(:authority)%" }}
              append_action: OVERWRITE_IF_EXISTS_OR_ADD
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:{routes}
              - match: {{ prefix: / }}
                route: {{ cluster: service, timeout: 30s }}
          http_filters:{filter}
          - name: envoy.filters.http.router
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
              suppress_envoy_headers: true
  clusters:
  - name: service
    type: STATIC
    connect_timeout: 2s
    load_assignment:
      cluster_name: service
      endpoints:
      - lb_endpoints:
        - endpoint: {{ address: {{ socket_address: {{ address: {service_host}, port_value: {service_port} }} }} }}
"#
    )
}

/// The key check without a filter of its own.
const ROUTES: &str = r#"
              - match: { prefix: /key, headers: [{ name: x-api-key, string_match: { exact: secret-key-of-ada } }] }
                route: { cluster: service, timeout: 30s }
                request_headers_to_remove: [x-api-key]
                request_headers_to_add:
                - header: { key: x-consumer, value: ada }
                  append_action: OVERWRITE_IF_EXISTS_OR_ADD
              - match: { prefix: /key }
                direct_response: { status: 401 }"#;

/// It removes the key, and says whose it is.
const NATIVE: &str = r#"
          - name: key
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.api_key_auth.v3.ApiKeyAuth
              credentials: [{ key: secret-key-of-ada, client: ada }]
              key_sources: [{ header: x-api-key }]
              forwarding: { header: x-consumer, hide_credentials: true }"#;

const WASM: &str = r#"
          - name: key
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
              config:
                name: key
                configuration:
                  "@type": type.googleapis.com/google.protobuf.StringValue
                  value: "secret-key-of-ada ada"
                vm_config:
                  runtime: envoy.wasm.runtime.v8
                  code: { local: { filename: FILE } }"#;
