//! `websocket`, of routes.

use toml::de::DeValue;

use crate::document::decode::{Decode, Decoder, Node};
use crate::document::definition::Shape;
use crate::document::section::section;
use crate::document::value::Time;

section! {
    /// WebSocket connections: by an HTTP/1.1 upgrade, and over HTTP/2 by RFC 8441.
    WebSocket {
        /// One on which nothing has come from either side for so long is closed.
        "idle" => idle: Time, default(Time::seconds(300));
    }
}

/// `true`, `false`, or how.
#[derive(Debug, Clone)]
pub(crate) enum WebSocketSwitch {
    /// Not at all.
    Off,
    /// With what was written, which is nothing for `true`.
    On(WebSocket),
}

impl Decode for WebSocketSwitch {
    fn shape() -> Shape {
        Shape::Either(vec![Shape::Boolean, WebSocket::shape()])
    }

    fn decode(node: &Node<'_>, decoder: &mut Decoder<'_>) -> Option<Self> {
        match node.get_ref() {
            DeValue::Boolean(false) => Some(Self::Off),
            DeValue::Boolean(true) => Some(Self::On(WebSocket::default())),
            DeValue::Table(_) => WebSocket::decode(node, decoder).map(Self::On),
            _ => {
                decoder.wrong_type(node, "`true`, `false` or a table", None);
                None
            }
        }
    }
}
