//! The local administration listener: what the gateway is doing, for people and probes. Never on a data port.

mod status;

use crate::server::Running;
use anyhow::Context as _;
use bytes::Bytes;
use gateway_config::Admin;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};

/// Binds the address and serves it in the background.
pub(crate) async fn serve(address: &Admin, running: Arc<Running>) -> anyhow::Result<()> {
    match address {
        Admin::Tcp(address) => {
            let socket = TcpListener::bind(address)
                .await
                .with_context(|| format!("the admin listener cannot bind {address}"))?;
            tracing::info!(address = %socket.local_addr()?, "administration");
            tokio::spawn(async move {
                loop {
                    match socket.accept().await {
                        Ok((stream, _)) => drop(tokio::spawn(connection(stream, Arc::clone(&running)))),
                        Err(error) => pause(&error).await,
                    }
                }
            });
        }
        Admin::Unix(path) => {
            let socket = unix(path).with_context(|| format!("the admin listener cannot bind {}", path.display()))?;
            tokio::spawn(async move {
                loop {
                    match socket.accept().await {
                        Ok((stream, _)) => drop(tokio::spawn(connection(stream, Arc::clone(&running)))),
                        Err(error) => pause(&error).await,
                    }
                }
            });
        }
    }
    Ok(())
}

async fn pause(error: &std::io::Error) {
    tracing::warn!(%error, "an admin connection could not be accepted");
    tokio::time::sleep(Duration::from_millis(100)).await;
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
        let response = answer(&request, &running);
        async move { Ok::<_, Infallible>(response) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(10));
    if let Err(error) = builder.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "an admin connection ended");
    }
}

fn answer(request: &Request<Incoming>, running: &Running) -> Response<Full<Bytes>> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "GET only\n");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match request.uri().path() {
        "/status" => json(&status::of(running)),
        "/live" => text(StatusCode::OK, "live\n"),
        "/ready" if running.draining.load(Ordering::Relaxed) => text(StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
        "/ready" => text(StatusCode::OK, "ready\n"),
        _ => text(StatusCode::NOT_FOUND, "there is /status, /live and /ready\n"),
    }
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
