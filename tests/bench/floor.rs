//! The least that a proxy on hyper costs: hyper's server, hyper-util's pooled client, no rule and no check between them.

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// Forwards from one address to another until it is killed.
pub(crate) fn run(listen: SocketAddr, upstream: SocketAddr) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let client = Client::builder(TokioExecutor::new()).build_http::<Incoming>();
        let socket = TcpListener::bind(listen).await.unwrap();
        loop {
            let (stream, _) = socket.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let client = client.clone();
            let service = service_fn(move |mut request: Request<Incoming>| {
                let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
                let uri: Uri = format!("http://{upstream}{target}").parse().unwrap();
                *request.uri_mut() = uri;
                client.request(request)
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
}
