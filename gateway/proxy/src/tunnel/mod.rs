//! After the handshake: bytes both ways, as they are, until both sides have ended or one of them has failed.
//!
//! The gateway does not look into them: frames, their compression and their good-byes are between the client and the service. So it
//! never says anything of its own either: in the middle of a frame it would be taken for a part of that.

mod flow;
mod handshake;

pub use handshake::Handshake;
pub(crate) use handshake::Wish;

use crate::alarm::Alarm;
use crate::completion::Ending;
use crate::listener::{Open, Stream};
use crate::turns;
use crate::upstream::{Duplex, Switched};
use flow::{Broken, Flow};
use gateway_core::Kind;
use gateway_core::clock::now;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

/// How long a tunnel may stand still.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Without a byte from either side.
    pub(crate) idle: Duration,
    /// Without progress of what a side is to take.
    pub(crate) write: Duration,
}

/// A tunnel, which its exchange ends with. As long as it is there it counts as a request under way, wherever those are counted.
pub(crate) struct Tunnel {
    service: Switched,
    /// The client's stream on HTTP/2; on HTTP/1.1 the tunnel gets the whole connection.
    stream: Option<(OnUpgrade, Arc<Stream>)>,
    bounds: Bounds,
    traffic: Traffic,
    ending: Option<Box<Ending>>,
    open: Option<Open>,
}

/// What went through.
#[derive(Default)]
struct Traffic {
    begun: bool,
    received: u64,
    sent: u64,
    error: Option<Kind>,
}

impl Tunnel {
    pub(crate) fn new(
        service: Switched,
        stream: Option<(OnUpgrade, Arc<Stream>)>,
        bounds: Bounds,
        ending: Box<Ending>,
    ) -> Self {
        Self { service, stream, bounds, traffic: Traffic::default(), ending: Some(ending), open: None }
    }

    /// The client's connection counts it as under way.
    pub(crate) fn hold(&mut self, open: Open) {
        self.open = Some(open);
    }

    /// Where the client's bytes come from, unless from the connection itself.
    pub(crate) fn stream(&mut self) -> Option<(OnUpgrade, Arc<Stream>)> {
        self.stream.take()
    }

    /// Runs it on a stream of HTTP/2, once that is there: the head of the answer was sent then.
    pub(crate) async fn run_on(self: Box<Self>, stream: OnUpgrade, watched: Arc<Stream>) {
        match stream.await {
            Ok(stream) => {
                let mut stream = TokioIo::new(stream);
                if self.run(&mut stream).await.is_err() {
                    // Else it would end as if all was said, once the client takes what is left (RFC 8441 5).
                    watched.give_up();
                }
            }
            Err(error) => tracing::debug!(%error, "a client was gone before its tunnel was there"),
        }
    }

    /// Runs it to its end, which is an error unless both sides have made it.
    pub(crate) async fn run(mut self: Box<Self>, mut client: impl Duplex) -> Result<(), Kind> {
        let Self { service, bounds, traffic, .. } = &mut *self;
        traffic.begun = true;
        let mut up = Flow::default();
        let mut down = Flow::beginning_with(std::mem::take(&mut service.first));
        let mut alarm = Alarm::default();
        let mut moved_at = now();
        let ended = poll_fn(|context| {
            turns::goes_on();
            let before = up.moved() + down.moved();
            let rising = up.poll(&mut client, &mut service.socket, context).map_err(|broken| match broken {
                Broken::Source => Kind::ClientGone,
                Broken::Sink => Kind::ConnectionTerminated,
            })?;
            let falling = down.poll(&mut service.socket, &mut client, context).map_err(|broken| match broken {
                Broken::Source => Kind::ConnectionTerminated,
                Broken::Sink => Kind::ClientGone,
            })?;
            if rising.is_ready() && falling.is_ready() {
                return Poll::Ready(Ok(()));
            }
            if up.moved() + down.moved() > before {
                moved_at = now();
            }
            let blocked = |flow: &Flow, kind| flow.blocked_since().map(|since| (since + bounds.write, kind));
            let stalls = [blocked(&up, Kind::ConnectionReadTimeout), blocked(&down, Kind::ClientTimeout)];
            let idle = (moved_at + bounds.idle, Kind::ConnectionReadTimeout);
            let (limit, kind) = stalls.into_iter().flatten().fold(idle, earlier);
            alarm.poll_until(limit, context).map(|()| Err(kind))
        });
        let ended = ended.await;
        traffic.error = ended.err();
        (traffic.received, traffic.sent) = (up.moved(), down.moved());
        ended
    }
}

fn earlier(one: (Instant, Kind), other: (Instant, Kind)) -> (Instant, Kind) {
    if other.0 < one.0 { other } else { one }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        let Some(mut ending) = self.ending.take() else { return };
        let Traffic { begun, received, sent, error } = self.traffic;
        ending.tunnelled(begun, received, sent, error.map(Kind::token));
        ending.end();
    }
}
