//! HTTP/1.1 on a raw socket, for both ends of the benchmark: it reads heads, counts bodies, and does nothing else, so that
//! a request costs load and upstream far less than the proxy between them.

use std::io;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How a body is framed.
#[derive(Clone, Copy)]
pub(crate) enum Framing {
    Length(u64),
    Chunked,
}

impl Framing {
    pub(crate) fn of(headers: &[httparse::Header<'_>]) -> Self {
        let find = |name| headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        if find("transfer-encoding").is_some() {
            return Self::Chunked;
        }
        let length = find("content-length").and_then(|header| std::str::from_utf8(header.value).ok()?.parse().ok());
        Self::Length(length.unwrap_or_default())
    }
}

/// A connection with what was read of it and not yet taken.
pub(crate) struct Wire {
    stream: TcpStream,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Wire {
    /// The buffer has to hold a whole head.
    pub(crate) fn new(stream: TcpStream, buffer: usize) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; buffer].into(), start: 0, end: 0 })
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Whether the peer has sent nothing and not closed.
    pub(crate) fn is_quiet(&self) -> bool {
        let read = self.stream.try_read(&mut [0]);
        self.start == self.end && read.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Reads until `parse` finds a head in front and says how long it is; none where the peer closes before one begins.
    pub(crate) async fn head<T>(
        &mut self,
        parse: impl Fn(&[u8]) -> io::Result<Option<(usize, T)>>,
    ) -> io::Result<Option<T>> {
        loop {
            if self.start < self.end
                && let Some((length, head)) = parse(&self.buffer[self.start..self.end])?
            {
                self.start += length;
                return Ok(Some(head));
            }
            if self.read().await? == 0 {
                let closed = self.start == self.end;
                return if closed { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
            }
        }
    }

    /// Reads a body to its end and gives its length.
    pub(crate) async fn body(&mut self, framing: Framing) -> io::Result<u64> {
        let mut total = 0;
        match framing {
            Framing::Length(length) => {
                self.skip(length).await?;
                total = length;
            }
            Framing::Chunked => loop {
                let size = self.chunk_size().await?;
                self.skip(size).await?;
                total += size;
                if size == 0 {
                    // Nothing here sends trailers.
                    self.skip(2).await?;
                    break;
                }
                self.skip(2).await?;
            },
        }
        Ok(total)
    }

    async fn chunk_size(&mut self) -> io::Result<u64> {
        let parse = |bytes: &[u8]| match httparse::parse_chunk_size(bytes) {
            Ok(httparse::Status::Complete((length, size))) => Ok(Some((length, size))),
            Ok(httparse::Status::Partial) => Ok(None),
            Err(error) => Err(io::Error::other(error.to_string())),
        };
        self.head(parse).await?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    async fn skip(&mut self, mut count: u64) -> io::Result<()> {
        loop {
            let taken = count.min((self.end - self.start) as u64);
            self.start += taken as usize;
            count -= taken;
            if count == 0 {
                return Ok(());
            }
            if self.read().await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    async fn read(&mut self) -> io::Result<usize> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start.., 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.end == self.buffer.len() {
            return Err(io::Error::other("a head that is longer than the buffer"));
        }
        let count = self.stream.read(&mut self.buffer[self.end..]).await?;
        self.end += count;
        Ok(count)
    }
}
