//! NATS: requests with replies, messages that are told, kept by a stream, or listened to.

mod link;
mod reply;

use crate::answer;
use crate::events::{self, Event};
use crate::operations;
use crate::request::Asked;
use async_nats::client::{PublishError, PublishErrorKind};
use async_nats::{HeaderMap, HeaderName, HeaderValue, Message};
use bytes::Bytes;
use futures_util::StreamExt as _;
use gateway_config::{Upstream, Verb};
use gateway_core::bridge::{Bridge, Server};
use gateway_core::clock::now;
use gateway_core::dispatch::BoxFuture;
use gateway_core::{Body, Error, Kind};
use http::{Request, Response, StatusCode};
use link::{Connected, Link};
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Instant;
use tokio::runtime::Handle;

/// What JetStream knows a message by, for as long as its stream remembers (two minutes by default).
const MESSAGE_ID: &str = "Nats-Msg-Id";

/// An upstream behind NATS.
pub(crate) struct Nats {
    settings: gateway_config::Bridge,
    attributes: Vec<Arc<str>>,
    link: Link,
}

impl Nats {
    pub(crate) fn new(upstream: &Upstream, bridge: &gateway_config::Bridge, runtime: Handle) -> Result<Self, String> {
        let attributes = operations::attributes(bridge);
        Ok(Self { settings: bridge.clone(), attributes, link: Link::new(upstream, bridge, runtime)? })
    }

    async fn answer(&self, request: Request<Body>, deadline: Instant) -> Result<Response<Body>, Error> {
        let (head, body) = request.into_parts();
        let (operation, captured) = match operations::find(&self.settings.operations, &head.method, head.uri.path()) {
            Ok(found) => found,
            Err(answer) => return Ok(answer::whole(*answer)),
        };
        let asked = Asked { head: &head, captured: &captured, operation };
        let subject = asked.to()?;
        if operation.verb == Verb::Subscribe {
            let connected = self.link.connected(deadline).await?;
            return self.listen(connected, subject).await;
        }
        let mut headers = fields(asked.headers()?)?;
        if operation.verb == Verb::Store {
            let id = HeaderValue::from_str(&asked.id()?).map_err(|cause| {
                Error::new(Kind::HttpRequestError, "the message's id cannot be a field").because(cause)
            })?;
            headers.insert(MESSAGE_ID, id);
        }
        // It is the client's time that runs meanwhile, and its own bounds hold.
        let began = now();
        let payload = asked.payload(body, self.settings.message).await?;
        let deadline = deadline + now().saturating_duration_since(began);
        let connected = self.link.connected(deadline).await?;
        match operation.verb {
            Verb::Publish => self.publish(connected, subject, headers, payload, deadline).await,
            Verb::Store => {
                let message = self.ask(connected, subject, headers, payload, deadline).await?;
                reply::stored(&message)
            }
            _ => {
                let message = self.ask(connected, subject, headers, payload, deadline).await?;
                reply::answer(&message, self.settings.message)
            }
        }
    }

    /// Told at most once, as NATS has it: the connection has the message.
    async fn publish(
        &self,
        connected: Connected<'_>,
        subject: String,
        headers: HeaderMap,
        payload: Bytes,
        deadline: Instant,
    ) -> Result<Response<Body>, Error> {
        let client = &connected.inbox.client;
        let told = async {
            client.publish_with_headers(subject, headers, payload).await.map_err(|error| self.unsent(error))?;
            client.flush().await.map_err(|cause| self.broken().because(cause))
        };
        tokio::select! {
            told = tokio::time::timeout_at(deadline.into(), told) => {
                told.map_err(|_| self.late())??;
                Ok(answer::accepted(None))
            }
            () = connected.lost() => Err(self.broken()),
        }
    }

    /// Asks, and waits for the one reply.
    async fn ask(
        &self,
        connected: Connected<'_>,
        subject: String,
        headers: HeaderMap,
        payload: Bytes,
        deadline: Instant,
    ) -> Result<Message, Error> {
        let inbox = connected.inbox;
        let awaited = inbox.replies.expect();
        let asked = async {
            let reply = inbox.subject(awaited.number());
            let sent = inbox.client.publish_with_reply_and_headers(subject, reply, headers, payload).await;
            sent.map_err(|error| self.unsent(error))?;
            awaited.reply().await.ok_or_else(|| self.broken())
        };
        let message = tokio::select! {
            asked = tokio::time::timeout_at(deadline.into(), asked) => asked.map_err(|_| self.late())??,
            () = connected.lost() => return Err(self.broken()),
        };
        match message.status == Some(async_nats::StatusCode::NO_RESPONDERS) {
            true => Err(Error::new(
                Kind::DestinationUnavailable,
                format!("nobody listens to what upstream `{}` was asked", self.link.name()),
            )),
            false => Ok(message),
        }
    }

    /// The messages of a subject, from now on. The stream ends with its client, with the connection, and when messages come faster
    /// than they are read.
    async fn listen(&self, connected: Connected<'_>, subject: String) -> Result<Response<Body>, Error> {
        let subscriber = connected.inbox.client.subscribe(subject).await;
        let mut messages = subscriber
            .map_err(|cause| Error::new(Kind::HttpRequestError, "the subject cannot be listened to").because(cause))?;
        let (sender, mut response) = events::stream();
        *response.status_mut() = StatusCode::OK;
        let lost = connected.lost_for_good();
        self.link.runtime().spawn(async move {
            let relay = async {
                while let Some(message) = messages.next().await {
                    if sender.offer(Event::new(&message.payload, None)).is_err() {
                        return;
                    }
                }
            };
            tokio::select! {
                () = relay => {}
                () = sender.closed() => {}
                () = lost => {}
            }
        });
        Ok(response)
    }

    fn unsent(&self, error: PublishError) -> Error {
        match error.kind() {
            PublishErrorKind::MaxPayloadExceeded => {
                Error::new(Kind::BodyTooLarge, "the message is larger than the broker takes")
            }
            PublishErrorKind::InvalidSubject => {
                Error::new(Kind::HttpRequestError, "the request makes a subject that is none")
            }
            PublishErrorKind::Send => self.broken().because(error),
        }
    }

    fn late(&self) -> Error {
        Error::new(Kind::HttpResponseTimeout, format!("upstream `{}` sent no reply in time", self.link.name()))
    }

    fn broken(&self) -> Error {
        let detail = format!("the connection of upstream `{}` broke before it answered", self.link.name());
        Error::new(Kind::ConnectionTerminated, detail)
    }
}

impl Bridge for Nats {
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

/// As fields of a message. The client library panics at what it takes for none.
fn fields(headers: Vec<(String, String)>) -> Result<HeaderMap, Error> {
    let mut fields = HeaderMap::new();
    for (name, value) in headers {
        let unfit = || Error::new(Kind::HttpRequestError, format!("the field `{name}` cannot be one of a message"));
        let field = HeaderName::from_str(&name).map_err(|cause| unfit().because(cause))?;
        fields.insert(field, HeaderValue::from_str(&value).map_err(|cause| unfit().because(cause))?);
    }
    Ok(fields)
}
