//! gRPC through the gateway: a real client and a real server (tonic), in cleartext HTTP/2 both ways.

use gateway_tests::gateway::Setup;
use gateway_tests::grpc::Bytes;
use gateway_tests::{TestGateway, Upstream};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt as _};
use tonic::client::Grpc;
use tonic::metadata::MetadataValue;
use tonic::server::{ClientStreamingService, ServerStreamingService, StreamingService, UnaryService};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status, Streaming};

type Answers = Pin<Box<dyn Stream<Item = Result<Vec<u8>, Status>> + Send>>;

/// The service: each method of a kind of its own. Counts the calls that were given up.
#[derive(Clone, Default)]
struct Service {
    given_up: Arc<AtomicUsize>,
}

/// Counts one unless it is told that all went well.
struct Watch(Arc<AtomicUsize>, bool);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.fetch_add(usize::from(!self.1), Ordering::Relaxed);
    }
}

impl UnaryService<Vec<u8>> for Service {
    type Response = Vec<u8>;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Vec<u8>>, Status>> + Send>>;

    fn call(&mut self, request: Request<Vec<u8>>) -> Self::Future {
        let watch = Watch(Arc::clone(&self.given_up), false);
        Box::pin(async move {
            // All of it, not just the field that is written.
            let mut watch = watch;
            match request.get_ref().as_slice() {
                b"fail" => {
                    watch.1 = true;
                    let mut status = Status::already_exists("no / not \u{fc} again");
                    status.metadata_mut().insert("x-why", "because".parse().unwrap());
                    return Err(status);
                }
                b"hang" => std::future::pending::<()>().await,
                _ => {}
            }
            watch.1 = true;
            let metadata = request.metadata().get_bin("trace-bin").cloned();
            let mut answer = Response::new(request.into_inner());
            if let Some(value) = metadata {
                answer.metadata_mut().insert_bin("trace-bin", value);
            }
            Ok(answer)
        })
    }
}

impl ServerStreamingService<Vec<u8>> for Service {
    type Response = Vec<u8>;
    type ResponseStream = Answers;
    type Future = Ready<Result<Response<Answers>, Status>>;

    fn call(&mut self, request: Request<Vec<u8>>) -> Self::Future {
        let count = request.get_ref()[0];
        ready(Ok(Response::new(Box::pin(tokio_stream::iter((0..count).map(|number| Ok(vec![number])))))))
    }
}

impl ClientStreamingService<Vec<u8>> for Service {
    type Response = Vec<u8>;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Vec<u8>>, Status>> + Send>>;

    fn call(&mut self, request: Request<Streaming<Vec<u8>>>) -> Self::Future {
        Box::pin(async move {
            let (mut parts, mut all) = (request.into_inner(), Vec::new());
            while let Some(part) = parts.next().await {
                all.extend(part?);
            }
            Ok(Response::new(all))
        })
    }
}

impl StreamingService<Vec<u8>> for Service {
    type Response = Vec<u8>;
    type ResponseStream = Answers;
    type Future = Ready<Result<Response<Answers>, Status>>;

    fn call(&mut self, request: Request<Streaming<Vec<u8>>>) -> Self::Future {
        // Each message is answered before the next one comes.
        ready(Ok(Response::new(Box::pin(request.into_inner()))))
    }
}

async fn answer(
    service: Service,
    request: http::Request<hyper::body::Incoming>,
) -> Result<http::Response<tonic::body::Body>, Infallible> {
    let mut grpc = tonic::server::Grpc::new(Bytes).max_decoding_message_size(16 << 20);
    Ok(match request.uri().path() {
        "/test.Service/Unary" => grpc.unary(service, request).await,
        "/test.Service/Down" => grpc.server_streaming(service, request).await,
        "/test.Service/Up" => grpc.client_streaming(service, request).await,
        "/test.Service/Both" => grpc.streaming(service, request).await,
        _ => Status::unimplemented("no such method").into_http(),
    })
}

async fn serve(service: Service) -> SocketAddr {
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = socket.accept().await {
            let service = service.clone();
            tokio::spawn(async move {
                let answer = service_fn(move |request| answer(service.clone(), request));
                let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), answer)
                    .await;
            });
        }
    });
    address
}

fn config(address: SocketAddr, route: &str) -> String {
    format!(
        "[[listener]]\nname = \"public\"\naddress = \"127.0.0.1:0\"\n[upstream.service]\nprotocol = \"http2\"\n\
         endpoints = [\"http://{address}\"]\n[[route]]\nname = \"all\"\nmatch = {{ prefix = \"/\" }}\n\
         upstream = \"service\"\n{route}\n"
    )
}

async fn client(gateway: &TestGateway) -> Grpc<Channel> {
    let channel = Endpoint::from_shared(format!("http://{}", gateway.address("public"))).unwrap();
    let mut client = Grpc::new(channel.connect().await.unwrap()).max_decoding_message_size(16 << 20);
    client.ready().await.unwrap();
    client
}

async fn unary(client: &mut Grpc<Channel>, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, Status> {
    client.ready().await.unwrap();
    client.unary(request, "/test.Service/Unary".parse().unwrap(), Bytes).await
}

fn run<F: Future<Output = ()>>(test: impl FnOnce(Service) -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(30), test(Service::default())).await.expect("in time");
    });
}

