//! The administration listener: what the gateway is doing, for people, programs and probes, and what may be asked of it. Never on a
//! data port. `openapi.json` beside this file describes it.

mod control;
mod dashboard;
mod explained;
mod figures;
mod guard;
mod inventory;
mod purge;
mod reply;
mod resources;
mod settings;
mod status;
mod tail;

use crate::process::{Descriptor, Inherited};
use crate::server::Running;
use anyhow::Context as _;
use gateway_config::Admin;
use gateway_core::clock::now;
use gateway_core::repeats::Repeats;
use guard::Reach;
use http::HeaderValue;
use http::header::CONNECTION;
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
    let reach = match &*socket {
        Socket::Unix(_) => Reach::Owner,
        Socket::Tcp(socket) if socket.local_addr().is_ok_and(|bound| bound.ip().is_loopback()) => Reach::Machine,
        Socket::Tcp(_) => Reach::Anybody,
    };
    let accepting = tokio::spawn(accept(Arc::clone(&socket), running, reach));
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

async fn accept(socket: Arc<Socket>, running: Arc<Running>, reach: Reach) {
    let mut failures = Repeats::default();
    loop {
        let running = Arc::clone(&running);
        let accepted = match &*socket {
            Socket::Tcp(socket) => {
                socket.accept().await.map(|(stream, _)| drop(tokio::spawn(connection(stream, running, reach))))
            }
            Socket::Unix(socket) => {
                socket.accept().await.map(|(stream, _)| drop(tokio::spawn(connection(stream, running, reach))))
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

async fn connection(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, running: Arc<Running>, reach: Reach) {
    let service = service_fn(move |request| {
        let running = Arc::clone(&running);
        async move {
            let mut response = resources::answer(request, &running, reach).await;
            if running.draining.load(Ordering::Relaxed) {
                // Whoever asks again may have to ask another process.
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(response)
        }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(10));
    if let Err(error) = builder.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "an admin connection ended");
    }
}
