//! A service that can be killed and revived on its port, with all its connections.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// What it answers to every request.
pub(super) const BODY: &str = "all is well";

pub(super) struct Service {
    pub(super) address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    dead: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
}

impl Service {
    pub(super) fn start() -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let state = Arc::new(State::default());
        listen(socket, Arc::clone(&state));
        Self { address, state }
    }

    pub(super) fn is_dead(&self) -> bool {
        self.state.dead.load(Ordering::SeqCst)
    }

    /// Nobody listens any more, and whoever is connected is reset.
    pub(super) fn kill(&self) {
        self.state.dead.store(true, Ordering::SeqCst);
        // Whoever waits in `accept` is woken, and leaves.
        drop(TcpStream::connect(self.address));
        for stream in self.state.open.lock().unwrap().drain(..) {
            let _ = socket2::SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO));
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    pub(super) fn revive(&self) {
        let socket = gateway_tests::wait::until("the port is free again", || TcpListener::bind(self.address).ok());
        self.state.dead.store(false, Ordering::SeqCst);
        listen(socket, Arc::clone(&self.state));
    }
}

fn listen(socket: TcpListener, state: Arc<State>) {
    thread::spawn(move || {
        for stream in socket.incoming().flatten() {
            if state.dead.load(Ordering::SeqCst) {
                return;
            }
            let mut open = state.open.lock().unwrap();
            open.retain(|stream| stream.peer_addr().is_ok());
            open.extend(stream.try_clone());
            thread::spawn(move || answer(stream));
        }
    });
}

/// Each head with an answer; bodies are small and come with their heads or are passed over.
fn answer(mut stream: TcpStream) {
    let mut read = Vec::new();
    let mut buffer = [0; 8192];
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        read.extend_from_slice(&buffer[..count]);
        while let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            read.drain(..end + 4);
            let fields = format!("cache-control: max-age=1\r\ncontent-length: {}", BODY.len());
            if write!(stream, "HTTP/1.1 200 OK\r\n{fields}\r\n\r\n{BODY}").is_err() {
                return;
            }
        }
    }
}
