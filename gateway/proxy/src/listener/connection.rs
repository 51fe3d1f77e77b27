//! One client connection from its first byte to its last.

use super::activity::{Activity, Open, Verdict};
use super::dozing::Dozing;
use super::flood::Guard;
use super::http1::http1;
use super::socket::{ClientStream, Socket, Transport};
use super::stream::StreamExecutor;
use super::{LINGER, Settings, Shared, Stop, Tls, tls};
use crate::completion::ResponseBody;
use crate::entry::{self, Arrived, Connection, Secure};
use crate::forward::Peer;
use crate::heap::boxed;
use crate::snapshot::Snapshot;
use crate::tunnel::Tunnel;
use crate::turns::{self, Place};
use crate::wire;
use gateway_core::clock::{self, now};
use gateway_core::dispatch::BoxFuture;
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response, Version};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::watch;

/// Bytes that HTTP/2 holds of each stream's answer.
const STREAM_BUFFER: usize = 16 * 1024;

pub(super) async fn serve(tcp: TcpStream, peer: SocketAddr, shared: &Arc<Shared>) {
    let settings = shared.settings.load_full();
    let activity = Arc::new(Activity::new(settings.timeouts, settings.tls.is_none()));
    let socket = Socket::new(tcp, Arc::clone(&activity));
    let (transport, secure) = match &settings.tls {
        None => (Transport::Plain(socket), None),
        Some(tls) => match handshake(tls, socket, &activity, shared).await {
            Some((transport, secure)) => (transport, Some(secure)),
            None => return,
        },
    };
    let client = &Client { address: peer, secure };
    let mut stream = ClientStream::new(transport, Arc::clone(&activity));
    match first(stream.is_http2(), &activity, shared).await {
        Some(Ok(true)) => http2(stream, client, shared, &settings, &activity).await,
        Some(Ok(false)) => {
            stream.read_lines();
            loop {
                let Some(quiet) = http1(stream, client, shared, &settings, &activity).await else { return };
                let Some(Ok(())) = first(quiet.readable(), &activity, shared).await else { return };
                stream = quiet;
            }
        }
        Some(Err(error)) => tracing::trace!(%peer, %error, "a connection ended before its first request"),
        None => {}
    }
}

/// Who is at the other end.
pub(super) struct Client {
    pub(super) address: SocketAddr,
    secure: Option<Secure>,
}

/// [`agree`], on the heap for only as long as it takes.
#[inline(never)]
fn handshake<'a>(
    tls: &'a Tls,
    socket: Socket,
    activity: &'a Activity,
    shared: &'a Shared,
) -> BoxFuture<'a, Option<(Transport, Secure)>> {
    Box::pin(agree(tls, socket, activity, shared))
}

/// Agrees on keys, in the time that a head may take: until then nothing is known of who holds the connection.
async fn agree(tls: &Tls, socket: Socket, activity: &Activity, shared: &Shared) -> Option<(Transport, Secure)> {
    activity.head_began();
    let accepted = first(tls.accept(socket), activity, shared).await;
    clock::forget();
    let stream = match accepted? {
        Ok(stream) => stream,
        Err(error) => {
            shared.insecure.increment();
            tracing::debug!(listener = %shared.name, %error, "a handshake failed");
            return None;
        }
    };
    activity.head_ended();
    let secure = Secure { certificate: tls::client_certificate(&stream), hsts: tls.hsts().cloned() };
    Some((Transport::Tls(stream), secure))
}

/// Waits for the first of a request; nothing of it comes in time, or before the listener has drained.
async fn first<T>(waits: impl Future<Output = T>, activity: &Activity, shared: &Shared) -> Option<T> {
    let mut stop = shared.stop.clone();
    tokio::select! {
        came = waits => Some(came),
        _ = overdue(activity, false) => None,
        // A request that came before the listener drains is answered, read or not.
        () = async {
            let patience = stopping(&mut stop).await;
            tokio::time::sleep(patience).await;
        } => None,
    }
}

