//! The upstream: a thread that answers by path with bytes made beforehand, reads bodies away, and does little else.
//!
//! What it sends over loopback runs in part on its reader's core: where a read opens the window, the kernel sends there at
//! once what waited for it. With a congestion control that paces, it also arms a timer there for the rest, which interrupts
//! the reader. A service on another machine has its timers there; so its sockets are unpaced here, whatever the machine has,
//! where a scenario does not ask for pacing.

use crate::machine::{Cores, place_here};
use crate::timer;
use crate::wire::{Framing, Wire};
use rustix::net::sockopt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tokio::net::TcpListener;

/// How long `/slow` takes.
const SLOW: Duration = Duration::from_millis(2);

/// How its kernel spreads what it sends.
#[derive(Clone, Copy)]
pub(crate) enum Sending {
    /// As fast as the reader's window and the congestion window let it: by `reno`, which every Linux lets every program have,
    /// and which paces as little as `cubic`, what Linux has where it is not told otherwise.
    Unpaced,
    /// By timers, at the rate that was measured.
    Bbr,
}

impl Sending {
    const fn algorithm(self) -> &'static str {
        match self {
            Self::Unpaced => "reno",
            Self::Bbr => "bbr",
        }
    }
}

/// What a request asks for, by how its path ends.
enum Asked {
    Kibibytes(usize),
    /// A small JSON document, after [`SLOW`].
    Slow,
    /// The request's own head, so that it can be looked at what a proxy made of it.
    Echo(Vec<u8>),
}

struct Answers {
    small: Vec<u8>,
    middle: Vec<u8>,
    large: Vec<u8>,
    slow: Vec<u8>,
}

/// Serves on a port of its own for as long as this process lives. The error is the kernel's, where it cannot send so.
pub(crate) fn start(cores: Cores, sending: Sending) -> io::Result<SocketAddr> {
    let socket = std::net::TcpListener::bind("127.0.0.1:0")?;
    socket.set_nonblocking(true)?;
    // What is accepted has it from here.
    sockopt::set_tcp_congestion(&socket, sending.algorithm())?;
    let address = socket.local_addr()?;
    thread::spawn(move || {
        place_here(cores);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let socket = TcpListener::from_std(socket).unwrap();
            let of = |kibibytes: usize| answer("text/plain", &"x".repeat(kibibytes * 1024));
            let slow = answer("application/json", r#"{"id":17,"name":"lamp","price":{"amount":4200,"unit":"EUR"}}"#);
            let answers = Arc::new(Answers { small: of(1), middle: of(64), large: of(1024), slow });
            loop {
                let (stream, _) = socket.accept().await.unwrap();
                let wire = Wire::new(stream, 32 * 1024).unwrap();
                tokio::spawn(serve(wire, Arc::clone(&answers)));
            }
        });
    });
    Ok(address)
}

/// One request after the other, until the peer goes.
async fn serve(mut wire: Wire, answers: Arc<Answers>) -> io::Result<()> {
    while let Some((asked, framing)) = wire.head(parse).await? {
        wire.body(framing).await?;
        let bytes = match asked {
            Asked::Kibibytes(1024) => &answers.large,
            Asked::Kibibytes(64) => &answers.middle,
            Asked::Kibibytes(_) => &answers.small,
            Asked::Slow => {
                timer::sleep(SLOW).await?;
                &answers.slow
            }
            Asked::Echo(head) => &answer("text/plain", &String::from_utf8_lossy(&head)),
        };
        wire.write(bytes).await?;
    }
    Ok(())
}

fn parse(bytes: &[u8]) -> io::Result<Option<(usize, (Asked, Framing))>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut headers);
    let Ok(status) = request.parse(bytes) else { return Err(io::Error::other("no request")) };
    let httparse::Status::Complete(length) = status else { return Ok(None) };
    let asked = match request.path.unwrap_or_default() {
        path if path.ends_with("/64k") => Asked::Kibibytes(64),
        path if path.ends_with("/1m") => Asked::Kibibytes(1024),
        path if path.ends_with("/slow") => Asked::Slow,
        path if path.ends_with("/echo") => Asked::Echo(bytes[..length].to_vec()),
        _ => Asked::Kibibytes(1),
    };
    Ok(Some((length, (asked, Framing::of(request.headers)))))
}

fn answer(kind: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into()
}
