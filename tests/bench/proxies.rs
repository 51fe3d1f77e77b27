//! What is measured: the bare forwarder, the gateway, and the peers that are installed, each set up for the same work.

use gateway_tests::TestGateway;
use gateway_tests::gateway::Setup;
use gateway_tests::wait::until;
use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

/// A running proxy; it ends with this value.
pub(crate) struct Proxy {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    /// The work that it is set up for.
    pub(crate) paths: &'static [&'static str],
    run: Run,
}

enum Run {
    Gateway(TestGateway),
    Peer(Child, #[expect(dead_code, reason = "its configuration's folder lives as long as it")] tempfile::TempDir),
}

impl Proxy {
    /// Its process and the processes that it has started.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let first = match &self.run {
            Run::Gateway(gateway) => gateway.id(),
            Run::Peer(child, _) => child.id(),
        };
        let children = fs::read_to_string(format!("/proc/{first}/task/{first}/children")).unwrap_or_default();
        std::iter::once(first).chain(children.split_whitespace().flat_map(str::parse)).collect()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Run::Peer(child, _) = &mut self.run {
            // Its own way of ending takes its workers with it.
            let _ = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
            let _ = child.wait();
        }
    }
}

/// Everything that can be measured here, the bare forwarder first.
pub(crate) fn start(upstream: SocketAddr) -> Vec<Proxy> {
    let floor = peer("bare hyper", &["/plain"], |address, _| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["floor", &address.to_string(), &upstream.to_string()]);
        command
    });
    let nginx = peer("nginx", &["/plain", "/key"], |address, folder| {
        fs::write(folder.join("nginx.conf"), nginx_configuration(address, upstream, folder)).unwrap();
        let mut command = Command::new("nginx");
        command.arg("-p").arg(folder).args(["-e", "stderr", "-c", "nginx.conf"]);
        command
    });
    let haproxy = peer("haproxy", &["/plain", "/key"], |address, folder| {
        fs::write(folder.join("haproxy.cfg"), haproxy_configuration(address, upstream)).unwrap();
        let mut command = Command::new("haproxy");
        command.arg("-f").arg(folder.join("haproxy.cfg"));
        command
    });
    floor.into_iter().chain([gateway(upstream)]).chain(nginx).chain(haproxy).collect()
}

fn gateway(upstream: SocketAddr) -> Proxy {
    let gateway = Setup::new(&format!(
        r#"
[[listener]]
name = "public"
address = "127.0.0.1:0"
[upstream.service]
endpoints = ["http://{upstream}"]
[plugin.api-key]
config = {{ keys = {{ ada = "secret-key-of-ada" }}, consumer-header = "x-consumer" }}
grants = {{ identity = true }}
[[route]]
name = "plain"
match = {{ prefix = "/plain" }}
upstream = "service"
[[route]]
name = "key"
match = {{ prefix = "/key" }}
chain = ["api-key"]
upstream = "service"
"#
    ))
    .plugin("api-key")
    .argument("--threads=1")
    .log("warn")
    .start();
    Proxy {
        name: "gateway",
        address: gateway.address("public"),
        paths: &["/plain", "/key"],
        run: Run::Gateway(gateway),
    }
}

/// A peer on a free port; none, and a word about it, where it is not installed.
fn peer(
    name: &'static str,
    paths: &'static [&'static str],
    command: impl FnOnce(SocketAddr, &Path) -> Command,
) -> Option<Proxy> {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let Ok(child) = command(address, folder.path()).stdout(Stdio::null()).spawn() else {
        println!("{name} is not installed: left out");
        return None;
    };
    until(name, || TcpStream::connect(address).ok());
    // Workers may come a moment after the socket.
    thread::sleep(std::time::Duration::from_millis(300));
    Some(Proxy { name, address, paths, run: Run::Peer(child, folder) })
}

fn nginx_configuration(address: SocketAddr, upstream: SocketAddr, folder: &Path) -> String {
    format!(
        r#"daemon off; worker_processes 1; pid {folder}/pid; error_log stderr warn;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 1000000000;
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c; uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  map $http_x_api_key $consumer {{ default ""; "secret-key-of-ada" "ada"; }}
  upstream service {{ server {upstream}; keepalive 64; keepalive_requests 1000000000; }}
  server {{
    listen {address};
    proxy_http_version 1.1; proxy_set_header connection "";
    proxy_set_header x-forwarded-for $remote_addr; proxy_set_header x-forwarded-proto $scheme; proxy_set_header x-forwarded-host $host;
    proxy_set_header x-request-id $request_id;
    location /plain {{ proxy_pass http://service; }}
    location /key {{
      if ($consumer = "") {{ return 401; }}
      proxy_set_header connection ""; proxy_set_header x-api-key ""; proxy_set_header x-consumer $consumer;
      proxy_set_header x-forwarded-for $remote_addr; proxy_set_header x-forwarded-proto $scheme; proxy_set_header x-forwarded-host $host;
      proxy_set_header x-request-id $request_id;
      proxy_pass http://service;
    }}
  }}
}}
"#,
        folder = folder.display()
    )
}

fn haproxy_configuration(address: SocketAddr, upstream: SocketAddr) -> String {
    format!(
        r#"global
  nbthread 1
defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 30s
  http-reuse always
frontend public
  bind {address}
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
  server only {upstream} pool-max-conn 64
"#
    )
}