#[test]
fn every_kind_of_call_passes() {
    run(|service| async move {
        let gateway = TestGateway::start(&config(serve(service).await, ""));
        let mut client = client(&gateway).await;
        // 4 MiB, and metadata in bytes.
        let big: Vec<u8> = (0..4_u32 << 20).map(|index| (index % 251) as u8).collect();
        let mut request = Request::new(big.clone());
        request.metadata_mut().insert_bin("trace-bin", MetadataValue::from_bytes(b"\0\xff\x80"));
        let answer = unary(&mut client, request).await.unwrap();
        assert_eq!(answer.metadata().get_bin("trace-bin").unwrap().to_bytes().unwrap(), b"\0\xff\x80".as_slice());
        assert!(*answer.get_ref() == big);

        client.ready().await.unwrap();
        let down = client.server_streaming(Request::new(vec![100]), "/test.Service/Down".parse().unwrap(), Bytes).await;
        let down: Vec<_> = down.unwrap().into_inner().map(|part| part.unwrap()[0]).collect().await;
        assert_eq!(down, (0..100).collect::<Vec<u8>>());

        client.ready().await.unwrap();
        let parts = tokio_stream::iter((0..100).map(|number| vec![number; 1000]));
        let up = client.client_streaming(Request::new(parts), "/test.Service/Up".parse().unwrap(), Bytes).await;
        assert_eq!(up.unwrap().get_ref().len(), 100_000);

        // Back and forth: each one is answered before the next is sent.
        client.ready().await.unwrap();
        let (sender, receiver) = mpsc::channel(1);
        sender.send(b"first".to_vec()).await.unwrap();
        let both = Request::new(ReceiverStream::new(receiver));
        let mut answers =
            client.streaming(both, "/test.Service/Both".parse().unwrap(), Bytes).await.unwrap().into_inner();
        assert_eq!(answers.next().await.unwrap().unwrap(), b"first");
        for number in 0..20_u8 {
            sender.send(vec![number]).await.unwrap();
            assert_eq!(answers.next().await.unwrap().unwrap(), [number]);
        }
        drop(sender);
        assert!(answers.next().await.is_none());
        assert!(answers.trailers().await.unwrap().is_some());
    });
}

#[test]
fn a_service_refuses_by_a_head_alone() {
    run(|service| async move {
        let gateway = TestGateway::start(&config(serve(service).await, ""));
        let mut client = client(&gateway).await;
        let status = unary(&mut client, Request::new(b"fail".to_vec())).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::AlreadyExists, "no / not \u{fc} again"));
        assert_eq!(status.metadata().get("x-why").unwrap(), "because");
        client.ready().await.unwrap();
        let unknown = client.unary(Request::new(Vec::new()), "/test.Service/None".parse().unwrap(), Bytes).await;
        assert_eq!(unknown.map(|_: Response<Vec<u8>>| ()).unwrap_err().code(), Code::Unimplemented);
    });
}

#[test]
fn who_gives_up_is_given_up_upstream() {
    run(|service| async move {
        let given_up = Arc::clone(&service.given_up);
        let gateway = TestGateway::start(&config(serve(service).await, ""));
        let mut client = client(&gateway).await;
        let mut request = Request::new(b"hang".to_vec());
        request.set_timeout(Duration::from_millis(200));
        let status = unary(&mut client, request).await.unwrap_err();
        assert!(matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled), "{status:?}");
        let hanging = unary(&mut client, Request::new(b"hang".to_vec()));
        assert!(tokio::time::timeout(Duration::from_millis(200), hanging).await.is_err());
        while given_up.load(Ordering::Relaxed) < 2 {
            tokio::task::yield_now().await;
        }
        // The connection is as good as before.
        assert_eq!(unary(&mut client, Request::new(b"on".to_vec())).await.unwrap().get_ref(), b"on");
    });
}

#[test]
fn refusals_of_the_gateway_are_told_as_grpc_has_them() {
    run(|service| async move {
        let gateway = TestGateway::start(&config(serve(service).await, "deadline = \"300 ms\""));
        let mut calls = client(&gateway).await;
        let status = unary(&mut calls, Request::new(b"hang".to_vec())).await.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded, "{status:?}");
        assert!(status.message().starts_with("504 Gateway Timeout"), "{status:?}");

        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let nobody = socket.local_addr().unwrap();
        drop(socket);
        let gateway = TestGateway::start(&config(nobody, ""));
        let mut calls = client(&gateway).await;
        let status = unary(&mut calls, Request::new(Vec::new())).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");

        let upstream = Upstream::ok();
        let keys = "[plugin.api-key]\nconfig = { keys = { ada = \"k\" } }\ngrants = { identity = true }\n";
        let config = format!("{}{keys}", config(upstream.address(), "chain = [\"api-key\"]"));
        let gateway = Setup::new(&config).plugin("api-key").start();
        let mut calls = client(&gateway).await;
        let status = unary(&mut calls, Request::new(Vec::new())).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::Unauthenticated, "401 Unauthorized"));
    });
}

#[test]
fn many_calls_share_connections() {
    run(|service| async move {
        let gateway = TestGateway::start(&config(serve(service).await, ""));
        let client = client(&gateway).await;
        let calls: Vec<_> = (0..200_u32)
            .map(|number| {
                let mut client = client.clone();
                tokio::spawn(async move {
                    let answer = unary(&mut client, Request::new(number.to_be_bytes().to_vec())).await.unwrap();
                    assert_eq!(*answer.get_ref(), number.to_be_bytes());
                })
            })
            .collect();
        for call in calls {
            call.await.unwrap();
        }
    });
}