/// Returns once the listener drains, with how long a request may take to come.
async fn stopping(stop: &mut watch::Receiver<Stop>) -> Duration {
    match stop.wait_for(|stop| *stop != Stop::Serving).await.as_deref() {
        Ok(Stop::Draining(patience)) => *patience,
        _ => LINGER,
    }
}

/// [`serve_http2`], on the heap for as long as it lasts.
#[inline(never)]
fn http2<'a>(
    stream: ClientStream,
    client: &'a Client,
    shared: &'a Arc<Shared>,
    settings: &'a Settings,
    activity: &'a Arc<Activity>,
) -> BoxFuture<'a, ()> {
    Box::pin(serve_http2(stream, client, shared, settings, activity))
}

async fn serve_http2(
    mut stream: ClientStream,
    client: &Client,
    shared: &Arc<Shared>,
    settings: &Settings,
    activity: &Arc<Activity>,
) {
    let guard = Arc::new(Guard::new());
    stream.guard(Arc::clone(&guard));
    activity.head_ended();
    let connection = Arc::new(of(client, shared, settings));
    let service = service_fn(|request| {
        turns::begins();
        let (shared, connection, activity) = (Arc::clone(shared), Arc::clone(&connection), Arc::clone(activity));
        let (snapshot, arrived) = (shared.snapshot.load_full(), arrived(request));
        // A stream's task has what it needs of the connection.
        async move { answer(&shared, &connection, &activity, snapshot, arrived).await }
    });
    let executor = StreamExecutor { write: settings.timeouts.write, guard: Arc::clone(&guard) };
    let mut builder = http2::Builder::new(executor);
    // What was offered cannot be taken back (RFC 8441 3), and each request looks at its route.
    if shared.snapshot.load().tables.get(&shared.name).is_some_and(|table| table.websocket) {
        builder.enable_connect_protocol();
    }
    let served = builder
        .max_concurrent_streams(100)
        .initial_stream_window_size(64 * 1024)
        .initial_connection_window_size(1024 * 1024)
        .max_header_list_size(u32::try_from(settings.limits.header).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(100)
        .max_local_error_reset_streams(100)
        .max_send_buf_size(STREAM_BUFFER)
        .serve_connection(TokioIo::new(stream), service);
    drive(pin!(served), activity, Some(&guard), shared).await;
}

pub(super) fn of(client: &Client, shared: &Shared, settings: &Settings) -> Connection {
    let (name, peer) = (Arc::clone(&shared.name), Peer::new(client.address));
    let (secure, panicked) = (client.secure.clone(), shared.panicked.clone());
    Connection::new(name, peer, &settings.timeouts, settings.limits.headers, secure, panicked)
}

/// On the heap before it is passed on.
#[inline]
pub(super) fn arrived(request: Request<Incoming>) -> Arrived {
    boxed(|| request.into_parts())
}

pub(super) async fn answer(
    shared: &Shared,
    connection: &Connection,
    activity: &Arc<Activity>,
    snapshot: Arc<Snapshot>,
    arrived: Arrived,
) -> Result<Response<ResponseBody>, Infallible> {
    let open = Open::begin(Arc::clone(activity));
    let version = arrived.0.version;
    let mut response = entry::serve(snapshot, connection, arrived).await;
    let switched = response.body_mut().tunnel();
    let is_switched = switched.is_some();
    match switched {
        None => response.body_mut().hold(open),
        Some(tunnel) => switch(connection, tunnel, open),
    }
    // It only ever changes to draining.
    if version < Version::HTTP_2 && !is_switched && shared.stop.has_changed().unwrap_or(true) {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(*response)
}

/// Has a tunnel run once the head of its answer is sent: on the connection, or on its stream of HTTP/2.
#[cold]
#[inline(never)]
fn switch(connection: &Connection, mut tunnel: Box<Tunnel>, open: Open) {
    tunnel.hold(open);
    match tunnel.stream() {
        None => connection.switch(tunnel),
        Some((stream, watched)) => drop(tokio::spawn(tunnel.run_on(stream, watched))),
    }
}

/// What hyper's two kinds of connection have in common.
pub(super) trait Served: Future<Output = hyper::Result<()>> {
    fn good_bye(self: Pin<&mut Self>);
}

impl<S> Served for http2::Connection<TokioIo<ClientStream>, S, StreamExecutor>
where
    S: hyper::service::HttpService<Incoming, ResBody = ResponseBody>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    S::Future: Send + 'static,
{
    fn good_bye(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// What is left of a connection.
pub(super) enum Left {
    /// Of itself; where its last answer has switched protocols the socket is still open.
    Ended,
    /// By us, with whatever was still to be written.
    Cut,
    /// It is as it was, and at rest.
    Quiet,
}

/// Runs a connection until it ends, its client is overdue or abusive, the listener drains, or nothing has come for a while.
pub(super) async fn drive(
    mut connection: Pin<&mut impl Served>,
    activity: &Activity,
    guard: Option<&Guard>,
    shared: &Shared,
) -> Left {
    let mut stop = shared.stop.clone();
    let mut draining = pin!(async {
        let patience = stopping(&mut stop).await;
        // HTTP/2's good-bye does not cut what comes before it is read.
        if guard.is_none() {
            tokio::time::sleep(patience).await;
        }
    });
    let mut overdue = pin!(overdue(activity, guard.is_none()));
    let mut abuse = pin!(async {
        match guard {
            Some(guard) => guard.tripped().await,
            None => std::future::pending().await,
        }
    });
    let mut drains = false;
    let mut place = Place::default();
    let mut beside = Dozing::new(|context: &mut Context<'_>| {
        if !drains && draining.as_mut().poll(context).is_ready() {
            drains = true;
            return Poll::Ready(Beside::Draining);
        }
        if abuse.as_mut().poll(context).is_ready() {
            return Poll::Ready(Beside::Abuse);
        }
        overdue.as_mut().poll(context).map(Beside::Overdue)
    });
    let mut go_on = |context: &mut Context<'_>| {
        loop {
            if connection.as_mut().poll(context).is_ready() {
                return Poll::Ready(None);
            }
            match ready!(beside.poll(context)) {
                // After a poll: hyper closes at once what it has read nothing of, though a request may be there.
                Beside::Draining => connection.as_mut().good_bye(),
                other => return Poll::Ready(Some(other)),
            }
        }
    };
    let end = poll_fn(|context: &mut Context<'_>| {
        // HTTP/2 has its streams under way apart, and they end before their last frames are sent.
        if guard.is_some() || !activity.is_at_rest() {
            wire::send_overdue();
            turns::goes_on();
            return go_on(context);
        }
        ready!(place.poll_turn(context));
        wire::send_overdue();
        let gone_on = go_on(context);
        if activity.is_at_rest() {
            turns::give_back();
        }
        gone_on
    });
    let is_abuse = match end.await {
        None => return Left::Ended,
        Some(Beside::Overdue(Verdict::Stalled)) => return Left::Cut,
        Some(Beside::Overdue(Verdict::Quiet)) => return Left::Quiet,
        Some(Beside::Abuse) => true,
        Some(_) => false,
    };
    if is_abuse {
        shared.floods.increment();
    }
    connection.as_mut().good_bye();
    // HTTP/2 waits for the client's answer to its good-bye, which may never come. A request that came before the client saw it
    // is still answered.
    while tokio::time::timeout(LINGER, connection.as_mut()).await.is_err() {
        if is_abuse || !activity.is_serving() {
            tracing::trace!("a connection was ended before its client took leave");
            return Left::Cut;
        }
    }
    Left::Ended
}

/// What happens to a connection beside its requests.
enum Beside {
    Draining,
    Abuse,
    Overdue(Verdict),
}

/// Returns once the client has taken too long over what it is at, or, where that gives something up, over nothing at all.
async fn overdue(activity: &Activity, gives_up: bool) -> Verdict {
    let mut timer = pin!(tokio::time::sleep(Duration::ZERO));
    loop {
        match activity.verdict(now(), gives_up) {
            Verdict::Wait(until) => timer.as_mut().reset(until.into()),
            verdict => return verdict,
        }
        timer.as_mut().await;
    }
}
