//! Where an answer leaves: of an exchange, or to what became none.

use super::grpc_web::Web;
use super::{Connection, Leaving, grpc};
use crate::completion::{Completion, Outcome, ResponseBody};
use crate::heap::boxed;
use crate::tunnel::{self, Handshake, Tunnel};
use gateway_core::exchange::{self, Answer, Exchange};
use gateway_core::{Body, Error, Kind, problem};
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderValue};
use http::{Method, Response, StatusCode};
use http_body::Body as _;

/// In what a client speaks to a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    Http,
    /// Refusals are told as gRPC has them.
    Grpc,
    /// The same, and the answer goes back as it can be read in browsers.
    GrpcWeb(Web),
}

/// Puts head and body together, and ties what happens at the end to the body.
pub(super) fn leave(
    mut exchange: Box<Exchange>,
    mut body: Body,
    outcome: Outcome,
    method: &Method,
    dialect: Dialect,
    completion: Completion,
) -> Leaving {
    let mut head = exchange.response.take().unwrap_or_default();
    // What is counted and logged is what happened, in whatever form it is told.
    let said = head.status;
    if dialect != Dialect::Http
        && let Some(refusal) = grpc::refusal(&head, outcome.error)
    {
        (head, body) = (refusal, Body::empty());
    }
    if let Dialect::GrpcWeb(web) = dialect {
        body = web.tell(&mut head, body);
    }
    let (status, headers) = (head.status, &mut head.headers);
    if *method == Method::HEAD {
        // The answer tells the length of what is not sent: the upstream's word for its own body, ours for one that we made.
        if let Some(length @ 1..) = body.size_hint().exact() {
            headers.insert(CONTENT_LENGTH, length.into());
        }
    } else if status != StatusCode::NOT_MODIFIED {
        // The length of what is sent is hyper's to say.
        headers.remove(CONTENT_LENGTH);
    }
    // HTTP/1.1 sends no body with these whatever there is, HTTP/2 would (RFC 9110 6.4.1).
    let has_body = *method != Method::HEAD && !matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let body = if has_body { body } else { Body::empty() };
    let mut response = boxed(|| Response::new(completion.wrap(exchange, said.as_u16(), body, outcome)));
    *response.status_mut() = status;
    *response.headers_mut() = head.headers;
    response
}

/// The answer to a handshake: the head, and a tunnel behind it where the service has switched and no plugin made something else of it.
#[cold]
pub(super) fn conclude(
    handshake: Handshake,
    connection: &Connection,
    mut exchange: Box<Exchange>,
    body: Body,
    outcome: Outcome,
    completion: Completion,
) -> Leaving {
    let (on_stream, idle) = (handshake.is_on_stream(), handshake.idle());
    let head = exchange.response.get_or_insert_default();
    let ends = handshake.into_ends().filter(|_| head.status == StatusCode::SWITCHING_PROTOCOLS);
    let Some((service, stream)) = ends else {
        if !on_stream || !head.status.is_success() {
            return leave(exchange, body, outcome, &Method::GET, Dialect::Http, completion);
        }
        // On HTTP/2 it would tell the client that it may go on (RFC 8441 5).
        let error = Error::new(Kind::HttpUpgradeFailed, "a WebSocket handshake was answered like an ordinary request");
        let Answer { status, headers, body } = problem::of(&error);
        *head = exchange::Response { status, headers };
        return leave(exchange, Body::from(body), outcome, &Method::GET, Dialect::Http, completion);
    };
    Handshake::tell(on_stream, &mut head.status, &mut head.headers);
    let bounds = tunnel::Bounds { idle, write: connection.write_stall };
    let left = leave(exchange, Body::empty(), outcome, &Method::GET, Dialect::Http, completion);
    let switch =
        |body: ResponseBody| body.switch(|ending, watched| Tunnel::new(service, stream.zip(watched), bounds, ending));
    Box::new(left.map(switch))
}

/// An answer to a request that is not a request: there is no exchange, so no chain sees it.
#[cold]
pub(super) fn refusal(error: &Error) -> Leaving {
    tracing::debug!(kind = ?error.kind(), detail = error.detail(), "request refused");
    unmade(problem::of(error))
}

#[cold]
pub(super) fn unmade(answer: Answer) -> Leaving {
    let Answer { status, headers, body } = answer;
    let mut response = Box::new(Response::new(ResponseBody::plain(Body::from(body))));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    if status == StatusCode::BAD_REQUEST {
        // What follows a malformed request on the connection cannot be trusted either. HTTP/2 has no such field: hyper drops it.
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
