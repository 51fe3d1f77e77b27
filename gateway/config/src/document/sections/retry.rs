//! `retry` of a route: when a request is sent once more.

use toml::de::DeValue;

use crate::document::decode::{Decode, Decoder, Node};
use crate::document::definition::Shape;
use crate::document::section::section;
use crate::document::value::{Count, Statuses, Time, choice};

section! {
    /// When a request is sent once more, to another endpoint where there is one. One that may have reached a service is so only
    /// where its method is idempotent (RFC 9110 9.2.2) and it has no body; a fifth of the requests and 10 a second at most.
    Retry {
        /// How many times.
        "times" => times: Count<0, 10>, default(Count::new(1));
        /// On what: no connection, a connection that was closed before it answered, no answer in time, a status as `503` or
        /// `"5xx"`, or a gRPC status; on `connect` and `reset` when not written.
        "on" => on: Vec<Condition>, empty;
        /// How long each try may take until the head of its answer; as long as the request when not written.
        "per-try" => per_try: Time, optional;
        /// Before the second try about so long, before each further one twice as long, but for chance.
        "back-off" => back_off: Time, default(Time::milliseconds(10));
    }
}

/// What a request is sent once more for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Condition {
    Word(Word),
    Statuses(Statuses),
}

/// What is no status of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    Connect,
    Reset,
    Timeout,
    Cancelled,
    DeadlineExceeded,
    ResourceExhausted,
    Internal,
    Unavailable,
}

choice!(Word {
    "connect" => Connect,
    "reset" => Reset,
    "timeout" => Timeout,
    "grpc-cancelled" => Cancelled,
    "grpc-deadline-exceeded" => DeadlineExceeded,
    "grpc-resource-exhausted" => ResourceExhausted,
    "grpc-internal" => Internal,
    "grpc-unavailable" => Unavailable,
});

impl Decode for Condition {
    fn shape() -> Shape {
        Shape::Either(vec![Word::shape(), Statuses::shape()])
    }

    fn decode(node: &Node<'_>, decoder: &mut Decoder<'_>) -> Option<Self> {
        match node.get_ref() {
            DeValue::String(text) if !text.starts_with(|letter: char| letter.is_ascii_digit()) => {
                Word::decode(node, decoder).map(Self::Word)
            }
            _ => Statuses::decode(node, decoder).map(Self::Statuses),
        }
    }
}
