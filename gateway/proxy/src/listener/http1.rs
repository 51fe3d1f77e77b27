//! A client's connection as HTTP/1.1, for as long as something is asked on it.

use super::activity::Activity;
use super::connection::{Client, Left, Served, answer, arrived, drive, of};
use super::socket::ClientStream;
use super::{Settings, Shared};
use crate::ROOM_FOR_FIELDS;
use crate::completion::ResponseBody;
use crate::heap::boxed;
use crate::tunnel::Tunnel;
use arc_swap::Cache;
use bytes::Bytes;
use gateway_core::dispatch::BoxFuture;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::TokioIo;
use std::cell::RefCell;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;

/// Bytes that hyper reads of a body at once, at most. Of an answer it has no more than one part (HARDENING P11).
const BUFFER: usize = 64 * 1024;

/// hyper's connection.
type Lines<S> = http1::Connection<TokioIo<ClientStream>, S>;

impl<S> Served for Lines<S>
where
    S: HttpService<Incoming, ResBody = ResponseBody>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn good_bye(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// [`serve_http1`], on the heap for only as long as there is something to serve. Made by a function of its own: a future passes over the stack of
/// who makes it, and the stack of who polls it would have room for that in every poll.
#[inline(never)]
pub(super) fn http1<'a>(
    stream: ClientStream,
    client: &'a Client,
    shared: &'a Arc<Shared>,
    settings: &'a Settings,
    activity: &'a Arc<Activity>,
) -> BoxFuture<'a, Option<ClientStream>> {
    Box::pin(serve_http1(stream, client, shared, settings, activity))
}

/// Serves requests until the connection ends, or, giving the socket back, until none has come for a while.
async fn serve_http1(
    stream: ClientStream,
    client: &Client,
    shared: &Arc<Shared>,
    settings: &Settings,
    activity: &Arc<Activity>,
) -> Option<ClientStream> {
    let connection = &of(client, shared, settings);
    // Kept for the next request: to see that no other one has come costs nothing. Nobody who asks nothing keeps an old one.
    let snapshot = RefCell::new(Cache::new(&*shared.snapshot));
    let service = service_fn(move |request| {
        activity.head_ended();
        let snapshot = Arc::clone(snapshot.borrow_mut().load());
        // hyper would keep room for it in each connection, and find that cold.
        Box::into_pin(boxed(|| answer(shared, connection, activity, snapshot, arrived(request))))
    });
    let mut served = lines(stream, settings, service);
    match drive(Pin::new(&mut *served), activity, None, shared).await {
        Left::Quiet => {
            tracing::trace!(peer = %client.address, "a quiet connection gives up its buffers");
            Some(socket(served))
        }
        Left::Ended => {
            if let Some(tunnel) = connection.tunnel() {
                through(tunnel, socket(served)).await;
            }
            None
        }
        Left::Cut => None,
    }
}

/// hyper's connection, on the heap.
#[inline(never)]
fn lines<S>(stream: ClientStream, settings: &Settings, service: S) -> Box<Lines<S>>
where
    S: HttpService<Incoming, ResBody = ResponseBody, Error = Infallible>,
{
    let mut builder = http1::Builder::new();
    builder.half_close(true).max_header_size(settings.limits.header).max_buf_size(BUFFER.max(settings.limits.header));
    if settings.limits.headers != ROOM_FOR_FIELDS {
        builder.max_headers(settings.limits.headers);
    }
    Box::new(builder.serve_connection(TokioIo::new(stream), service))
}

/// The socket of a connection that hyper is done with, with what was read of it.
#[inline(never)]
#[expect(clippy::boxed_local, reason = "it is on the heap, and too large to pass over the stack")]
fn socket<S>(served: Box<Lines<S>>) -> ClientStream
where
    S: HttpService<Incoming, ResBody = ResponseBody, Error = Infallible>,
{
    let parts = served.into_parts();
    let mut stream = parts.io.into_inner();
    // Without a byte in it, it would still hold the buffer.
    stream.unread(if parts.read_buf.is_empty() { Bytes::new() } else { parts.read_buf });
    stream
}

/// Runs what a connection was left to. On the heap: hardly any comes here.
#[cold]
#[inline(never)]
fn through(tunnel: Box<Tunnel>, mut stream: ClientStream) -> BoxFuture<'static, ()> {
    stream.pass_as_it_is();
    if let Err(error) = stream.bound_received() {
        tracing::debug!(%error, "what a tunnel may pin has no bound");
    }
    Box::pin(async move {
        let _ = tunnel.run(stream).await;
    })
}
