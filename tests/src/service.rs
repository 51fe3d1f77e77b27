//! A service that switches protocols: what follows its head is the test's.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

/// The key that tests send, and what a service says to it (RFC 6455 1.3).
pub const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// Runs this for each connection.
pub fn start(serve: impl Fn(TcpStream) + Send + Sync + Clone + 'static) -> SocketAddr {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        for stream in socket.incoming().flatten() {
            let serve = serve.clone();
            thread::spawn(move || serve(stream));
        }
    });
    address
}

/// Switches whatever is asked, then runs this with what is left of the connection.
pub fn switching(serve: impl Fn(TcpStream) + Send + Sync + Clone + 'static) -> SocketAddr {
    start(move |mut stream| {
        head(&mut stream);
        stream.write_all(switched("").as_bytes()).unwrap();
        serve(stream);
    })
}

/// Sends back all that comes, then ends.
pub fn echo(mut stream: TcpStream) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        if stream.write_all(&buffer[..count]).is_err() {
            return;
        }
    }
}

/// The head of a switch, with more behind it.
#[must_use]
pub fn switched(rest: &str) -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: {ACCEPT}\r\n\r\n{rest}"
    )
}

/// A handshake, with more fields, each ended by CR LF.
#[must_use]
pub fn handshake(path: &str, fields: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nhost: shop.example\r\nconnection: keep-alive, Upgrade\r\nupgrade: WebSocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: {KEY}\r\n{fields}\r\n"
    )
}

/// Reads a head, byte by byte: nothing behind it is touched.
pub fn head(stream: &mut impl std::io::Read) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// A configuration with one route, which takes WebSocket connections to this service.
#[must_use]
pub fn config(service: SocketAddr, websocket: &str) -> String {
    format!(
        "[[listener]]\nname = \"public\"\naddress = \"127.0.0.1:0\"\n[upstream.service]\nendpoints = [\"http://{service}\"]\n\
         [[route]]\nname = \"all\"\nmatch = {{ prefix = \"/\" }}\nupstream = \"service\"\nwebsocket = {websocket}\n"
    )
}

/// Bytes that tell where they stand.
#[must_use]
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}
