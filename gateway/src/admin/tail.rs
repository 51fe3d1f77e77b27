//! `/tail`: requests as they end, as server-sent events; `/failures`: the last that failed.
//!
//! An event `request` is one, an event `lost` says how many came too fast for whoever reads. Neither has a query or a field of the
//! request in it: there are credentials in those.

use super::reply::{Problem, Reply};
use crate::server::Running;
use crate::telemetry::{Heard, Listening};
use bytes::Bytes;
use gateway_core::observe::Record;
use gateway_core::{Body, Error};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use http_body::Frame;
use percent_encoding::percent_decode_str;
use serde::Serialize;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::mpsc;

/// A comment is sent after so long without an event, so that a reader that is gone is noticed.
const QUIET: Duration = Duration::from_secs(10);
/// A reader that takes nothing for so long makes room for another one.
const STALL: Duration = Duration::from_secs(30);
/// Events on their way to one reader.
const SENDING: usize = 64;

/// A request that is over.
#[derive(Serialize)]
pub(super) struct Entry {
    /// RFC 3339.
    at: String,
    request: String,
    client: String,
    consumer: Option<String>,
    method: String,
    host: String,
    path: String,
    protocol: &'static str,
    route: Arc<str>,
    upstream: Option<Arc<str>>,
    status: u16,
    /// Why, where the gateway itself failed it (RFC 9209).
    error: Option<&'static str>,
    milliseconds: f64,
    received: u64,
    sent: u64,
}

/// Which requests somebody wants to see.
#[derive(Debug, Default, PartialEq, Eq)]
struct Filter {
    route: Option<String>,
    consumer: Option<String>,
    /// A status, or the first digit of a class.
    status: Option<u16>,
}

impl Entry {
    fn of(record: &Record) -> Self {
        Self {
            at: humantime::format_rfc3339_millis(record.at).to_string(),
            request: String::from_utf8_lossy(record.request.as_bytes()).into_owned(),
            client: record.client.to_string(),
            consumer: record.consumer.clone(),
            method: record.method.to_string(),
            host: record.authority.to_string(),
            path: record.path.clone(),
            protocol: record.protocol,
            route: Arc::clone(&record.route),
            upstream: record.upstream.clone(),
            status: record.summary.status,
            error: record.summary.error,
            milliseconds: record.summary.duration.as_secs_f64() * 1e3,
            received: record.summary.request_bytes,
            sent: record.summary.response_bytes,
        }
    }
}

impl Filter {
    /// `route=orders&status=5xx&consumer=alice`
    fn parse(query: &str) -> Result<Self, Problem> {
        let mut filter = Self::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = percent_decode_str(value).decode_utf8().map_err(|_| Problem::bad("a filter is UTF-8"))?;
            match name {
                "route" => filter.route = Some(value.into_owned()),
                "consumer" => filter.consumer = Some(value.into_owned()),
                "status" => filter.status = Some(status(&value)?),
                _ => return Err(Problem::bad(format!("there is no filter `{name}`: route, status, consumer"))),
            }
        }
        Ok(filter)
    }

    fn takes(&self, record: &Record) -> bool {
        let status = record.summary.status;
        self.route.as_deref().is_none_or(|route| route == &*record.route)
            && self.consumer.as_deref().is_none_or(|consumer| Some(consumer) == record.consumer.as_deref())
            && self.status.is_none_or(|wanted| wanted == status || wanted == status / 100)
    }
}

/// `503`, or `5xx` for all of its class.
fn status(text: &str) -> Result<u16, Problem> {
    let class = text.strip_suffix("xx").filter(|digit| matches!(*digit, "1" | "2" | "3" | "4" | "5"));
    let whole = || text.parse().ok().filter(|status| text.len() == 3 && (100..=599).contains(status));
    let status = class.and_then(|digit| digit.parse().ok()).or_else(whole);
    status.ok_or_else(|| Problem::bad("a status is `503`, or `5xx`"))
}

/// Every event from now on.
pub(super) fn answer(query: &str, running: &Arc<Running>) -> Result<Reply, Problem> {
    let filter = Filter::parse(query)?;
    let listening = running.tail.listen();
    let listening =
        listening.ok_or_else(|| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too many listen already"))?;
    let (sender, receiver) = mpsc::channel(SENDING);
    tokio::spawn(send(listening, filter, sender, Arc::clone(running)));
    let mut reply = Reply::new(Body::stream(Events(receiver)));
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(reply)
}

/// The last that failed, the latest first.
pub(super) fn failures(running: &Running) -> Vec<Entry> {
    running.tail.failures().iter().map(|record| Entry::of(record)).collect()
}

async fn send(mut listening: Listening, filter: Filter, sender: mpsc::Sender<Bytes>, running: Arc<Running>) {
    // At once, so that whoever asked knows that he listens.
    let mut event = ": listening\n\n".to_owned();
    while !running.draining.load(Ordering::Relaxed) {
        let sent = tokio::time::timeout(STALL, sender.send(Bytes::from(std::mem::take(&mut event)))).await;
        if !matches!(sent, Ok(Ok(()))) {
            return;
        }
        event = loop {
            match tokio::time::timeout(QUIET, listening.next()).await {
                Err(_) => break ":\n\n".to_owned(),
                Ok(None) => return,
                Ok(Some(Heard::Missed(count))) => break format!("event: lost\ndata: {{\"lost\":{count}}}\n\n"),
                Ok(Some(Heard::Ended(record))) if filter.takes(&record) => {
                    let data = serde_json::to_string(&Entry::of(&record)).unwrap_or_default();
                    break format!("event: request\ndata: {data}\n\n");
                }
                Ok(Some(Heard::Ended(_))) => {}
            }
        };
    }
}

/// What is sent, as a body.
struct Events(mpsc::Receiver<Bytes>);

impl http_body::Body for Events {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.0.poll_recv(context).map(|event| event.map(|event| Ok(Frame::data(event))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_written_in_the_query() {
        let parse = |query| Filter::parse(query).map_err(|problem| problem.status.as_u16());
        let filter = |route: Option<&str>, status, consumer: Option<&str>| {
            Ok(Filter { route: route.map(Into::into), consumer: consumer.map(Into::into), status })
        };
        assert_eq!(parse(""), filter(None, None, None));
        assert_eq!(parse("route=a%20b&status=503"), filter(Some("a b"), Some(503), None));
        assert_eq!(parse("status=5xx&consumer=alice"), filter(None, Some(5), Some("alice")));
        for bad in ["status=9xx", "status=xx", "status=50", "status=700", "status=+50", "path=/a", "route=%ff"] {
            assert_eq!(parse(bad), Err(400), "{bad}");
        }
    }
}
