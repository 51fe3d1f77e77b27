//! The local administration listener: what the gateway is doing, for people and probes. Never on a data port.

mod purge;
mod status;

use crate::process::{Descriptor, Inherited};
use crate::server::Running;
use crate::telemetry::metrics::{self, Format};
use anyhow::Context as _;
use bytes::Bytes;
use gateway_config::Admin;
use gateway_core::clock::now;
use gateway_core::repeats::Repeats;
use http::header::{ACCEPT, ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::os::fd::AsFd as _;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::task::JoinHandle;

/// What the socket is called among those that are handed over; no listener can be called so.
const NAME: &str = "[admin]";

/// The administration listener while it serves.
pub(crate) struct Administration {
    socket: Arc<Socket>,
    accepting: JoinHandle<()>,
}

enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// Binds the address, unless a socket with it was inherited, and serves it in the background.
pub(crate) fn serve(
    address: &Admin,
    running: Arc<Running>,
    inherited: &mut Inherited,
) -> anyhow::Result<Administration> {
    let socket = match address {
        Admin::Tcp(address) => {
            let bound = match inherited.tcp(NAME, *address) {
                Some(socket) => Ok(socket),
                None => std::net::TcpListener::bind(address),
            };
            let socket =
                bound.and_then(|socket| socket.set_nonblocking(true).and_then(|()| TcpListener::from_std(socket)));
            let socket = socket.with_context(|| format!("the admin listener cannot bind {address}"))?;
            tracing::info!(address = %socket.local_addr()?, "administration");
            Socket::Tcp(socket)
        }
        Admin::Unix(path) => {
            let socket = match inherited.unix(path) {
                Some(socket) => socket.set_nonblocking(true).and_then(|()| UnixListener::from_std(socket)),
                None => unix(path),
            };
            Socket::Unix(socket.with_context(|| format!("the admin listener cannot bind {}", path.display()))?)
        }
    };
    let socket = Arc::new(socket);
    let accepting = tokio::spawn(accept(Arc::clone(&socket), running));
    Ok(Administration { socket, accepting })
}

impl Administration {
    /// The socket with its name, for another process.
    pub(crate) fn descriptor(&self) -> std::io::Result<Descriptor> {
        let descriptor = match &*self.socket {
            Socket::Tcp(socket) => socket.as_fd(),
            Socket::Unix(socket) => socket.as_fd(),
        };
        Ok((NAME.to_owned(), descriptor.try_clone_to_owned()?))
    }

    /// Leaves what comes from now on to the process that has the socket as well.
    pub(crate) fn close(self) {
        self.accepting.abort();
    }
}

async fn accept(socket: Arc<Socket>, running: Arc<Running>) {
    let mut failures = Repeats::default();
    loop {
        let running = Arc::clone(&running);
        let accepted = match &*socket {
            Socket::Tcp(socket) => {
                socket.accept().await.map(|(stream, _)| drop(tokio::spawn(connection(stream, running))))
            }
            Socket::Unix(socket) => {
                socket.accept().await.map(|(stream, _)| drop(tokio::spawn(connection(stream, running))))
            }
        };
        if let Err(error) = accepted {
            if let Some(times) = failures.note(now()) {
                tracing::warn!(%error, times, "admin connections could not be accepted");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// A socket file of an earlier run is replaced; anything else there is left alone. Only the owner may connect.
fn unix(path: &Path) -> std::io::Result<UnixListener> {
    if std::fs::symlink_metadata(path).is_ok_and(|data| data.file_type().is_socket()) {
        std::fs::remove_file(path)?;
    }
    let socket = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(socket)
}

async fn connection(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, running: Arc<Running>) {
    let service = service_fn(|request| {
        let mut response = answer(&request, &running);
        if running.draining.load(Ordering::Relaxed) {
            // Whoever asks again may have to ask another process.
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        async move { Ok::<_, Infallible>(response) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(10));
    if let Err(error) = builder.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "an admin connection ended");
    }
}

fn answer(request: &Request<Incoming>, running: &Running) -> Response<Full<Bytes>> {
    let is_purge = request.uri().path() == "/cache/purge";
    let (is_allowed, allowed) = match is_purge {
        true => (request.method() == Method::POST, "POST"),
        false => (matches!(*request.method(), Method::GET | Method::HEAD), "GET, HEAD"),
    };
    if !is_allowed {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "another method is meant\n");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
        return response;
    }
    if is_purge {
        return purge::answer(request, running);
    }
    match request.uri().path() {
        "/status" => json(&status::of(running)),
        "/metrics" => metrics(request, running),
        "/live" => text(StatusCode::OK, "live\n"),
        "/ready" if running.draining.load(Ordering::Relaxed) => text(StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
        "/ready" => text(StatusCode::OK, "ready\n"),
        _ => text(StatusCode::NOT_FOUND, "there is /status, /metrics, /live, /ready and POST /cache/purge\n"),
    }
}

/// Every figure, in the form that Prometheus asks for.
fn metrics(request: &Request<Incoming>, running: &Running) -> Response<Full<Bytes>> {
    let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let format = Format::of(accept);
    let Ok(written) = metrics::render(running, format) else {
        return text(StatusCode::INTERNAL_SERVER_ERROR, "the figures cannot be written\n");
    };
    let mut response = Response::new(Full::from(written));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn json(value: &impl serde::Serialize) -> Response<Full<Bytes>> {
    let mut body = serde_json::to_vec_pretty(value).unwrap_or_default();
    body.push(b'\n');
    let mut response = Response::new(Full::from(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn text(status: StatusCode, body: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
