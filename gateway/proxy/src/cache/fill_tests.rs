//! A body that is kept while it goes to its client: whole, cut, too long, and without a client.

use super::fill::{Budget, keep};
use bytes::Bytes;
use gateway_core::{Body, Error, Kind};
use http_body::{Body as HttpBody, Frame, SizeHint};
use parking_lot::Mutex;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// What a service sends, piece by piece; an empty piece is where it breaks off.
struct Pieces(Vec<&'static str>, Option<u64>);

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if self.0.is_empty() {
            return Poll::Ready(None);
        }
        Poll::Ready(Some(match self.0.remove(0) {
            "" => Err(Error::new(Kind::ConnectionTerminated, "cut")),
            piece => Ok(Frame::data(Bytes::from_static(piece.as_bytes()))),
        }))
    }

    fn size_hint(&self) -> SizeHint {
        self.1.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

type Kept = Arc<Mutex<Option<Option<Bytes>>>>;

fn start(pieces: &[&'static str], length: Option<u64>, budget: &Budget) -> (Body, Kept) {
    let kept = Kept::default();
    let body = Body::stream(Pieces(pieces.to_vec(), length));
    let inside = Arc::clone(&kept);
    let body = keep(body, 10, budget, move |whole| *inside.lock() = Some(whole));
    (body, kept)
}

/// What the client gets, and whether it ends as it should.
async fn read(mut body: Body) -> (String, bool) {
    let mut text = String::new();
    loop {
        match poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
            None => return (text, true),
            Some(Err(_)) => return (text, false),
            Some(Ok(frame)) => text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap()),
        }
    }
}

#[tokio::test]
async fn what_comes_whole_is_kept_and_nothing_else() {
    for (name, pieces, length, most, given, whole, kept) in [
        ("whole", &["abc", "def"][..], None, 100, "abcdef", true, Some("abcdef")),
        ("of known length", &["abc", "def"], Some(6), 100, "abcdef", true, Some("abcdef")),
        ("empty", &[], None, 100, "", true, Some("")),
        ("as long as may be", &["abcdefghij"], None, 100, "abcdefghij", true, Some("abcdefghij")),
        ("cut", &["abc", ""], None, 100, "abc", false, None),
        ("too long", &["abcdef", "ghijk", "lm"], None, 100, "abcdefghijklm", true, None),
        ("too long, then cut", &["abcdef", "ghijk", ""], None, 100, "abcdefghijk", false, None),
        ("more than there is room for", &["abc", "def", "g"], None, 5, "abcdefg", true, None),
    ] {
        let budget = Budget::new(most);
        let (body, told) = start(pieces, length, &budget);
        assert_eq!(body.size_hint().exact(), length, "{name}");
        assert_eq!(read(body).await, (given.to_owned(), whole), "{name}");
        let told = told.lock().clone().unwrap();
        assert_eq!(told.as_deref(), kept.map(str::as_bytes), "{name}");
    }
}

#[tokio::test]
async fn the_budget_is_given_back_and_a_client_that_goes_takes_nothing_with_it() {
    let budget = Budget::new(6);
    for _ in 0..10 {
        let (body, kept) = start(&["abc", "def"], None, &budget);
        drop(body);
        while kept.lock().is_none() {
            tokio::task::yield_now().await;
        }
        assert_eq!(kept.lock().clone().unwrap().as_deref(), Some(&b"abcdef"[..]));
        // The task ends behind that.
        tokio::task::yield_now().await;
    }
}
