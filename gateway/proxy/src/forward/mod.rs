//! Sends a request to an upstream and gives the head of its answer; both bodies stream.

mod client_body;
mod forwarded;
mod request;
mod response;
mod spare;
mod stall;
mod subrequest;
mod template;
mod upstream_body;

pub use client_body::{Bounds, ClientBody, Upload};
pub use forwarded::{Peer, client_address};
pub(crate) use request::REQUEST_ID;
pub use request::outgoing;
pub use template::expand;

use crate::upstream::{Lease, Upstream};
use gateway_core::{Body, Error, Kind, Origin, Retry};
use http::{HeaderValue, Request, Response};
use spare::Spare;
use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;
use upstream_body::UpstreamBody;

/// Which `host` field the upstream gets.
pub enum HostField {
    /// The chosen endpoint's.
    Endpoint,
    /// This one.
    Given(HeaderValue),
}

/// Sends a request and waits for the head of the answer.
///
/// A pooled connection may turn out to be closed. Then a new one is tried: if nothing was sent, or if nothing of an answer
/// came and the request may be sent twice (RFC 9110 9.2.2) and has no body. A new connection is never replaced.
///
/// # Errors
/// By RFC 9209's kinds; a fault of the client's body is told as the client's.
pub async fn send(
    upstream: &Upstream,
    host: HostField,
    request: Request<Body>,
    upload: &Upload,
    deadline: Instant,
) -> Result<Response<Body>, Error> {
    let mut lease = upstream.lease(deadline).await?;
    let mut request = request;
    loop {
        let field = match &host {
            HostField::Endpoint => lease.authority().clone(),
            HostField::Given(value) => value.clone(),
        };
        request.headers_mut().insert(http::header::HOST, field);
        let spare = (lease.is_reused() && may_be_sent_twice(&request)).then(|| Spare::of(&request));
        let answered = {
            let (connection, alarm) = lease.parts();
            let mut answer = connection.begin(request);
            let mut overdue = pin!(upload.answer_overdue(alarm, upstream.settings().timeouts.first_byte, deadline));
            poll_fn(|context| match connection.poll_answer(&mut answer, context) {
                Poll::Ready(answered) => Poll::Ready(Some(answered)),
                Poll::Pending => overdue.as_mut().poll(context).map(|()| None),
            })
            .await
        };
        let mut failure = match answered {
            Some(Ok(response)) => {
                return response::incoming(response, lease, upload, upstream.settings().timeouts.body);
            }
            Some(Err(failure)) => failure,
            None => {
                let detail = format!("upstream `{}` sent no answer in time", upstream.settings().name);
                return Err(Error::new(Kind::HttpResponseTimeout, detail));
            }
        };
        let unsent = failure.take_message();
        let error = response::fault(failure.into_error(), upload);
        if !lease.is_reused() || error.retryable() != Retry::IfReused {
            return Err(error);
        }
        request = match (unsent, spare) {
            (Some(unsent), _) => unsent,
            (None, Some(spare)) => spare.request()?,
            (None, None) => return Err(error),
        };
        lease = upstream.fresh(lease, deadline).await?;
    }
}

fn may_be_sent_twice(request: &Request<Body>) -> bool {
    request.method().is_idempotent() && http_body::Body::is_end_stream(request.body())
}

/// The answer's body, which gives the connection back when it ends.
fn answer_body(body: hyper::body::Incoming, lease: Lease, upload: &Upload, stall: std::time::Duration) -> Body {
    use http_body::Body as _;
    if body.is_end_stream() {
        upstream_body::give_back(lease, upload);
        return Body::empty();
    }
    Body::stream(UpstreamBody::new(Body::incoming(body, Origin::Upstream), lease, upload.clone(), stall))
}

/// Resolves which upstream takes an exchange: the plugin's choice, else the route's.
///
/// # Errors
/// The plugin chose one that this generation does not have.
pub fn chosen<'a>(
    snapshot: &'a crate::snapshot::Snapshot,
    choice: Option<&Arc<str>>,
    of_route: &'a Arc<Upstream>,
) -> Result<&'a Arc<Upstream>, Error> {
    match choice {
        None => Ok(of_route),
        Some(name) => snapshot
            .upstreams
            .get(name)
            .ok_or_else(|| Error::new(Kind::DestinationUnavailable, format!("there is no upstream `{name}`"))),
    }
}
