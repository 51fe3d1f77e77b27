//! Services that speak another protocol than HTTP: where their broker is, and which message a request becomes.

use super::{Endpoint, PathPattern, Secret};
use serde_json::Value;
use std::fmt;
use std::sync::Arc;

/// What an upstream speaks in place of HTTP.
#[derive(Debug, Clone, PartialEq)]
pub struct Bridge {
    /// The protocol, with what only it has.
    pub protocol: BridgeProtocol,
    /// At least one; any of them will do.
    pub servers: Vec<Endpoint>,
    /// Who to log in as.
    pub username: Option<String>,
    /// With it.
    pub password: Option<Secret>,
    /// Bytes of a message, both ways (1 MiB).
    pub message: usize,
    /// What a request becomes: the first whose path and method it has.
    pub operations: Vec<Operation>,
}

/// The protocol of a broker.
#[derive(Debug, Clone, PartialEq)]
pub enum BridgeProtocol {
    /// NATS.
    Nats {
        /// Shown in place of a user.
        token: Option<Secret>,
        /// The text of a credentials file: a token with its key.
        credentials: Option<Secret>,
    },
    /// AMQP 0-9-1.
    Amqp {
        /// The virtual host (`/`).
        vhost: String,
    },
}

/// What requests with this path and method become.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// The path, as the service gets it.
    pub path: PathPattern,
    /// Empty: any method.
    pub methods: Vec<String>,
    /// What is done.
    pub verb: Verb,
    /// The subject, the routing key or the queue.
    pub to: MessageTemplate,
    /// AMQP: the exchange; empty: the default one.
    pub exchange: String,
    /// Fields of the message.
    pub headers: Vec<(String, MessageTemplate)>,
    /// What is sent in place of the request's body.
    pub payload: Option<Payload>,
    /// What tells the message from others; none: the request's id.
    pub id: Option<MessageTemplate>,
}

/// What is done with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Sent, and its reply is the answer.
    Request,
    /// Sent.
    Publish,
    /// Sent, and a stream has kept it (JetStream).
    Store,
    /// Those that come are the answer, as server-sent events.
    Subscribe,
}

/// Text with `${…}` in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageTemplate {
    /// In order.
    pub parts: Vec<MessagePart>,
}

impl fmt::Display for MessageTemplate {
    /// As it was written.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.parts {
            match part {
                MessagePart::Text(text) => formatter.write_str(text)?,
                MessagePart::Place { source, default: None } => write!(formatter, "${{{source}}}")?,
                MessagePart::Place { source, default: Some(default) } => write!(formatter, "${{{source}:-{default}}}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for MessageSource {
    /// As it was written.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Param(name) => write!(formatter, "param.{name}"),
            Self::Header(name) => write!(formatter, "header.{name}"),
            Self::Query(name) => write!(formatter, "query.{name}"),
            Self::Attribute(name) => write!(formatter, "attribute.{name}"),
            Self::Method => formatter.write_str("method"),
            Self::Path => formatter.write_str("path"),
            Self::Id => formatter.write_str("id"),
        }
    }
}

/// A part of a [`MessageTemplate`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessagePart {
    /// Text as it is.
    Text(String),
    /// Something of the request.
    Place {
        /// What.
        source: MessageSource,
        /// In place of one that is absent or empty; none: the request is refused.
        default: Option<String>,
    },
}

/// Something of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessageSource {
    /// What the operation's path captured, percent-decoded.
    Param(Arc<str>),
    /// A field, by its lower-case name.
    Header(String),
    /// A parameter of the query, decoded.
    Query(String),
    /// An attribute, by its full name.
    Attribute(Arc<str>),
    /// Its method.
    Method,
    /// Its path, as the service gets it.
    Path,
    /// Its id.
    Id,
}

/// JSON with templates in its strings.
#[derive(Debug, Clone, PartialEq)]
pub enum Payload {
    /// As it is.
    Fixed(Value),
    /// A string made for each request.
    Text(MessageTemplate),
    /// A list.
    List(Vec<Payload>),
    /// An object.
    Object(Vec<(String, Payload)>),
}
