//! HTTP/2 frames by hand (RFC 9113), for clients that misbehave.

use crate::client::Client;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Types of frames.
#[expect(missing_docs, reason = "the names of RFC 9113 section 6")]
pub mod kind {
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const PRIORITY: u8 = 2;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;
}

/// The end of a stream's frames.
pub const END_STREAM: u8 = 1;
/// The end of a block of fields.
pub const END_HEADERS: u8 = 4;

/// A connection that speaks frames.
pub struct Http2 {
    client: Client,
    left: Vec<u8>,
}

/// Nothing came in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silence;

/// A frame as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// See [`kind`].
    pub kind: u8,
    /// Its flags.
    pub flags: u8,
    /// 0: the connection.
    pub stream: u32,
    /// What follows the header.
    pub payload: Vec<u8>,
}

impl Frame {
    /// Whether it is a head with status 200, which has a number of its own (RFC 7541 A). A size of the table may stand before.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.kind == kind::HEADERS && self.payload.iter().find(|byte| **byte & 0xe0 != 0x20) == Some(&0x88)
    }
}

/// A frame to be sent.
#[must_use]
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Fields as HPACK literals that are not indexed and not compressed (RFC 7541 6.2.2).
#[must_use]
pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            // Seven bits, then groups of seven.
            match u8::try_from(text.len()) {
                Ok(length) if length < 127 => block.push(length),
                _ => {
                    block.push(127);
                    let mut rest = text.len() - 127;
                    while rest >= 128 {
                        block.push(u8::try_from(rest % 128).unwrap() | 128);
                        rest /= 128;
                    }
                    block.push(u8::try_from(rest).unwrap());
                }
            }
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

/// A whole `GET` without a body.
#[must_use]
pub fn get(stream: u32, path: &str) -> Vec<u8> {
    let fields = [(":method", "GET"), (":scheme", "http"), (":authority", "shop.example"), (":path", path)];
    frame(kind::HEADERS, END_STREAM | END_HEADERS, stream, &block(&fields))
}

impl Http2 {
    /// Connects and says hello, with these settings.
    #[must_use]
    pub fn connect(address: SocketAddr, settings: &[(u16, u32)]) -> Self {
        Self::over(Client::connect(address), settings)
    }

    /// Says hello on a connection that is there.
    #[must_use]
    pub fn over(mut client: Client, settings: &[(u16, u32)]) -> Self {
        let payload: Vec<u8> =
            settings.iter().flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()).collect();
        client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        client.send(frame(kind::SETTINGS, 0, 0, &payload));
        Self { client, left: Vec::new() }
    }

    /// Sends bytes.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.client.send(bytes);
    }

    /// The next frame within the time; none at the end of the connection.
    ///
    /// # Errors
    /// Nothing came in time.
    pub fn next(&mut self, time: Duration) -> Result<Option<Frame>, Silence> {
        let end = Instant::now() + time;
        loop {
            if let Some(frame) = self.parse() {
                return Ok(Some(frame));
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Silence);
            }
            self.client.stream().set_read_timeout(Some(left)).unwrap();
            let mut buffer = [0; 16 * 1024];
            match self.client.read(&mut buffer) {
                Ok(0) => return Ok(None),
                Ok(count) => self.left.extend_from_slice(&buffer[..count]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Err(Silence);
                }
                Err(_) => return Ok(None),
            }
        }
    }

    fn parse(&mut self) -> Option<Frame> {
        let [a, b, c, kind, flags, d, e, f, g, ..] = *self.left else { return None };
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        let payload = self.left.get(9..9 + length)?.to_vec();
        self.left.drain(..9 + length);
        Some(Frame { kind, flags, stream: u32::from_be_bytes([d, e, f, g]) & 0x7fff_ffff, payload })
    }

    /// Whether the connection is ended within the time, and whether a GOAWAY came before.
    pub fn is_ended_within(&mut self, time: Duration) -> (bool, bool) {
        let end = Instant::now() + time;
        let mut good_bye = false;
        loop {
            match self.next(end.saturating_duration_since(Instant::now())) {
                Ok(Some(frame)) => good_bye |= frame.kind == kind::GOAWAY,
                Ok(None) => return (true, good_bye),
                Err(Silence) => return (false, good_bye),
            }
        }
    }
}
