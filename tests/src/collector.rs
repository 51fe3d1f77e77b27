//! A collector of OpenTelemetry that does what a test tells it, by gRPC or by protobuf over HTTP.

use crate::grpc::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread;
use tonic::server::UnaryService;
use tonic::{Request, Response, Status};

/// A running collector.
pub struct Collector {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    grpc: bool,
}

#[derive(Default)]
struct State {
    spans: Vec<Span>,
    entries: Vec<LogRecord>,
    /// What describes who sent, in the order of messages.
    resources: Vec<Vec<KeyValue>>,
    refuses: bool,
    messages: usize,
}

impl State {
    /// Takes a message in; false where it is told to take none.
    fn take(&mut self, path: &str, message: &[u8]) -> bool {
        self.messages += 1;
        if self.refuses {
            return false;
        }
        if path.contains("race") {
            for resource in ExportTraceServiceRequest::decode(message).unwrap().resource_spans {
                self.resources.push(resource.resource.unwrap().attributes);
                self.spans.extend(resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
            }
        } else {
            for resource in ExportLogsServiceRequest::decode(message).unwrap().resource_logs {
                self.resources.push(resource.resource.unwrap().attributes);
                self.entries.extend(resource.scope_logs.into_iter().flat_map(|scope| scope.log_records));
            }
        }
        true
    }
}

impl Collector {
    /// One that is spoken to by protobuf over HTTP/1.1.
    #[must_use]
    pub fn http() -> Self {
        Self::start(false)
    }

    /// One that is spoken to by gRPC: tonic's server.
    #[must_use]
    pub fn grpc() -> Self {
        Self::start(true)
    }

    fn start(grpc: bool) -> Self {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let address = socket.local_addr().unwrap();
        let state: Arc<Mutex<State>> = Arc::default();
        let kept = Arc::clone(&state);
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(serve(socket, grpc, kept));
        });
        Self { address, state, grpc }
    }

    /// A configuration's upstream `collector`, and the beginning of its `[telemetry]` that sends there.
    #[must_use]
    pub fn section(&self) -> String {
        let (upstream, protocol) = if self.grpc { ("http2", "grpc") } else { ("http1", "http") };
        format!(
            "[upstream.collector]\nendpoints = [\"http://{}\"]\nprotocol = \"{upstream}\"\n\
             [telemetry]\notlp = {{ upstream = \"collector\", protocol = \"{protocol}\" }}\n",
            self.address
        )
    }

    /// Takes nothing from now on.
    pub fn refuse(&self) {
        self.state.lock().unwrap().refuses = true;
    }

    /// Every span so far.
    #[must_use]
    pub fn spans(&self) -> Vec<Span> {
        self.state.lock().unwrap().spans.clone()
    }

    /// Every log entry so far.
    #[must_use]
    pub fn entries(&self) -> Vec<LogRecord> {
        self.state.lock().unwrap().entries.clone()
    }

    /// Who sent the last message.
    #[must_use]
    pub fn resource(&self) -> Vec<KeyValue> {
        self.state.lock().unwrap().resources.last().cloned().unwrap_or_default()
    }

    /// Messages so far, those that were refused included.
    #[must_use]
    pub fn messages(&self) -> usize {
        self.state.lock().unwrap().messages
    }
}

/// An attribute as text; none where there is none.
#[must_use]
pub fn attribute(attributes: &[KeyValue], key: &str) -> Option<String> {
    let value = attributes.iter().find(|attribute| attribute.key == key)?.value.as_ref()?.value.as_ref()?;
    Some(match value {
        Any::StringValue(text) => text.clone(),
        Any::IntValue(number) => number.to_string(),
        Any::DoubleValue(number) => number.to_string(),
        other => format!("{other:?}"),
    })
}

async fn serve(socket: std::net::TcpListener, grpc: bool, state: Arc<Mutex<State>>) {
    let socket = tokio::net::TcpListener::from_std(socket).unwrap();
    while let Ok((stream, _)) = socket.accept().await {
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let stream = TokioIo::new(stream);
            if grpc {
                let answer = service_fn(move |request| call(request, Arc::clone(&state)));
                let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                let _ = builder.serve_connection(stream, answer).await;
            } else {
                let answer = service_fn(move |request| post(request, Arc::clone(&state)));
                let _ = hyper::server::conn::http1::Builder::new().serve_connection(stream, answer).await;
            }
        });
    }
}

async fn post(
    request: http::Request<Incoming>,
    state: Arc<Mutex<State>>,
) -> Result<http::Response<Full<bytes::Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let is_right = matches!(path.as_str(), "/v1/traces" | "/v1/logs")
        && request.method() == http::Method::POST
        && request.headers()[http::header::CONTENT_TYPE] == "application/x-protobuf";
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let taken = is_right && state.lock().unwrap().take(&path, &body);
    let mut response = http::Response::new(Full::default());
    *response.status_mut() = if taken { http::StatusCode::OK } else { http::StatusCode::SERVICE_UNAVAILABLE };
    Ok(response)
}

/// One method of gRPC.
struct Method(String, Arc<Mutex<State>>);

impl UnaryService<Vec<u8>> for Method {
    type Response = Vec<u8>;
    type Future = Ready<Result<Response<Vec<u8>>, Status>>;

    fn call(&mut self, request: Request<Vec<u8>>) -> Self::Future {
        let taken = self.1.lock().unwrap().take(&self.0, request.get_ref());
        // Nothing was refused in part: an empty message.
        ready(if taken { Ok(Response::new(Vec::new())) } else { Err(Status::unavailable("told to")) })
    }
}

async fn call(
    request: http::Request<Incoming>,
    state: Arc<Mutex<State>>,
) -> Result<http::Response<tonic::body::Body>, Infallible> {
    let path = request.uri().path().to_owned();
    Ok(match path.as_str() {
        "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
        | "/opentelemetry.proto.collector.logs.v1.LogsService/Export" => {
            tonic::server::Grpc::new(Bytes).unary(Method(path, state), request).await
        }
        _ => Status::unimplemented("no such method").into_http(),
    })
}
