//! Sockets that take requests: accept, protocol, connection, drain.

mod activity;
mod connection;
mod dozing;
mod flood;
mod http1;
mod lines;
mod socket;
mod stream;
mod tls;

pub use lines::fuzz as fuzz_lines;

pub(crate) use activity::Open;
pub use stream::Stream;
pub use tls::Tls;

use crate::snapshot::Snapshot;
use crate::workers::{Seat, Workers};
use arc_swap::ArcSwap;
use gateway_config::{ListenerLimits, ListenerTimeouts};
use gateway_core::clock::now;
use gateway_core::instruments::{Counter, Instruments};
use gateway_core::repeats::Repeats;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// A request may take so long to come once its connection is to end, and a good-bye to be read.
pub const LINGER: Duration = Duration::from_millis(250);

/// Connections that the kernel completes before we accept them.
const BACKLOG: i32 = 1024;

/// Bytes that the kernel takes of an answer before it has sent what it has (HARDENING P11). What is on its way to the client has
/// no such bound, so that a fast one far away is not held up.
const UNSENT: u32 = 16 * 1024;

/// Answers at once past the cap on connections (HARDENING F8), without reading the request.
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// A bound socket and its connections. It lives over reloads that keep its address.
pub struct Listener {
    address: SocketAddr,
    /// Gone once it has drained.
    socket: Weak<TcpListener>,
    stop: watch::Sender<Stop>,
    settings: Arc<ArcSwap<Settings>>,
}

/// What may change without closing a socket. New connections take what is in force when they come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How long a client may take.
    pub timeouts: ListenerTimeouts,
    /// How much it may send.
    pub limits: ListenerLimits,
    /// None: plain HTTP.
    pub tls: Option<Arc<Tls>>,
}

/// How far a listener is on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    Serving,
    /// No new connections; those that are open end with their requests. One without a request has so long for one to come.
    Draining(Duration),
}

struct Shared {
    name: Arc<str>,
    snapshot: Arc<ArcSwap<Snapshot>>,
    settings: Arc<ArcSwap<Settings>>,
    workers: Arc<Workers>,
    stop: watch::Receiver<Stop>,
    /// Closed when the last connection is gone.
    alive: tokio::sync::mpsc::Sender<()>,
    accepted: Counter,
    refused: Counter,
    floods: Counter,
    /// Requests that met a fault of ours.
    panicked: Counter,
    /// Connections that did not agree on keys.
    insecure: Counter,
}

/// A socket that is bound and not yet served: binding is what can fail, so it comes before anything is swapped.
pub struct Bound {
    socket: Arc<TcpListener>,
    address: SocketAddr,
}

impl Bound {
    /// Binds an address. The kernel takes connections from now on and holds them until they are served.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        Self::listen(&open(address)?, address)
    }

    /// Binds an address that overlaps with that of a listener on its way out, as `0.0.0.0:80` does with `127.0.0.1:80`. Only these
    /// two sockets may share the port, and only now: another program is still told that the address is in use.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub fn bind_beside(leaving: &Listener, address: SocketAddr) -> io::Result<Self> {
        let Some(old) = leaving.socket.upgrade() else { return Self::bind(address) };
        let (old, new) = (SockRef::from(&*old), open(address)?);
        old.set_reuse_port(true)?;
        new.set_reuse_port(true)?;
        let bound = Self::listen(&new, address);
        old.set_reuse_port(false)?;
        new.set_reuse_port(false)?;
        bound
    }

    /// Takes a socket that was bound by somebody else.
    ///
    /// # Errors
    /// It cannot listen.
    pub fn inherited(socket: std::net::TcpListener) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        // It listens already; with how long a backlog, nobody knows.
        SockRef::from(&socket).listen(BACKLOG)?;
        let socket = TcpListener::from_std(socket)?;
        let address = socket.local_addr()?;
        Ok(Self { socket: Arc::new(socket), address })
    }

    /// The same socket for another process. Connections that wait in it are not this process's to answer any more, for as long as
    /// this value lives.
    ///
    /// # Errors
    /// The system gives no more descriptors.
    pub fn descriptor(&self) -> io::Result<OwnedFd> {
        self.socket.as_fd().try_clone_to_owned()
    }

    fn listen(socket: &Socket, address: SocketAddr) -> io::Result<Self> {
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        let socket = TcpListener::from_std(socket.try_clone()?.into())?;
        let address = socket.local_addr()?;
        Ok(Self { socket: Arc::new(socket), address })
    }
}

