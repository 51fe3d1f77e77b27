//! The kinds of values: each is one type that knows how it is written, which values are valid, and what to say of others.

mod address;
mod amount;
mod broker;
mod choice;
mod duration;
mod endpoint;
mod field;
mod host;
mod json;
mod log;
mod media;
mod message;
mod method;
mod name;
mod network;
mod path;
mod percent;
mod ratio;
mod redis;
mod service;
mod status;
mod target;
mod template;

pub(crate) use address::{AdminAddress, ListenAddress, ResolverAddress};
pub(crate) use amount::{Count, Priority, Size};
pub(crate) use broker::{AmqpUrl, NatsUrl};
pub(crate) use choice::choice;
pub(crate) use duration::{Age, Time};
pub(crate) use endpoint::{EndpointUrl, HostAndPort, HttpGrant};
pub(crate) use field::{FieldName, FieldValue};
pub(crate) use host::{HostName, HostPattern};
pub(crate) use json::JsonConfig;
pub(crate) use log::LogFieldName;
pub(crate) use media::MediaTypeText;
pub(crate) use message::MessageText;
pub(crate) use method::MethodName;
pub(crate) use name::{Name, PlainText, RelativeFile, Sha256};
pub(crate) use network::NetworkText;
pub(crate) use path::{ExactPath, PlainPath, PrefixPath};
pub(crate) use percent::Percent;
pub(crate) use ratio::Ratio;
pub(crate) use redis::RedisUrl;
pub(crate) use service::{ServiceName, SrvName};
pub(crate) use status::Statuses;
pub(crate) use target::Target;
pub(crate) use template::{LocationTemplate, PathTemplate};

#[cfg(test)]
mod tests;

use toml::de::DeValue;

use super::decode::{Decode, Decoder, Node};
use super::definition::{Shape, Text};
use crate::Diagnostic;

/// What is wrong with a text, and what to do about it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// One sentence without a final period.
    pub(crate) message: String,
    /// What to write instead.
    pub(crate) hint: Option<String>,
}

impl Fault {
    /// A fault that speaks for itself.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    /// With what to write instead.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// A value that is written as a string of a certain form.
pub(crate) trait Scalar: Sized {
    /// The code of the diagnostic about a malformed one.
    const CODE: &'static str;
    /// What it looks like.
    const TEXT: Text;

    /// Reads it.
    fn parse(text: &str) -> Result<Self, Fault>;
}

impl<T: Scalar> Decode for T {
    fn shape() -> Shape {
        Shape::Text(T::TEXT)
    }

    fn decode(node: &Node<'_>, decoder: &mut Decoder<'_>) -> Option<Self> {
        let Some(text) = node.get_ref().as_str() else {
            let is_number = matches!(node.get_ref(), DeValue::Integer(_) | DeValue::Float(_));
            let example = T::TEXT.example.filter(|_| is_number);
            let hint = example.map(|example| format!("for example `\"{example}\"`"));
            decoder.wrong_type(node, T::TEXT.what, hint);
            return None;
        };
        match T::parse(text) {
            Ok(value) => Some(value),
            Err(fault) => {
                decoder.report(node, Diagnostic::error(T::CODE, fault.message).maybe_hint(fault.hint));
                None
            }
        }
    }
}
