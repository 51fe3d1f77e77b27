//! A service that does what a test tells it, and keeps every byte it was sent.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::wait::until;

/// A scripted service on a port of its own.
pub struct Upstream {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Received {
    /// The request line and the fields, without the empty line.
    pub head: String,
    /// As it was framed, chunks not decoded.
    pub body: Vec<u8>,
    /// Counts the connections of this upstream from 0.
    pub connection: usize,
}

type Script = dyn Fn(&Received) -> Reply + Send + Sync;

/// What it does with a request.
pub enum Reply {
    /// Writes these bytes and takes the next request.
    Bytes(Vec<u8>),
    /// Writes these bytes and closes.
    Close(Vec<u8>),
    /// Writes these bytes, then nothing more, for as long as the peer stays.
    Stall(Vec<u8>),
    /// Resets the connection.
    Reset,
    /// Writes the parts with pauses between them, then closes.
    Trickle(Vec<Vec<u8>>, Duration),
}

impl Reply {
    /// 200 with a body.
    #[must_use]
    pub fn ok(body: &str) -> Self {
        Self::with("200 OK", "", body)
    }

    /// A status line's end, fields each ended by CR LF, a body.
    #[must_use]
    pub fn with(status: &str, fields: &str, body: &str) -> Self {
        Self::Bytes(format!("HTTP/1.1 {status}\r\n{fields}content-length: {}\r\n\r\n{body}", body.len()).into())
    }
}

impl Received {
    /// `GET /path HTTP/1.1`.
    #[must_use]
    pub fn line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }

    /// The path and query.
    #[must_use]
    pub fn target(&self) -> &str {
        self.line().split(' ').nth(1).unwrap_or_default()
    }

    /// Every value of a field, in order.
    #[must_use]
    pub fn values(&self, name: &str) -> Vec<&str> {
        let fields = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        fields.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
    }

    /// The first value of a field.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.values(name).first().copied()
    }
}

impl Upstream {
    /// Answers every request as the script says.
    #[must_use]
    pub fn start(script: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap(), script)
    }

    /// The same on a socket that is bound already.
    ///
    /// # Panics
    /// The socket has no address.
    #[must_use]
    pub fn on(socket: TcpListener, script: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        let address = socket.local_addr().unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let script: Arc<Script> = Arc::new(script);
        let kept = Arc::clone(&received);
        thread::spawn(move || {
            for (connection, stream) in socket.incoming().flatten().enumerate() {
                let (script, kept) = (Arc::clone(&script), Arc::clone(&kept));
                thread::spawn(move || serve(stream, connection, &*script, &kept));
            }
        });
        Self { address, received }
    }

    /// Answers everything with 200 and `ok`.
    #[must_use]
    pub fn ok() -> Self {
        Self::start(|_| Reply::ok("ok"))
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

    /// Every request so far, whole ones only.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// The last request.
    #[must_use]
    pub fn last(&self) -> Received {
        until("a request reaches the upstream", || self.received().pop())
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
}

fn serve(mut stream: TcpStream, connection: usize, script: &Script, kept: &Mutex<Vec<Received>>) {
    let mut left = Vec::new();
    while let Some(mut request) = read(&mut stream, &mut left) {
        request.connection = connection;
        let reply = script(&request);
        kept.lock().unwrap().push(request);
        match reply {
            Reply::Bytes(bytes) => {
                if stream.write_all(&bytes).is_err() {
                    return;
                }
            }
            Reply::Close(bytes) => {
                let _ = stream.write_all(&bytes);
                let _ = stream.shutdown(Shutdown::Write);
                // What is still unread would turn the close into a reset.
                let _ = stream.read_to_end(&mut left);
                return;
            }
            Reply::Stall(bytes) => {
                let _ = stream.write_all(&bytes);
                let _ = stream.read_to_end(&mut left);
                return;
            }
            Reply::Reset => {
                let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
                return;
            }
            Reply::Trickle(parts, pause) => {
                for part in parts {
                    if stream.write_all(&part).is_err() {
                        return;
                    }
                    thread::sleep(pause);
                }
                return;
            }
        }
    }
}

/// One request, framed strictly: what could be read in two ways ends the test's patience, not the upstream's.
fn read(stream: &mut TcpStream, left: &mut Vec<u8>) -> Option<Received> {
    let head = take_until(stream, left, b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&head[..head.len() - 4]).into_owned();
    let request = Received { head, body: Vec::new(), connection: 0 };
    let body = match (request.value("transfer-encoding"), request.value("content-length")) {
        (Some("chunked"), None) => chunks(stream, left)?,
        (None, Some(length)) => take(stream, left, length.parse().ok()?)?,
        (None, None) => Vec::new(),
        _ => panic!("an ambiguous request got through: {}", request.head),
    };
    Some(Received { body, ..request })
}

fn chunks(stream: &mut TcpStream, left: &mut Vec<u8>) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = take_until(stream, left, b"\r\n")?;
        let size = std::str::from_utf8(&line[..line.len() - 2]).ok()?;
        let size = usize::from_str_radix(size, 16).ok()?;
        body.extend_from_slice(&line);
        if size == 0 {
            loop {
                let trailer = take_until(stream, left, b"\r\n")?;
                body.extend_from_slice(&trailer);
                if trailer == b"\r\n" {
                    return Some(body);
                }
            }
        }
        body.extend(take(stream, left, size + 2)?);
    }
}

fn take_until(stream: &mut TcpStream, left: &mut Vec<u8>, end: &[u8]) -> Option<Vec<u8>> {
    loop {
        if let Some(position) = left.windows(end.len()).position(|window| window == end) {
            return Some(left.drain(..position + end.len()).collect());
        }
        fill(stream, left)?;
    }
}

fn take(stream: &mut TcpStream, left: &mut Vec<u8>, length: usize) -> Option<Vec<u8>> {
    while left.len() < length {
        fill(stream, left)?;
    }
    Some(left.drain(..length).collect())
}

fn fill(stream: &mut TcpStream, left: &mut Vec<u8>) -> Option<()> {
    let mut buffer = [0; 16 * 1024];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return None,
            Ok(count) => {
                left.extend_from_slice(&buffer[..count]);
                return Some(());
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
}