impl Listener {
    /// Starts to serve a bound socket. `alive` is dropped with the last connection.
    #[must_use]
    pub fn serve(
        bound: Bound,
        name: &Arc<str>,
        settings: Settings,
        snapshot: Arc<ArcSwap<Snapshot>>,
        workers: Arc<Workers>,
        instruments: &Instruments,
        alive: tokio::sync::mpsc::Sender<()>,
    ) -> Self {
        let Bound { socket, address } = bound;
        let (stop, stopped) = watch::channel(Stop::Serving);
        let settings = Arc::new(ArcSwap::from_pointee(settings));
        let shared = Shared {
            name: Arc::clone(name),
            snapshot,
            settings: Arc::clone(&settings),
            workers,
            stop: stopped,
            alive,
            accepted: instruments.counter("connections.accepted"),
            refused: instruments.counter("connections.refused"),
            floods: instruments.counter("connections.ended-for-abuse"),
            panicked: instruments.counter("requests.panicked"),
            insecure: instruments.counter("connections.failed-handshakes"),
        };
        let weak = Arc::downgrade(&socket);
        tokio::spawn(accept(socket, Arc::new(shared)));
        Self { address, socket: weak, stop, settings }
    }

    /// The same socket for another listener, so that no connection is lost that the kernel holds. None once it has drained.
    #[must_use]
    pub fn hand_over(&self) -> Option<Bound> {
        Some(Bound { socket: self.socket.upgrade()?, address: self.address })
    }

    /// Where it really listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes what new connections get.
    pub fn set(&self, settings: Settings) {
        if **self.settings.load() != settings {
            self.settings.store(Arc::new(settings));
        }
    }

    /// Takes no more connections and lets the open ones end with their requests. On HTTP/1.1 nothing but the answer to a request tells
    /// a client in time that its connection ends: one without a request has so long for one to come.
    pub fn drain(&self, patience: Duration) {
        self.stop.send_replace(Stop::Draining(patience));
    }
}

fn open(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart need not wait for the connections of the last run to be forgotten.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// The accept loop: a permit, a connection, a task. Errors slow it down and never end it.
async fn accept(socket: Arc<TcpListener>, shared: Arc<Shared>) {
    let mut stop = shared.stop.clone();
    let permits = Arc::new(Semaphore::new(Semaphore::MAX_PERMITS));
    let mut failures = Repeats::default();
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop != Stop::Serving) => break,
            accepted = socket.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => admit(stream.into_std(), peer, &shared, &permits),
            Err(error) => {
                // Out of descriptors or memory: what is pending stays pending until something was closed.
                if let Some(times) = failures.note(now()) {
                    tracing::warn!(listener = %shared.name, %error, times, "connections could not be accepted");
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
    // Unless the socket goes on under another name, closing it would reset the connections that the kernel holds.
    let Some(Ok(socket)) = Arc::into_inner(socket).map(TcpListener::into_std) else { return };
    for (stream, peer) in (0..BACKLOG).map_while(|_| socket.accept().ok()) {
        admit(stream.set_nonblocking(true).map(|()| stream), peer, &shared, &permits);
    }
}

/// Counts a connection in and gives it to a worker, or refuses it.
fn admit(stream: io::Result<std::net::TcpStream>, peer: SocketAddr, shared: &Arc<Shared>, permits: &Arc<Semaphore>) {
    let Ok(stream) = stream else { return };
    let open = Semaphore::MAX_PERMITS - permits.available_permits();
    let settings = shared.settings.load();
    match Arc::clone(permits).try_acquire_owned() {
        Ok(permit) if open < settings.limits.connections && !shared.snapshot.load().pressure.is_high() => {
            shared.accepted.increment();
            let held = Arc::clone(shared);
            shared.workers.spawn(move |seat| serve(stream, peer, held, permit, seat));
        }
        _ => {
            shared.refused.increment();
            // Nothing can be said in the clear to who expects a handshake.
            if settings.tls.is_none() {
                refuse(&stream);
            }
        }
    }
}

/// Best effort: the peer may not be listening.
fn refuse(mut stream: &std::net::TcpStream) {
    if let Err(error) = io::Write::write(&mut stream, FULL) {
        tracing::trace!(%error, "a refusal could not be written");
    }
}

/// Runs on a worker, whose reactor takes the socket.
async fn serve(
    stream: std::net::TcpStream,
    peer: SocketAddr,
    shared: Arc<Shared>,
    permit: OwnedSemaphorePermit,
    seat: Seat,
) {
    let alive = shared.alive.clone();
    let prepare = || {
        stream.set_nodelay(true)?;
        SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT)?;
        TcpStream::from_std(stream)
    };
    match prepare() {
        Ok(stream) => connection::serve(stream, peer, &shared).await,
        Err(error) => tracing::debug!(%peer, %error, "a connection was gone before it was served"),
    }
    drop((permit, seat, alive));
}
