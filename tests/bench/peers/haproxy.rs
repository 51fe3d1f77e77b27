//! HAProxy: one thread, upstream connections shared.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

pub(super) fn command(address: SocketAddr, http2: SocketAddr, upstream: SocketAddr, folder: &Path) -> Command {
    let file = folder.join("haproxy.cfg");
    fs::write(&file, configuration(address, http2, upstream)).unwrap();
    let mut command = Command::new("haproxy");
    command.arg("-q").arg("-f").arg(file);
    command
}

fn configuration(address: SocketAddr, http2: SocketAddr, upstream: SocketAddr) -> String {
    // It asks for two files for each of `maxconn`, which idle connections do not need and a machine may refuse.
    format!(
        r#"global
  nbthread 1
  maxconn 12000
  no strict-limits
defaults
  mode http
  maxconn 12000
  backlog 4096
  timeout connect 2s
  timeout client 10m
  timeout server 10m
  timeout http-keep-alive 10m
  http-reuse always
frontend public
  bind {address}
  bind {http2} proto h2
  unique-id-format %{{+X}}o%ci%cp%rt
  http-request set-header x-request-id %[unique-id]
  http-request set-header x-forwarded-for %[src]
  http-request set-header x-forwarded-proto http
  http-request set-header x-forwarded-host %[req.hdr(host)]
  acl key path_beg /key
  acl known req.hdr(x-api-key) -m str secret-key-of-ada
  http-request deny deny_status 401 if key !known
  http-request del-header x-api-key if key
  http-request set-header x-consumer ada if key
  default_backend service
backend service
  server only {upstream} pool-max-conn 1024
"#
    )
}
