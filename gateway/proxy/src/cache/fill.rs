//! A body that is kept while it goes to its client.
//!
//! A task of its own reads it, so that a client that takes it slowly, or not at all, keeps nobody waiting who wants the same. Longer than
//! what is kept, it is left to the client alone, at the client's speed.

use bytes::Bytes;
use gateway_core::{Body, Error, Kind};
use http_body::{Body as HttpBody, Frame, SizeHint};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Bytes of bodies that are being kept.
#[derive(Clone)]
pub(crate) struct Budget {
    used: Arc<AtomicU64>,
    most: u64,
}

/// A share of the budget; given back with it.
struct Taken {
    budget: Budget,
    bytes: u64,
}

/// What comes of a body for its client.
enum Piece {
    Frame(Frame<Bytes>),
    Failed(Error),
    /// It is too long to be kept: the client reads the rest by itself.
    Rest(Body),
    End,
}

/// What the client gets.
struct Followed {
    pieces: UnboundedReceiver<Piece>,
    rest: Option<Body>,
    /// Bytes to come, where that is known.
    left: Option<u64>,
    ended: bool,
}

impl Budget {
    pub(crate) fn new(most: u64) -> Self {
        Self { used: Arc::default(), most }
    }
}

impl Taken {
    fn take(&mut self, bytes: usize) -> bool {
        let bytes = bytes as u64;
        let before = self.budget.used.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
        before + bytes <= self.budget.most
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Gives the body on, and `done` all of it, or none where it broke off or has more than `limit` bytes. `done` is called before the
/// client has the last of it: who asks then finds it.
pub(crate) fn keep(
    body: Body,
    limit: usize,
    budget: &Budget,
    done: impl FnOnce(Option<Bytes>) + Send + 'static,
) -> Body {
    let (sender, pieces) = unbounded_channel();
    let left = body.size_hint().exact();
    let taken = Taken { budget: budget.clone(), bytes: 0 };
    tokio::spawn(read(body, limit, taken, sender, done));
    Body::stream(Followed { pieces, rest: None, left, ended: false })
}

async fn read(
    mut body: Body,
    limit: usize,
    mut taken: Taken,
    client: UnboundedSender<Piece>,
    done: impl FnOnce(Option<Bytes>),
) {
    let expected = body.size_hint().exact().and_then(|length| usize::try_from(length).ok()).unwrap_or_default();
    // Copied once: what was read shares its buffer with other things, and would keep all of that for as long as it is stored.
    let mut kept = Vec::with_capacity(expected.min(limit));
    loop {
        let frame = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await;
        // A client that is gone takes nothing; what it asked for is of use to others.
        let piece = match frame {
            None => break,
            Some(Err(error)) => {
                done(None);
                let _ = client.send(Piece::Failed(error));
                return;
            }
            Some(Ok(frame)) => {
                let data = frame.data_ref().map(|data| &**data).unwrap_or_default();
                if kept.len() + data.len() > limit || !taken.take(data.len()) {
                    done(None);
                    let _ = client.send(Piece::Frame(frame));
                    let _ = client.send(Piece::Rest(body));
                    return;
                }
                kept.extend_from_slice(data);
                Piece::Frame(frame)
            }
        };
        if body.is_end_stream() {
            done(Some(whole(kept)));
            let _ = client.send(piece);
            let _ = client.send(Piece::End);
            return;
        }
        let _ = client.send(piece);
    }
    done(Some(whole(kept)));
    let _ = client.send(Piece::End);
}

fn whole(mut kept: Vec<u8>) -> Bytes {
    kept.shrink_to_fit();
    Bytes::from(kept)
}

impl HttpBody for Followed {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        if let Some(rest) = &mut this.rest {
            return Pin::new(rest).poll_frame(context);
        }
        if this.ended {
            return Poll::Ready(None);
        }
        match ready!(this.pieces.poll_recv(context)) {
            Some(Piece::Frame(frame)) => {
                let length = frame.data_ref().map_or(0, Bytes::len) as u64;
                this.left = this.left.map(|left| left.saturating_sub(length));
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Piece::Rest(rest)) => Pin::new(this.rest.insert(rest)).poll_frame(context),
            Some(Piece::End) => {
                this.ended = true;
                Poll::Ready(None)
            }
            Some(Piece::Failed(error)) => {
                this.ended = true;
                Poll::Ready(Some(Err(error)))
            }
            None => {
                this.ended = true;
                Poll::Ready(Some(Err(Error::new(Kind::Internal, "nobody reads the answer's body any more"))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.rest {
            Some(rest) => rest.is_end_stream(),
            None => self.ended || self.left == Some(0),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.rest, self.left) {
            (Some(rest), _) => rest.size_hint(),
            (None, Some(left)) => SizeHint::with_exact(left),
            (None, None) => SizeHint::default(),
        }
    }
}
