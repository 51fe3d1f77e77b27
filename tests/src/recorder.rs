//! A service that answers well and judges strictly: every byte that it was sent has to be one request without a doubt.

use crate::strict::{self, Message, Wrong};
use crate::wait::until;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What came on a connection, byte for byte, since the last look at it.
#[derive(Default)]
struct Connection {
    bytes: Vec<u8>,
    has_ended: bool,
}

/// A service on a port of its own, which answers 200 with what it took the request for.
pub struct Recorder {
    address: SocketAddr,
    connections: Arc<Mutex<Vec<Connection>>>,
}

/// What has reached it.
#[derive(Debug, Default)]
pub struct Seen {
    /// Whole requests.
    pub requests: Vec<Message>,
    /// The lines of those whose bodies were cut: nobody takes them for whole.
    pub cut: Vec<String>,
}

impl Seen {
    /// In short, sorted: which connection came first is nobody's business.
    #[must_use]
    pub fn short(&self) -> Vec<String> {
        let mut short: Vec<_> = self.requests.iter().map(Message::short).collect();
        short.sort();
        short
    }
}

impl Recorder {
    /// Starts it.
    ///
    /// # Panics
    /// There is no port.
    #[must_use]
    pub fn start() -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let connections = Arc::new(Mutex::new(Vec::<Connection>::new()));
        let kept = Arc::clone(&connections);
        thread::spawn(move || {
            for stream in socket.incoming().flatten() {
                let mut connections = kept.lock().unwrap();
                connections.push(Connection::default());
                let (number, kept) = (connections.len() - 1, Arc::clone(&kept));
                drop(connections);
                thread::spawn(move || {
                    serve(stream, number, &kept);
                    kept.lock().unwrap()[number].has_ended = true;
                });
            }
        });
        Self { address, connections }
    }

    /// For `endpoints`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A configuration with one upstream, `service`, a listener, `public`, and a route for everything.
    #[must_use]
    pub fn config(&self) -> String {
        format!(
            "[[listener]]\nname = \"public\"\naddress = \"127.0.0.1:0\"\n[upstream.service]\nendpoints = [\"{}\"]\n\
             [[route]]\nname = \"all\"\nmatch = {{ prefix = \"/\" }}\nupstream = \"service\"\n",
            self.url()
        )
    }

    /// What has come since the last look.
    ///
    /// # Panics
    /// Something came that can be read in two ways: `what` says who sent it.
    #[must_use]
    pub fn take(&self, what: &str) -> Seen {
        let mut seen = Seen::default();
        for connection in &mut *self.connections.lock().unwrap() {
            match strict::requests(&connection.bytes) {
                Ok(read) => {
                    connection.bytes.drain(..read.length);
                    seen.requests.extend(read.messages);
                    if connection.has_ended && read.cut.is_some() {
                        connection.bytes.clear();
                        seen.cut.extend(read.cut);
                    }
                }
                // The rest of a head may be on its way.
                Err(Wrong::Unfinished) if !connection.has_ended => {}
                Err(why) => {
                    let bytes = String::from_utf8_lossy(&connection.bytes);
                    panic!("{what}: something ambiguous got through: {why:?}\n{bytes:?}")
                }
            }
        }
        seen
    }

    /// The same once this many whole requests have come.
    ///
    /// # Panics
    /// As [`Self::take`]; they have not come.
    #[must_use]
    pub fn take_when(&self, what: &str, count: usize) -> Seen {
        let mut seen = Seen::default();
        until(what, || {
            let more = self.take(what);
            seen.requests.extend(more.requests);
            seen.cut.extend(more.cut);
            (seen.requests.len() >= count).then_some(())
        });
        seen
    }
}

/// Keeps what comes, and answers each whole request in its turn.
fn serve(mut stream: TcpStream, number: usize, kept: &Mutex<Vec<Connection>>) {
    let mut buffer = [0; 16 * 1024];
    // What is not answered yet.
    let mut pending = Vec::new();
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        pending.extend_from_slice(&buffer[..count]);
        kept.lock().unwrap()[number].bytes.extend_from_slice(&buffer[..count]);
        match strict::requests(&pending) {
            Ok(read) => {
                pending.drain(..read.length);
                for _ in read.messages {
                    if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").is_err() {
                        return;
                    }
                }
            }
            Err(Wrong::Unfinished) => {}
            Err(Wrong::Ambiguous(_)) => return,
        }
    }
}
