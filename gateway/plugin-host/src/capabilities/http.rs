//! `http`: calls to services, one or several at once. The guest waits on its fiber, never the thread.

use super::{fields, invalid, quoted};
use crate::abi::gateway::convert;
use crate::abi::gateway::wit::http::{Host, Request};
use crate::abi::gateway::wit::types::{Error, Response};
use crate::grant::{Capability, Origin};
use crate::state::State;
use bytes::Bytes;
use futures_util::future::join_all;
use gateway_core::dispatch::{Call, DEPTH, Dispatch, Target};
use gateway_core::headers::is_reserved;
use gateway_core::{Body, clock};
use http::{Method, Uri};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Calls of one `fetch-all`.
const PARALLEL: usize = 32;

/// Calls of one phase of one exchange. What they cost the gateway is none of the guest's CPU time, so it needs a bound of
/// its own; and a request of a client's must not become thousands.
const FETCHES: u32 = 256;

/// A URL, in bytes.
const URL: usize = 16 << 10;

impl Host for State {
    async fn fetch(&mut self, request: Request) -> Result<Response, Error> {
        let call = self.prepare(request)?;
        self.meter.pause();
        let answer = run(call).await;
        self.meter.resume();
        answer
    }

    async fn fetch_all(&mut self, requests: Vec<Request>) -> Vec<Result<Response, Error>> {
        let calls = requests.into_iter().enumerate().map(|(position, request)| {
            if position < PARALLEL {
                self.prepare(request)
            } else {
                Err(Error::TooLarge(format!("at most {PARALLEL} calls at once")))
            }
        });
        let calls: Vec<_> = calls.collect();
        self.meter.pause();
        let answers = join_all(calls.into_iter().map(async |call| run(call?).await)).await;
        self.meter.resume();
        answers
    }
}

/// A call that is granted and well-formed.
struct Prepared {
    call: Call,
    dispatch: Arc<dyn Dispatch>,
    body: usize,
}

impl State {
    fn prepare(&mut self, request: Request) -> Result<Prepared, Error> {
        let Some(exchange) = self.exchange.as_deref() else {
            return Err(Error::WrongPhase);
        };
        let depth = exchange.depth.saturating_add(1);
        if depth > DEPTH {
            return Err(Error::Failed(format!("calls through plugins are cut at depth {DEPTH}")));
        }
        let (target, path) = self.target(&request.url)?;
        let mut message = http::Request::new(Body::from(Bytes::from(request.body)));
        *message.method_mut() = match Method::from_bytes(request.method.as_bytes()) {
            Ok(method) if method != Method::CONNECT => method,
            _ => {
                return Err(invalid(format!("{} is not a method that a request can have", quoted(&request.method))));
            }
        };
        *message.uri_mut() = path;
        *message.headers_mut() = convert::headers(request.headers)?;
        if self.fetches >= FETCHES {
            return Err(Error::TooLarge(format!("a phase makes at most {FETCHES} calls")));
        }
        self.fetches += 1;
        let deadline = self.meter.deadline();
        let asked = request.timeout.and_then(|timeout| clock::now().checked_add(Duration::from_millis(timeout.into())));
        Ok(Prepared {
            call: Call {
                target,
                request: message,
                deadline: asked.map_or(deadline, |asked| asked.min(deadline)),
                depth,
                request_id: exchange.id.clone(),
                trace: exchange.trace.clone(),
            },
            dispatch: Arc::clone(&exchange.dispatch),
            body: self.limits().body,
        })
    }

    /// Where a URL leads, if that is granted, and the path and query to ask for there.
    fn target(&self, url: &str) -> Result<(Target, Uri), Error> {
        if url.len() > URL {
            return Err(Error::TooLarge(format!("a URL has at most {URL} bytes")));
        }
        if let Some(rest) = url.strip_prefix("upstream://") {
            let (name, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
            let Some(granted) = self.settings.grants.http_upstreams.iter().find(|granted| granted.as_str() == name)
            else {
                return Err(self.denied(Capability::Http, &format!("the upstream {}", quoted(name))));
            };
            return Ok((Target::Upstream(granted.as_str().into()), path_and_query(path)?));
        }
        let (origin, path) = Origin::parse(url).map_err(invalid)?;
        if !self.settings.grants.allows_origin(&origin) {
            return Err(self.denied(Capability::Http, &format!("the origin {}", quoted(&origin.to_string()))));
        }
        // The grant is the same text, so an address in it was named by whoever wrote the configuration.
        let private = origin.is_address();
        Ok((Target::Origin { host: origin.host, port: origin.port, tls: origin.tls, private }, path_and_query(path)?))
    }
}

fn path_and_query(text: &str) -> Result<Uri, Error> {
    let rooted = if text.starts_with('/') { text.to_owned() } else { format!("/{text}") };
    match rooted.parse() {
        Ok(uri) if !rooted.contains('#') => Ok(uri),
        _ => Err(invalid("the URL's path or query is not percent-encoded ASCII")),
    }
}

/// The answer, its body included, by the call's deadline.
async fn run(Prepared { call, dispatch, body }: Prepared) -> Result<Response, Error> {
    let deadline: Instant = call.deadline;
    let whole = async {
        let (head, stream) = dispatch.call(call).await?.into_parts();
        Ok::<_, gateway_core::Error>((head, stream.gather(body).await?))
    };
    let (head, body) = match tokio::time::timeout_at(deadline.into(), whole).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => return Err(Error::Failed(format!("{} ({})", error.detail(), error.kind().token()))),
        Err(_) => return Err(Error::Failed("the service did not answer in time".to_owned())),
    };
    let mut headers = head.headers;
    // Fields that framed this message are not part of what was said, and a plugin could not hand them on.
    let framing: Vec<_> = headers.keys().filter(|name| is_reserved(name)).cloned().collect();
    for name in framing {
        headers.remove(name);
    }
    fields::fits(&headers, 0)?;
    Ok(Response { status: head.status.as_u16(), headers: convert::list(&headers), body: body.into() })
}
