//! A service of gRPC for tests (`protos/library.proto`), in a thread of its own; and descriptor sets.

use crate::grpc::Bytes;
use crate::wait::until;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message as _;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::runtime::Runtime;
use tokio_stream::{Stream, StreamExt as _};
use tonic::metadata::MetadataMap;
use tonic::server::{ServerStreamingService, UnaryService};
use tonic::{Code, Request, Response, Status};

/// A file of `protos/`, or the one of the example, as `protoc --include_imports --descriptor_set_out` writes it.
///
/// # Panics
/// It cannot be read.
#[must_use]
pub fn descriptors(file: &str) -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (protos, example) = (root.join("protos"), root.join("../examples/bridge"));
    let mut compiler = protox::Compiler::new([protos, example]).unwrap();
    compiler.include_imports(true).open_file(file).unwrap();
    compiler.encode_file_descriptor_set()
}

/// `test.v1.Book` in part.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Book {
    /// What it is called.
    #[prost(string, tag = "2")]
    pub title: String,
    /// How long it is.
    #[prost(int64, tag = "3")]
    pub pages: i64,
}

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, prost::Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<RpcAny>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RpcAny {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// A running service; it ends with this value.
pub struct Library {
    address: SocketAddr,
    runtime: Option<Runtime>,
    service: Service,
}

/// What it has seen.
#[derive(Clone, Default)]
struct Service {
    /// Calls that were given up before they were answered.
    given_up: Arc<AtomicUsize>,
    /// Calls that have begun and were not given up.
    hanging: Arc<AtomicUsize>,
    /// Messages of streams that were made.
    streamed: Arc<AtomicUsize>,
    /// Calls that were asked to fail every other time.
    flaky: Arc<AtomicUsize>,
}

impl Library {
    /// Starts one.
    ///
    /// # Panics
    /// It cannot be started.
    #[must_use]
    pub fn start() -> Self {
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut library = Self { address, runtime: None, service: Service::default() };
        library.revive();
        library
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends it, with every connection.
    pub fn kill(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }

    /// Starts it again at the same address.
    ///
    /// # Panics
    /// It cannot be started.
    pub fn revive(&mut self) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let socket =
            until("the service can listen", || runtime.block_on(tokio::net::TcpListener::bind(self.address)).ok());
        let service = self.service.clone();
        runtime.spawn(async move {
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
        self.runtime = Some(runtime);
    }

    /// Calls that were given up before they were answered.
    #[must_use]
    pub fn given_up(&self) -> usize {
        self.service.given_up.load(Ordering::Relaxed)
    }

    /// Calls that hang at this moment.
    #[must_use]
    pub fn hanging(&self) -> usize {
        self.service.hanging.load(Ordering::Relaxed)
    }

    /// Messages of streams that were made.
    #[must_use]
    pub fn streamed(&self) -> usize {
        self.service.streamed.load(Ordering::Relaxed)
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Counts a call that hangs, until it is given up.
struct Hanging(Service);

impl Hanging {
    fn begin(service: &Service) -> Self {
        service.hanging.fetch_add(1, Ordering::Relaxed);
        Self(service.clone())
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        self.0.hanging.fetch_sub(1, Ordering::Relaxed);
        self.0.given_up.fetch_add(1, Ordering::Relaxed);
    }
}

async fn answer(
    service: Service,
    request: http::Request<hyper::body::Incoming>,
) -> Result<http::Response<tonic::body::Body>, Infallible> {
    let mut grpc = tonic::server::Grpc::new(Bytes).max_decoding_message_size(16 << 20);
    let method = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
    Ok(match method.as_str() {
        "Watch" => grpc.server_streaming(Streaming(service), request).await,
        "NoGrpc" => http::Response::builder().status(503).body(tonic::body::Body::empty()).unwrap(),
        _ => grpc.unary(Unary(service, method), request).await,
    })
}

struct Unary(Service, String);

impl UnaryService<Vec<u8>> for Unary {
    type Response = Vec<u8>;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Vec<u8>>, Status>> + Send>>;

    fn call(&mut self, request: Request<Vec<u8>>) -> Self::Future {
        let (service, method) = (self.0.clone(), self.1.clone());
        Box::pin(async move {
            let (metadata, _, message) = request.into_parts();
            if metadata.contains_key("flaky") && service.flaky.fetch_add(1, Ordering::Relaxed) % 2 == 0 {
                return Err(Status::unavailable("not this time"));
            }
            let message = match method.as_str() {
                "Fail" => return Err(fail(&metadata, &message)),
                "Hang" => {
                    // All of it, not just the field that is written.
                    let hanging = Hanging::begin(&service);
                    std::future::pending::<()>().await;
                    drop(hanging);
                    message
                }
                "Big" => {
                    let length = usize::try_from(Book::decode(&*message).unwrap().pages).unwrap();
                    Book { title: "x".repeat(length), pages: 0 }.encode_to_vec()
                }
                _ => message,
            };
            let mut answer = Response::new(message);
            // What came, as it came.
            for name in ["authorization", "x-request-id", "accept", "content-type", "grpc-timeout", "trace-bin", "user"]
            {
                if let Some(value) = metadata.as_ref().get(name) {
                    let seen = format!("seen-{}", name.trim_end_matches("-bin"));
                    answer.metadata_mut().insert(
                        tonic::metadata::AsciiMetadataKey::from_bytes(seen.as_bytes()).unwrap(),
                        value.to_str().unwrap().parse().unwrap(),
                    );
                }
            }
            Ok(answer)
        })
    }
}

/// By the number in the field `code`, with a detail whose type is known and one whose type is not.
fn fail(metadata: &MetadataMap, message: &[u8]) -> Status {
    let code = metadata.get("code").map_or(5, |code| code.to_str().unwrap().parse().unwrap());
    let (code, title) = (Code::from_i32(code), Book::decode(message).unwrap().title);
    let book = Book { title: title.clone(), pages: 7 }.encode_to_vec();
    let any = |name: &str, value| RpcAny { type_url: format!("type.googleapis.com/{name}"), value };
    let details = RpcStatus {
        code: code as i32,
        message: title.clone(),
        details: vec![any("test.v1.Book", book), any("test.v1.Unknown", vec![1])],
    };
    let mut status = Status::with_details(code, title, details.encode_to_vec().into());
    status.metadata_mut().insert("x-why", "because".parse().unwrap());
    status
}

struct Streaming(Service);

impl ServerStreamingService<Vec<u8>> for Streaming {
    type Response = Vec<u8>;
    type ResponseStream = Pin<Box<dyn Stream<Item = Result<Vec<u8>, Status>> + Send>>;
    type Future = std::future::Ready<Result<Response<Self::ResponseStream>, Status>>;

    /// So many books as it is asked for pages, of 4 KiB where there is a title; then it hangs, fails or ends, by the title.
    fn call(&mut self, request: Request<Vec<u8>>) -> Self::Future {
        let service = self.0.clone();
        let Book { title, pages } = Book::decode(request.get_ref().as_slice()).unwrap();
        if title == "refuse" {
            return std::future::ready(Err(Status::permission_denied("no")));
        }
        let streamed = Arc::clone(&service.streamed);
        let books = tokio_stream::iter(0..pages).map(move |number| {
            streamed.fetch_add(1, Ordering::Relaxed);
            let title = if title_is_long(number) { "x".repeat(4096) } else { String::new() };
            Ok(Book { title, pages: number }.encode_to_vec())
        });
        let books: Self::ResponseStream = match title.as_str() {
            "fail" => Box::pin(books.chain(tokio_stream::once(Err(Status::aborted("no more"))))),
            "hang" => {
                let hanging = Hanging::begin(&service);
                Box::pin(books.chain(Forever(hanging)))
            }
            _ => Box::pin(books),
        };
        std::future::ready(Ok(Response::new(books)))
    }
}

/// Past the first hundred: streams that are short are easy to read.
fn title_is_long(number: i64) -> bool {
    number >= 100
}

/// A stream without messages and without an end.
struct Forever(Hanging);

impl Stream for Forever {
    type Item = Result<Vec<u8>, Status>;

    fn poll_next(
        self: Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Vec<u8>, Status>>> {
        let Self(_hanging) = &*self;
        std::task::Poll::Pending
    }
}
