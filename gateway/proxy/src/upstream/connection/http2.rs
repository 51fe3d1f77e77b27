//! One HTTP/2 connection to an endpoint, shared by the requests of a thread and driven by a task of its own.

use super::{Came, UpstreamSocket, closed_at_once};
use gateway_config::UpstreamLimits;
use gateway_core::{Body, Error};
use http::header::{CONNECTION, HOST, TRANSFER_ENCODING};
use http::uri::Authority;
use http::{HeaderValue, Request, Uri, Version};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Requests at once. A service may want fewer: the rest waits in the connection.
const STREAMS: usize = 100;

/// Bytes that a service may send ahead of its client, on one stream (HARDENING P11) and on all of them.
const STREAM_WINDOW: u32 = 64 * 1024;
const WINDOW: u32 = 1024 * 1024;

/// Bytes of an upload that a stream holds.
const SEND_BUFFER: usize = 64 * 1024;

/// A connection on which a request waits is asked whether it lives, every so often and for so long.
const PING: Duration = Duration::from_secs(10);
const PONG: Duration = Duration::from_secs(5);

/// A connection, as one more request has it. The last one to drop it ends it.
pub(in super::super) struct Http2 {
    sender: SendRequest<Body>,
    /// One for each that has it.
    users: Arc<()>,
}

impl Http2 {
    pub(super) async fn open(
        socket: UpstreamSocket,
        address: SocketAddr,
        limits: &UpstreamLimits,
    ) -> Result<Self, Error> {
        let opened = Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(WINDOW)
            .max_send_buf_size(SEND_BUFFER)
            .max_header_list_size(u32::try_from(limits.header).unwrap_or(u32::MAX))
            .keep_alive_interval(PING)
            .keep_alive_timeout(PONG)
            .handshake(TokioIo::new(socket))
            .await;
        let (sender, driver) = opened.map_err(|cause| closed_at_once(address, cause))?;
        tokio::spawn(async move {
            if let Err(error) = driver.await {
                tracing::trace!(%error, "an upstream connection ended");
            }
        });
        Ok(Self { sender, users: Arc::default() })
    }

    /// For one more request; none where it is closed or has as many as it takes.
    pub(in super::super) fn share(&self) -> Option<Self> {
        let fits = !self.sender.is_closed() && self.requests() < STREAMS;
        fits.then(|| Self { sender: self.sender.clone(), users: Arc::clone(&self.users) })
    }

    /// Requests that have it, beside whoever asks.
    pub(in super::super) fn requests(&self) -> usize {
        Arc::strong_count(&self.users) - 1
    }

    pub(in super::super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    pub(super) fn begin(&mut self, request: Request<Body>) -> impl Future<Output = Came> + Send + use<> {
        self.sender.try_send_request(request)
    }
}

/// Puts a request into the form that HTTP/2 has for it (RFC 9113 8.2.2 and 8.3.1): the host is part of the target, and what
/// frames a message on HTTP/1.1 has no place.
pub(super) fn adapt(request: &mut Request<Body>, scheme: &'static str, host: &HeaderValue) {
    let headers = request.headers_mut();
    for name in [HOST, CONNECTION, TRANSFER_ENCODING] {
        headers.remove(name);
    }
    *request.version_mut() = Version::HTTP_2;
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.scheme = scheme.parse().ok();
    parts.authority = Authority::try_from(host.as_bytes()).ok();
    // It has a path: every request has one.
    *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
}
