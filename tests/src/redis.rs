//! A Redis of the test's own, on a port of its own.

use crate::wait::until;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A running `redis-server`, without files; it ends with this value.
pub struct Redis {
    child: Option<Child>,
    address: SocketAddr,
    arguments: Vec<String>,
}

impl Redis {
    /// Starts one.
    #[must_use]
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// Starts one with more arguments.
    ///
    /// # Panics
    /// It cannot be started.
    #[must_use]
    pub fn with(arguments: &[&str]) -> Self {
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        until("a port is free for redis-server", || {
            // Somebody else may take it before Redis does.
            let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            let mut redis = Self { child: None, address, arguments: arguments.clone() };
            redis.revive();
            redis.child.is_some().then_some(redis)
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A section of a configuration: the store `shared`, with more keys.
    #[must_use]
    pub fn store(&self, keys: &str) -> String {
        format!("[store.shared]\nredis = \"redis://{}\"\n{keys}\n", self.address)
    }

    /// Ends it, and everything in it.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Has it stop, or go on, without closing anything.
    ///
    /// # Panics
    /// It is not running.
    pub fn freeze(&self, frozen: bool) {
        use rustix::process::{Pid, Signal, kill_process};
        let child = self.child.as_ref().unwrap();
        let signal = if frozen { Signal::STOP } else { Signal::CONT };
        kill_process(Pid::from_child(child), signal).unwrap();
    }

    /// Starts it again at the same address.
    pub fn revive(&mut self) {
        let port = self.address.port().to_string();
        let mut child = Command::new("redis-server")
            .args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .args(&self.arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server can be started: `scripts/setup-tests` installs it");
        let answers = until("redis-server answers", || {
            if child.try_wait().unwrap().is_some() {
                return Some(false);
            }
            let mut socket = TcpStream::connect(self.address).ok()?;
            socket.set_read_timeout(Some(Duration::from_millis(500))).ok()?;
            socket.write_all(b"PING\r\n").ok()?;
            let mut answer = [0; 5];
            socket.read_exact(&mut answer).ok()?;
            (&answer == b"+PONG" || answer.starts_with(b"-NOAU")).then_some(true)
        });
        self.child = answers.then_some(child);
    }

    /// Runs a command of one line, and gives the first bytes of the answer.
    ///
    /// # Panics
    /// It does not answer.
    #[must_use]
    pub fn command(&self, line: &str) -> String {
        let mut socket = TcpStream::connect(self.address).unwrap();
        socket.set_read_timeout(Some(crate::wait::PATIENCE)).unwrap();
        write!(socket, "{line}\r\n").unwrap();
        let mut answer = [0; 4096];
        let length = socket.read(&mut answer).unwrap();
        String::from_utf8_lossy(&answer[..length]).into_owned()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}
