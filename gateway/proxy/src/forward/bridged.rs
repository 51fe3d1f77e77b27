//! One try to have a bridge answer a request.

use super::Sending;
use super::attempt::Failed;
use crate::upstream::Crossing;
use bytes::Bytes;
use gateway_core::bridge::{Bridge, Told};
use gateway_core::clock::now;
use gateway_core::{Body, Error, Exchange, Origin};
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

impl Sending<'_> {
    /// It is never sent once more: only the broker knows what became of a message. On the heap, so that it takes no room from
    /// requests that go to endpoints.
    pub(super) async fn bridged(
        &self,
        bridge: &Arc<dyn Bridge>,
        request: Box<Request<Body>>,
    ) -> Result<Box<Response<Body>>, Box<Failed>> {
        Box::pin(async move {
            let crossing = self.upstream.cross(self.deadline).await?;
            let first_byte = now() + self.upstream.settings().timeouts.first_byte;
            let answer = bridge.call(*request, self.deadline.min(first_byte)).await;
            let is_fault = |error: &Error| error.origin() == Origin::Upstream;
            self.upstream.crossed(!answer.as_ref().is_err_and(is_fault));
            answer.map(|answer| match answer.body().at_hand() {
                Some(_) => Box::new(answer),
                None => Box::new(answer.map(|body| Body::stream(Held { body, _crossing: crossing }))),
            })
        })
        .await
        .map_err(|error| Failed::of(error, None, None))
    }
}

/// The attributes of an exchange that the messages of a bridge are made of; none where there are none.
pub(crate) fn told(bridge: &dyn Bridge, exchange: &Exchange) -> Option<Told> {
    let names = bridge.attributes();
    if names.is_empty() {
        return None;
    }
    let known = names.iter().filter_map(|name| Some((Arc::clone(name), exchange.attribute("", name)?.clone())));
    Some(Told(known.collect()))
}

/// A stream that keeps its place with the upstream until it ends.
struct Held {
    body: Body,
    _crossing: Crossing,
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
