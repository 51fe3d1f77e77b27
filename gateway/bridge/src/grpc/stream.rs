//! The messages of a service that streams, as server-sent events or as lines of JSON.
//!
//! The next message is asked for when the one before was taken, so a client that reads slowly slows its service down.

use super::descriptors::Described;
use super::frames::{Messages, broken};
use super::status::Status;
use bytes::Bytes;
use gateway_core::{Body, Error};
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Response};
use http_body::{Body as HttpBody, Frame};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Interval, MissedTickBehavior};

/// Between two comments in a stream of events, by which a client that went away without a word is found out.
const BEAT: Duration = Duration::from_secs(15);

/// How messages are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Server-sent events (WHATWG HTML 9.2).
    Events,
    /// A JSON text a line.
    Lines,
}

impl Form {
    /// What a client asks for; lines where it does not say.
    pub(super) fn of(fields: &HeaderMap) -> Self {
        let mut accepted = fields.get_all(ACCEPT).iter().filter_map(|line| line.to_str().ok());
        let is_event = |range: &str| {
            let media = range.split(';').next().unwrap_or_default().trim();
            media.eq_ignore_ascii_case("text/event-stream")
        };
        match accepted.any(|line| line.split(',').any(is_event)) {
            true => Self::Events,
            false => Self::Lines,
        }
    }

    fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Events => "text/event-stream",
            Self::Lines => "application/x-ndjson",
        })
    }

    fn message(self, json: &[u8]) -> Bytes {
        // Neither has line breaks: a text of JSON escapes them.
        Bytes::from(match self {
            Self::Events => [b"data: ", json, b"\n\n"].concat(),
            Self::Lines => [json, b"\n"].concat(),
        })
    }

    /// What stands at the end.
    fn end(self, described: &Described, status: &Status) -> Option<Bytes> {
        let problem = (!status.is_ok()).then(|| status.problem(&described.pool).1);
        match (self, problem) {
            (Self::Events, None) => Some(Bytes::from_static(b"event: end\ndata: {}\n\n")),
            (Self::Lines, None) => None,
            (Self::Events, Some(problem)) => Some(Bytes::from(format!("event: problem\ndata: {problem}\n\n"))),
            // No field of a message has such a name.
            (Self::Lines, Some(problem)) => Some(Bytes::from(format!("{{\"@problem\":{problem}}}\n"))),
        }
    }
}

/// An answer that goes on.
pub(super) fn answer(
    described: Arc<Described>,
    binding: usize,
    messages: Messages,
    form: Form,
    mut headers: HeaderMap,
) -> Response<Body> {
    headers.insert(CONTENT_TYPE, form.content_type());
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let beat = (form == Form::Events).then(|| {
        let mut beat = tokio::time::interval_at(tokio::time::Instant::now() + BEAT, BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        beat
    });
    let mut response =
        Response::new(Body::stream(Telling { described, binding, messages, form, beat, is_over: false }));
    *response.headers_mut() = headers;
    response
}

struct Telling {
    described: Arc<Described>,
    binding: usize,
    messages: Messages,
    form: Form,
    beat: Option<Interval>,
    is_over: bool,
}

impl HttpBody for Telling {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let told = match self.messages.poll_next(context) {
            Poll::Ready(Some(Ok(message))) => {
                let described = Arc::clone(&self.described);
                let told = described.bindings.get(self.binding).map(|binding| binding.told(message));
                told.transpose().map(|told| told.map(|told| self.form.message(&told.body)))
            }
            Poll::Ready(Some(Err(error))) => Err(error),
            Poll::Ready(None) => {
                self.is_over = true;
                // Without a status the service was cut off, which must not look like an end.
                let status =
                    Status::of(self.messages.trailers()).ok_or_else(|| broken("the stream ends without a status"));
                status.map(|status| self.form.end(&self.described, &status))
            }
            Poll::Pending => {
                let ticked = self.beat.as_mut().map_or(Poll::Pending, |beat| beat.poll_tick(context));
                return ticked.map(|_| Some(Ok(Frame::data(Bytes::from_static(b":\n\n")))));
            }
        };
        self.is_over |= told.is_err();
        Poll::Ready(told.map(|told| told.map(Frame::data)).transpose())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_for_those_who_ask_for_them() {
        for (accept, expected) in [
            ("text/event-stream", Form::Events),
            ("application/json, Text/Event-Stream; q=0.5", Form::Events),
            ("application/x-ndjson", Form::Lines),
            ("*/*", Form::Lines),
        ] {
            let mut fields = HeaderMap::new();
            fields.insert(ACCEPT, HeaderValue::from_static(accept));
            assert_eq!(Form::of(&fields), expected, "{accept}");
        }
        assert_eq!(Form::of(&HeaderMap::new()), Form::Lines);
    }
}
