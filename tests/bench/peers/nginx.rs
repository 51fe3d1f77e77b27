//! nginx: one worker, bodies streamed as the others do.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

pub(super) fn command(address: SocketAddr, http2: SocketAddr, upstream: SocketAddr, folder: &Path) -> Command {
    fs::write(folder.join("nginx.conf"), configuration(address, http2, upstream, folder)).unwrap();
    let mut command = Command::new("nginx");
    command.arg("-p").arg(folder).args(["-e", "stderr", "-c", "nginx.conf"]);
    command
}

fn configuration(address: SocketAddr, http2: SocketAddr, upstream: SocketAddr, folder: &Path) -> String {
    // `proxy_set_header` in a location replaces all of those outside it.
    let forwarded = r#"proxy_set_header connection "";
      proxy_set_header x-forwarded-for $remote_addr; proxy_set_header x-forwarded-proto $scheme; proxy_set_header x-forwarded-host $host;
      proxy_set_header x-request-id $request_id;"#;
    format!(
        r#"daemon off; worker_processes 1; pid {folder}/pid; error_log stderr error;
events {{ worker_connections 12000; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 10m;
  # No body on disk: requests are streamed, answers held in memory while the client is slower.
  proxy_request_buffering off; proxy_max_temp_file_size 0; client_max_body_size 0;
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c; uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  map $http_x_api_key $consumer {{ default ""; "secret-key-of-ada" "ada"; }}
  upstream service {{ server {upstream}; keepalive 1024; keepalive_requests 1000000000; keepalive_timeout 10m; }}
  server {{
    listen {address} backlog=4096; listen {http2} http2;
    proxy_http_version 1.1;
    location / {{
      {forwarded}
      proxy_pass http://service;
    }}
    location /key {{
      if ($consumer = "") {{ return 401; }}
      {forwarded} proxy_set_header x-api-key ""; proxy_set_header x-consumer $consumer;
      proxy_pass http://service;
    }}
  }}
}}
"#,
        folder = folder.display()
    )
}
