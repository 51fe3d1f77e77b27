//! A middleware around the rest of its chain.
//!
//! It calls the rest as often as it likes, several times at once, and what it answers is the answer. The calls come to the task of the
//! exchange and run there, so the rest is the same function of the pipeline, on the same thread, with the same connections, and ends when
//! the exchange does. Each call has a fork of the exchange: what plugins in the rest leave behind is the exchange's once they are done.

use crate::completion::Outcome;
use crate::pipeline::{Answered, Attempted, End, Way, Work, denied, through, unserved};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use gateway_core::dispatch::BoxFuture;
use gateway_core::exchange::{Exchange, Request, Response};
use gateway_core::headers::{is_reserved, strip_hop_by_hop};
use gateway_core::joint::Joint;
use gateway_core::path::{self, Allow};
use gateway_core::plugin::{Next, OnError, Unanswered};
use gateway_core::{Body, Error, Kind, Plugin};
use http::header::TRAILER;
use http::{HeaderName, Method};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Calls of the rest that run at once; further ones wait.
const PARALLEL: usize = 32;

/// A path or a query that a middleware writes, in bytes.
const TARGET: usize = 8 << 10;

/// What services read in more than one way: no route can allow it to a plugin.
const STRICT: Allow = Allow { encoded_slash: false, backslash: false, encoded_nul: false };

/// One call of the rest, and where its answer goes.
struct Asked {
    request: http::Request<Body>,
    reply: oneshot::Sender<Result<http::Response<Body>, Error>>,
}

/// What a middleware calls.
struct Rest(mpsc::Sender<Asked>);

impl Next for Rest {
    fn call(&self, request: http::Request<Body>) -> BoxFuture<'static, Result<http::Response<Body>, Error>> {
        let rest = self.0.clone();
        Box::pin(async move {
            let over = || Error::new(Kind::PluginFailed, "the rest of the chain cannot be called after the answer");
            let (reply, answer) = oneshot::channel();
            rest.send(Asked { request, reply }).await.map_err(|_| over())?;
            answer.await.map_err(|_| over())?
        })
    }
}

/// What has come of a call: the exchange with the head of the answer, and what its plugins were.
struct Came {
    answered: Answered,
    outcome: Outcome,
    reply: oneshot::Sender<Result<http::Response<Body>, Error>>,
}

/// Answers through the middleware at `position`, and runs the links behind it whenever it asks for that.
pub(crate) fn serve<'a>(
    way: &'a Way<'_>,
    position: usize,
    plugin: &'a Arc<dyn Plugin>,
    mut exchange: Box<Exchange>,
    body: Body,
    outcome: &'a mut Outcome,
) -> BoxFuture<'a, Attempted> {
    // On the heap, and nothing for other chains (HARDENING P11).
    Box::pin(async move {
        let plain;
        let end = match &way.end {
            End::Route(work, route) => {
                // A tunnel does not pass through a guest, and one handshake is not asked several times.
                plain = Work { handshake: None, ..**work };
                End::Route(&plain, route)
            }
            End::Answer(answer) => End::Answer(answer.clone()),
        };
        let behind = Way { chain: way.chain, end };
        let (rest, mut asked) = mpsc::channel(1);
        let joint = Joint::new(&exchange);
        let mut answer = plugin.serve(&exchange, &joint, body, Some(Arc::new(Rest(rest))));
        let mut calls = FuturesUnordered::new();
        let mut is_called = false;
        let answered = loop {
            tokio::select! {
                biased;
                answered = &mut answer => break answered,
                Some(came) = calls.next(), if !calls.is_empty() => settle(&mut exchange, &joint, outcome, came),
                Some(Asked { request, reply }) = asked.recv(), if calls.len() < PARALLEL => {
                    is_called = true;
                    joint.read(&mut exchange);
                    let (head, body) = request.into_parts();
                    match fork(&exchange, head) {
                        Ok(fork) => calls.push(call(&behind, position + 1, fork, body, reply)),
                        Err(error) => drop(reply.send(Err(error))),
                    }
                }
            }
        };
        drop((calls, asked));
        joint.end(&mut exchange);
        match answered {
            Ok(answer) => Ok(place(exchange, answer)),
            // What was sent once is not sent again, and what was read is gone.
            Err(Unanswered { fault, body: Some(body) }) if !is_called && plugin.on_error() == OnError::Skip => {
                denied(plugin, &fault, &exchange);
                Ok(through(&behind, position + 1, exchange, body, outcome).await)
            }
            Err(Unanswered { fault, .. }) => {
                let error = unserved(&fault, &exchange);
                Err((exchange, error))
            }
        }
    })
}

fn call<'a>(
    way: &'a Way<'_>,
    first: usize,
    fork: Box<Exchange>,
    body: Body,
    reply: oneshot::Sender<Result<http::Response<Body>, Error>>,
) -> BoxFuture<'a, Came> {
    Box::pin(async move {
        let mut outcome = Outcome::default();
        let answered = through(way, first, fork, body, &mut outcome).await;
        Came { answered, outcome, reply }
    })
}

/// What plugins of the rest left is the exchange's from now on: of several calls, what the last one left.
fn settle(exchange: &mut Exchange, joint: &Joint, outcome: &mut Outcome, came: Came) {
    let Came { answered: (mut fork, body), outcome: of_call, reply } = came;
    exchange.attributes = std::mem::take(&mut fork.attributes);
    joint.write(exchange);
    exchange.slots.append(&mut fork.slots);
    exchange.asked = fork.asked.take();
    outcome.participants.join(of_call.participants);
    // A call that went well after one that failed has made it good.
    outcome.error = of_call.error;
    let head = fork.response.take().unwrap_or_default();
    let mut response = http::Response::new(body);
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers;
    // Whoever asked may have gone away meanwhile.
    drop(reply.send(Ok(response)));
}

/// The exchange of one call: the middleware's request in the place of the client's. Where it goes is not the middleware's to say: the
/// authority stays what the client asked for.
fn fork(exchange: &Exchange, head: http::request::Parts) -> Result<Box<Exchange>, Error> {
    let bad = |detail| Error::new(Kind::HttpRequestError, detail);
    if head.method == Method::CONNECT {
        return Err(bad("a middleware cannot ask for a tunnel"));
    }
    let (path, query) = (head.uri.path(), head.uri.query());
    if path.len() > TARGET || query.is_some_and(|query| query.len() > TARGET) {
        return Err(bad("a middleware wrote a path or a query that is too long"));
    }
    let path = match path == exchange.request.path {
        true => path.to_owned(),
        false => path::normalize(path, STRICT)
            .map_err(|error| bad("a middleware wrote a path that cannot be used").because(error))?
            .into_owned(),
    };
    let mut headers = head.headers;
    strip_hop_by_hop(&mut headers);
    let framing: Vec<HeaderName> =
        headers.keys().filter(|name| is_reserved(name) && *name != TRAILER).cloned().collect();
    for name in framing {
        headers.remove(name);
    }
    Ok(exchange.fork(Request {
        method: head.method,
        scheme: exchange.request.scheme,
        authority: Arc::clone(&exchange.request.authority),
        path,
        query: query.filter(|query| !query.is_empty()).map(str::to_owned),
        headers,
    }))
}

/// Makes a streamed answer the exchange's.
pub(crate) fn place(mut exchange: Box<Exchange>, answer: http::Response<Body>) -> Answered {
    let (head, body) = answer.into_parts();
    exchange.response = Some(Response { status: head.status, headers: head.headers });
    (exchange, body)
}
