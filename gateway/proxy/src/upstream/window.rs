//! How far an upstream may send ahead of us, in an answer that is moved past our memory.
//!
//! What a client has promised to take is not ours to hold when it stalls. Beyond that there is a bound (HARDENING P11). What the upstream
//! was told that it may send cannot be taken back, and what comes without room for it is lost and sent again. So the room is made less only
//! with each read, by what is read, and when the answer ends the upstream has been told of no more than the bound.

use socket2::SockRef;
use std::io;
use tokio::net::TcpStream;

/// Bytes of the kernel's memory beyond what is promised. With as many, an upstream hardly waits for us.
const ROOM: usize = 144 * 1024;

/// More room by less than that is not worth a call.
const STEP: usize = 64 * 1024;

/// Of one connection.
#[derive(Debug, Default)]
pub(super) struct Window {
    room: usize,
}

impl Window {
    /// Before some is read: so many bytes after it may come beyond the bound. The kernel has a limit of its own (`net.core.rmem_max`).
    pub(super) fn allow(&mut self, tcp: &TcpStream, ahead: usize) -> io::Result<()> {
        let room = ROOM + ahead;
        if room < self.room || room >= self.room + STEP {
            self.room = room;
            // The kernel doubles what it is given.
            SockRef::from(tcp).set_recv_buffer_size(room / 2)?;
        }
        Ok(())
    }
}
