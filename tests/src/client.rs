//! A client that sends just the bytes it is told to.

use rustls::{ClientConfig, ClientConnection};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use crate::wait::PATIENCE;

/// A connection.
pub struct Client {
    stream: TcpStream,
    tls: Option<Box<ClientConnection>>,
    /// Read and not yet consumed.
    left: Vec<u8>,
}

/// An answer, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// Names in lower case, in order.
    pub headers: Vec<(String, String)>,
    /// Decoded.
    pub body: Vec<u8>,
}

impl Client {
    /// Connects.
    #[must_use]
    pub fn connect(address: SocketAddr) -> Self {
        Self::on(TcpStream::connect(address).unwrap())
    }

    /// On a connection that was made already.
    #[must_use]
    pub fn on(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, tls: None, left: Vec::new() }
    }

    /// Connects and agrees on keys, asking for the server of this name.
    ///
    /// # Errors
    /// They did not agree.
    pub fn secure(address: SocketAddr, config: &Arc<ClientConfig>, name: &str) -> io::Result<Self> {
        let mut client = Self::connect(address);
        let name = name.to_owned().try_into().unwrap();
        let mut tls = Box::new(ClientConnection::new(Arc::clone(config), name).unwrap());
        while tls.is_handshaking() {
            if tls.complete_io(&mut client.stream)? == (0, 0) {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        client.tls = Some(tls);
        Ok(client)
    }

    /// What was agreed on.
    ///
    /// # Panics
    /// The connection is a plain one.
    #[must_use]
    pub fn tls(&self) -> &ClientConnection {
        self.tls.as_ref().unwrap()
    }

    /// Sends bytes; a peer that has closed meanwhile is no error here.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = match &mut self.tls {
            Some(tls) => rustls::Stream::new(&mut **tls, &mut self.stream).write_all(bytes.as_ref()),
            None => self.stream.write_all(bytes.as_ref()),
        };
    }

    /// Reads what comes next.
    ///
    /// # Errors
    /// The connection has failed, or nothing has come in time.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.tls {
            Some(tls) => rustls::Stream::new(&mut **tls, &mut self.stream).read(buffer),
            None => self.stream.read(buffer),
        }
    }

    /// Says that nothing more comes.
    pub fn half_close(&self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Goes away at once, with a reset.
    ///
    /// # Panics
    /// The socket is none any more.
    pub fn reset(self) {
        socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// The socket itself.
    #[must_use]
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Sends a request and reads its answer.
    pub fn ask(&mut self, request: impl AsRef<[u8]>) -> Response {
        self.send(request);
        self.response().expect("an answer")
    }

    /// `GET` with a `host` field.
    pub fn get(&mut self, path: &str) -> Response {
        self.get_with(path, "")
    }

    /// `GET` with more fields, each ended by CR LF.
    pub fn get_with(&mut self, path: &str, fields: &str) -> Response {
        self.ask(format!("GET {path} HTTP/1.1\r\nhost: shop.example\r\n{fields}\r\n"))
    }

    /// Reads one answer to a request that was no HEAD; none when the peer closes before it is whole.
    pub fn response(&mut self) -> Option<Response> {
        loop {
            if let Some((response, length)) = Response::parse_prefix(&self.left, false) {
                self.left.drain(..length);
                if (100..200).contains(&response.status) && response.status != 101 {
                    continue;
                }
                return Some(response);
            }
            if !self.read_some() {
                let (response, length) = Response::parse_prefix(&self.left, true)?;
                self.left.drain(..length);
                return Some(response);
            }
        }
    }

    /// Reads until this text has come; what came, head and chunk sizes included.
    ///
    /// # Panics
    /// The peer closes, or falls silent, before.
    pub fn read_until(&mut self, text: &str) -> String {
        let mut read = String::new();
        while !read.contains(text) {
            let mut buffer = [0; 4096];
            let length = self.read(&mut buffer).unwrap_or_else(|error| panic!("{error}: {read}"));
            assert!(length > 0, "the stream ended: {read}");
            read.push_str(&String::from_utf8_lossy(&buffer[..length]));
        }
        read
    }

    /// Everything until the peer closes.
    pub fn rest(&mut self) -> Vec<u8> {
        while self.read_some() {}
        std::mem::take(&mut self.left)
    }

    /// Whether the peer closes, without sending anything, within the time.
    pub fn is_closed_within(&mut self, time: Duration) -> bool {
        self.stream.set_read_timeout(Some(time)).unwrap();
        let mut byte = [0];
        let closed = match self.read(&mut byte) {
            Ok(0) => true,
            Ok(_) => false,
            Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        };
        self.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        closed
    }

    /// More bytes; false at the end.
    fn read_some(&mut self) -> bool {
        let mut buffer = [0; 16 * 1024];
        match self.read(&mut buffer) {
            Ok(count) => {
                self.left.extend_from_slice(&buffer[..count]);
                count > 0
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("no answer in time; so far: {:?}", String::from_utf8_lossy(&self.left))
            }
            Err(_) => false,
        }
    }
}

impl Response {
    /// A whole answer that ends with its connection.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        Self::parse_prefix(bytes, true).map(|(response, _)| response)
    }

    /// The first answer in these bytes, and its length.
    fn parse_prefix(bytes: &[u8], ended: bool) -> Option<(Self, usize)> {
        let mut fields = [httparse::EMPTY_HEADER; 128];
        let mut head = httparse::Response::new(&mut fields);
        let httparse::Status::Complete(start) = head.parse(bytes).ok()? else { return None };
        let status = head.code?;
        let headers: Vec<_> = head
            .headers
            .iter()
            .map(|field| (field.name.to_ascii_lowercase(), String::from_utf8_lossy(field.value).into_owned()))
            .collect();
        let mut response = Self { status, headers, body: Vec::new() };
        let rest = &bytes[start..];
        let length = if status < 200 || status == 204 || status == 304 {
            0
        } else if response.header("transfer-encoding") == Some("chunked") {
            let (body, length) = dechunk(rest)?;
            response.body = body;
            length
        } else if let Some(length) = response.header("content-length") {
            let length = length.parse().ok()?;
            response.body = rest.get(..length)?.to_vec();
            length
        } else if ended {
            response.body = rest.to_vec();
            rest.len()
        } else {
            return None;
        };
        Some((response, start + length))
    }

    /// The first line of this name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }
}

fn dechunk(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let mut body = Vec::new();
    let mut at = 0;
    loop {
        let httparse::Status::Complete((start, length)) = httparse::parse_chunk_size(&bytes[at..]).ok()? else {
            return None;
        };
        at += start;
        let length = usize::try_from(length).ok()?;
        if length == 0 {
            // Trailers, up to an empty line.
            let rest = bytes.get(at..)?;
            let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
            if end == 0 {
                return Some((body, at + 2));
            }
            let end = rest.windows(4).position(|four| four == b"\r\n\r\n")?;
            return Some((body, at + end + 4));
        }
        body.extend_from_slice(bytes.get(at..at + length)?);
        bytes.get(at + length..at + length + 2)?;
        at += length + 2;
    }
}
