//! Load: what is asked, and a connection that asks it. How it is driven is in `drive.rs`.

mod drive;

pub(crate) use drive::{Closed, closed, in_turn, open_and_hold, paced};

use crate::machine::Cores;
use crate::wire::{Framing, Wire};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpStream;

/// Fields as clients of an API send them.
pub(crate) const FIELDS: [(&str, &str); 6] = [
    ("x-api-key", "secret-key-of-ada"),
    ("user-agent", "bench/1"),
    ("accept", "application/json"),
    ("accept-encoding", "gzip"),
    ("accept-language", "en"),
    ("cookie", "a=1; b=2"),
];

/// A request and what must come of it.
#[derive(Clone)]
pub(crate) struct Ask {
    pub(crate) path: &'static str,
    /// The body that is sent; `GET` without one.
    pub(crate) upload: usize,
    /// How long the answer's body must be.
    pub(crate) answer: u64,
}

impl Ask {
    /// A `GET` that is answered with so much.
    pub(crate) const fn get(path: &'static str, answer: u64) -> Self {
        Self { path, upload: 0, answer }
    }

    fn bytes(&self) -> Vec<u8> {
        let method = if self.upload > 0 { "POST" } else { "GET" };
        let mut text = format!("{method} {} HTTP/1.1\r\nhost: shop.example\r\n", self.path);
        text.extend(FIELDS.iter().map(|(name, value)| format!("{name}: {value}\r\n")));
        if self.upload > 0 {
            text.push_str(&format!("content-length: {}\r\n", self.upload));
        }
        text.push_str("\r\n");
        text.push_str(&"y".repeat(self.upload));
        text.into_bytes()
    }
}

/// Who is asked, over how many connections, from where.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) address: SocketAddr,
    pub(crate) ask: Ask,
    /// Kept alive, each with one request at a time.
    pub(crate) connections: usize,
    pub(crate) cores: Cores,
}

/// One kept-alive connection.
struct Connection {
    wire: Wire,
    address: SocketAddr,
    request: Arc<[u8]>,
    answer: u64,
    buffer: usize,
}

impl Connection {
    async fn open(address: SocketAddr, ask: &Ask, request: &Arc<[u8]>) -> io::Result<Self> {
        // Idle connections are many; large answers are read with few calls.
        let buffer = if ask.answer > 128 * 1024 {
            256 * 1024
        } else if ask.answer > 8192 {
            64 * 1024
        } else {
            4096
        };
        let wire = Wire::new(TcpStream::connect(address).await?, buffer)?;
        Ok(Self { wire, address, request: Arc::clone(request), answer: ask.answer, buffer })
    }

    /// Asks once; anything but 200 with the whole body is an error.
    async fn ask(&mut self) -> io::Result<()> {
        self.wire.write(&self.request).await?;
        let Some((status, framing)) = self.wire.head(parse).await? else {
            return Err(io::Error::other("closed instead of an answer"));
        };
        let length = self.wire.body(framing).await?;
        if status != 200 || length != self.answer {
            return Err(io::Error::other(format!(
                "status {status} with {length} bytes instead of 200 with {}",
                self.answer
            )));
        }
        Ok(())
    }

    /// After a failure nothing is known of the old connection.
    async fn reopen(&mut self) -> io::Result<()> {
        self.wire = Wire::new(TcpStream::connect(self.address).await?, self.buffer)?;
        Ok(())
    }
}

fn parse(bytes: &[u8]) -> io::Result<Option<(usize, (u16, Framing))>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    match response.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => {
            Ok(Some((length, (response.code.unwrap_or_default(), Framing::of(response.headers)))))
        }
        Ok(httparse::Status::Partial) => Ok(None),
        Err(error) => Err(io::Error::other(error.to_string())),
    }
}
