//! The upstream: a kibibyte for every head it reads, and little else.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

pub(crate) fn start() -> SocketAddr {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let answer =
        format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 1024\r\n\r\n{}", "x".repeat(1024));
    thread::spawn(move || {
        for stream in socket.incoming().flatten() {
            let answer = answer.clone();
            thread::spawn(move || serve(stream, answer.as_bytes()));
        }
    });
    address
}

/// One request at a time, none with a body.
fn serve(mut stream: TcpStream, answer: &[u8]) {
    let mut buffer = [0; 16 * 1024];
    let mut read = 0;
    while let Ok(count @ 1..) = stream.read(&mut buffer[read..]) {
        read += count;
        if buffer[..read].ends_with(b"\r\n\r\n") {
            read = 0;
            if stream.write_all(answer).is_err() {
                return;
            }
        }
    }
}
