//! Sockets that were bound before this program ran: by systemd, or by the process that this one takes over from. Both hand them on
//! in the same way (`sd_listen_fds(3)`).

use listenfd::ListenFd;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;

/// What nobody has taken yet.
#[derive(Default)]
pub(crate) struct Inherited {
    tcp: Vec<(String, TcpListener)>,
    unix: Vec<UnixListener>,
}

/// The process that this one takes over from, if there is one.
pub(crate) struct Predecessor(Option<UnixDatagram>);

/// What is said to it.
pub(super) const READY: &[u8] = b"ready";

impl Inherited {
    /// Takes all of it. To be called before there is a thread: what the environment says of it holds for this process only, and is
    /// removed.
    pub(crate) fn take() -> (Self, Predecessor) {
        #[expect(clippy::disallowed_methods, reason = "read once, before anything runs")]
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':');
        let mut listed = ListenFd::from_env();
        let mut inherited = Self::default();
        let mut predecessor = None;
        for position in 0..listed.len() {
            let name = names.next().unwrap_or_default().to_owned();
            if let Ok(Some(socket)) = listed.take_tcp_listener(position) {
                inherited.tcp.push((name, socket));
            } else if let Ok(Some(socket)) = listed.take_unix_listener(position) {
                inherited.unix.push(socket);
            } else if let Ok(Some(socket)) = listed.take_unix_datagram(position) {
                predecessor = Some(socket);
            } else {
                tracing::warn!(position, name, "an inherited descriptor is neither a TCP nor a unix socket");
            }
        }
        (inherited, Predecessor(predecessor))
    }

    /// The one with this address. For port 0, which never is an address, the one of this name.
    pub(crate) fn tcp(&mut self, name: &str, address: SocketAddr) -> Option<TcpListener> {
        let is_it = |(known, socket): &(String, TcpListener)| {
            let Ok(bound) = socket.local_addr() else { return false };
            bound == address || (address.port() == 0 && known == name && bound.ip() == address.ip())
        };
        let position = self.tcp.iter().position(is_it)?;
        Some(self.tcp.swap_remove(position).1)
    }

    /// The one at this path.
    pub(crate) fn unix(&mut self, path: &Path) -> Option<UnixListener> {
        let is_it = |socket: &UnixListener| socket.local_addr().is_ok_and(|bound| bound.as_pathname() == Some(path));
        let position = self.unix.iter().position(is_it)?;
        Some(self.unix.swap_remove(position))
    }
}

impl Drop for Inherited {
    fn drop(&mut self) {
        for (name, socket) in &self.tcp {
            let address = socket.local_addr().map(|address| address.to_string()).unwrap_or_default();
            tracing::warn!(name, address, "an inherited socket has the address of no listener and is closed");
        }
        for socket in &self.unix {
            tracing::warn!(address = ?socket.local_addr(), "an inherited socket is not that of administration and is closed");
        }
    }
}

impl Predecessor {
    /// Tells it that this process serves.
    pub(crate) fn relieve(self) {
        if let Some(socket) = self.0
            && let Err(error) = socket.send(READY)
        {
            tracing::warn!(%error, "the process before could not be told that this one serves");
        }
    }
}
