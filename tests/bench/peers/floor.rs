//! The least that a proxy on hyper costs: hyper's server, hyper-util's pooled client, no rule and no check between them.

use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Uri, Version};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use tokio::net::{TcpListener, TcpStream};

/// This program, as a process of its own that runs [`run`].
pub(super) fn command(program: &Path, address: SocketAddr, http2: SocketAddr, upstream: SocketAddr) -> Command {
    let mut command = Command::new(program);
    command.arg("floor").args([address, http2, upstream].map(|address| address.to_string()));
    command
}

/// Forwards to an address until it is killed: what comes to one port as HTTP/1.1, to the other as HTTP/2.
pub(crate) fn run(address: SocketAddr, http2: SocketAddr, upstream: SocketAddr) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let client = Client::builder(TokioExecutor::new()).build_http::<Incoming>();
        let [first, second] = [address, http2].map(TcpListener::bind);
        let (first, second) = (first.await.unwrap(), second.await.unwrap());
        loop {
            let (stream, is_http2) = tokio::select! {
                accepted = first.accept() => (accepted.unwrap().0, false),
                accepted = second.accept() => (accepted.unwrap().0, true),
            };
            serve(stream, is_http2, client.clone(), upstream);
        }
    });
}

fn serve(
    stream: TcpStream,
    is_http2: bool,
    client: Client<hyper_util::client::legacy::connect::HttpConnector, Incoming>,
    upstream: SocketAddr,
) {
    stream.set_nodelay(true).unwrap();
    let service = service_fn(move |mut request: Request<Incoming>| {
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
        let uri: Uri = format!("http://{upstream}{target}").parse().unwrap();
        *request.uri_mut() = uri;
        *request.version_mut() = Version::HTTP_11;
        client.request(request)
    });
    let stream = TokioIo::new(stream);
    if is_http2 {
        tokio::spawn(http2::Builder::new(TokioExecutor::new()).serve_connection(stream, service));
    } else {
        tokio::spawn(http1::Builder::new().serve_connection(stream, service));
    }
}
