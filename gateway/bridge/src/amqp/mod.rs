//! AMQP 0-9-1: messages that the broker confirms, requests with replies, queues that are read.

mod link;
mod message;
mod queue;
mod secure;

use crate::answer;
use crate::operations;
use crate::replies::Awaited;
use crate::request::Asked;
use gateway_config::{Upstream, Verb};
use gateway_core::bridge::{Bridge, Server};
use gateway_core::clock::now;
use gateway_core::dispatch::BoxFuture;
use gateway_core::{Body, Error, Kind};
use http::{Request, Response};
use lapin::Confirmation;
use lapin::message::Delivery;
use lapin::options::BasicPublishOptions;
use link::{Link, Session};
use message::Outgoing;
use std::sync::Arc;
use std::time::Instant;
use tokio::runtime::Handle;

/// An upstream behind a broker of AMQP.
pub(crate) struct Amqp {
    settings: gateway_config::Bridge,
    attributes: Vec<Arc<str>>,
    link: Link,
}

impl Amqp {
    pub(crate) fn new(upstream: &Upstream, bridge: &gateway_config::Bridge, runtime: Handle) -> Result<Self, String> {
        let attributes = operations::attributes(bridge);
        let link = Link::new(upstream, bridge, runtime).map_err(|error| error.to_string())?;
        Ok(Self { settings: bridge.clone(), attributes, link })
    }

    async fn answer(&self, request: Request<Body>, deadline: Instant) -> Result<Response<Body>, Error> {
        let (head, body) = request.into_parts();
        let (operation, captured) = match operations::find(&self.settings.operations, &head.method, head.uri.path()) {
            Ok(found) => found,
            Err(answer) => return Ok(answer::whole(*answer)),
        };
        let asked = Asked { head: &head, captured: &captured, operation };
        let to = asked.to()?;
        if operation.verb == Verb::Subscribe {
            let session = self.link.session(deadline).await?;
            return queue::read(&self.link, session, to, deadline).await;
        }
        let (headers, id) = (asked.headers()?, asked.id()?);
        // It is the client's time that runs meanwhile, and its own bounds hold.
        let began = now();
        let payload = asked.payload(body, self.settings.message).await?;
        let deadline = deadline + now().saturating_duration_since(began);
        let session = self.link.session(deadline).await?;
        let mut outgoing = Outgoing::new(operation.exchange.clone(), to, headers, id, payload)?;
        if operation.verb == Verb::Publish {
            outgoing.keep();
            self.confirmed(&session, outgoing, deadline).await?;
            return Ok(answer::accepted(None));
        }
        let awaited = session.replies.expect();
        outgoing.reply_to(&session.inbox, awaited.number(), deadline.saturating_duration_since(now()))?;
        self.confirmed(&session, outgoing, deadline).await?;
        let delivery = self.reply(awaited, deadline).await?;
        message::answer(delivery, self.settings.message)
    }

    /// Sends a message, and waits until the broker has it in a queue. That goes on where nobody waits for it any more, so that
    /// nothing is left behind in the channel.
    async fn confirmed(&self, session: &Arc<Session>, outgoing: Outgoing, deadline: Instant) -> Result<(), Error> {
        let (session, name) = (Arc::clone(session), Arc::clone(self.link.name()));
        let task = self.link.runtime().spawn(async move { send(&session, &name, outgoing).await });
        match tokio::time::timeout_at(deadline.into(), task).await {
            Ok(Ok(sent)) => sent,
            Ok(Err(_)) => Err(self.link.broken()),
            Err(_) => Err(self.late()),
        }
    }

    async fn reply(&self, awaited: Awaited<Delivery>, deadline: Instant) -> Result<Delivery, Error> {
        let reply = tokio::time::timeout_at(deadline.into(), awaited.reply()).await.map_err(|_| self.late())?;
        reply.ok_or_else(|| self.link.broken())
    }

    fn late(&self) -> Error {
        Error::new(Kind::HttpResponseTimeout, format!("upstream `{}` did not answer in time", self.link.name()))
    }
}

async fn send(session: &Session, name: &str, outgoing: Outgoing) -> Result<(), Error> {
    let unavailable = |what: &str| Error::new(Kind::DestinationUnavailable, format!("upstream `{name}` {what}"));
    let Outgoing { exchange, key, properties, payload } = outgoing;
    let channel =
        session.channel(&exchange).await.map_err(|cause| unavailable("does not take messages").because(cause))?;
    let options = BasicPublishOptions { mandatory: true, immediate: false };
    let sent = channel.basic_publish(exchange, key, options, &payload, properties).await;
    let confirm = sent.map_err(|cause| unavailable("has no connection to its broker").because(cause))?;
    match confirm.await {
        Ok(Confirmation::Ack(None)) => Ok(()),
        Ok(Confirmation::Ack(Some(_))) => Err(unavailable("has no queue for the message")),
        Ok(Confirmation::Nack(_) | Confirmation::NotRequested) => Err(unavailable("did not take the message")),
        Err(cause) => {
            let detail = format!("the connection of upstream `{name}` broke before the message was confirmed");
            Err(Error::new(Kind::ConnectionTerminated, detail).because(cause))
        }
    }
}

impl Bridge for Amqp {
    fn start(&self) {
        self.link.start();
    }

    fn attributes(&self) -> &[Arc<str>] {
        &self.attributes
    }

    fn call(&self, request: Request<Body>, deadline: Instant) -> BoxFuture<'_, Result<Response<Body>, Error>> {
        Box::pin(self.answer(request, deadline))
    }

    fn servers(&self) -> Vec<Server> {
        let is_up = self.link.is_up();
        let servers = self.settings.servers.iter();
        servers.map(|server| Server { name: format!("{}:{}", server.host, server.port), is_up }).collect()
    }
}
