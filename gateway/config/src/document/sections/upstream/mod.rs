//! `[upstream.NAME]`.

mod balance;
mod breaker;
mod bridge;
mod discover;
mod endpoint;
mod grpc;
mod health;
mod tls;

pub(crate) use balance::{Balance, KeyBy};
pub(crate) use breaker::Breaker;
pub(crate) use bridge::{Amqp, AmqpOperation, Nats, NatsOperation};
pub(crate) use discover::{Consul, Discover};
pub(crate) use endpoint::EndpointEntry;
pub(crate) use grpc::Grpc;
pub(crate) use health::{Health, Outliers};
pub(crate) use tls::UpstreamTls;

use crate::Protocol;
use crate::document::decode::{NonEmpty, Spanned};
use crate::document::section::section;
use crate::document::value::{Count, Size, Time};

section! {
    /// A service and its endpoints.
    Upstream {
        /// Where it listens: at least one URL, or table that gives one a weight or a priority. A name is asked for again and again.
        "endpoints" => endpoints: NonEmpty<EndpointEntry>, optional;
        /// Where its endpoints are found: `{ dns = "orders.internal:8080" }`.
        "discover" => discover: Discover, optional;
        /// Services behind NATS in place of endpoints.
        "nats" => nats: Nats, optional;
        /// Services behind a broker of AMQP in place of endpoints.
        "amqp" => amqp: Amqp, optional;
        /// Its services speak gRPC, over HTTP/2: requests in JSON become calls of them.
        "grpc" => grpc: Grpc, optional;
        /// What is spoken to it: `http1` when not written, and `http2`, which gRPC needs, where `grpc` is.
        "protocol" => protocol: Spanned<Protocol>, optional;
        /// How TLS is spoken: to endpoints with `https://`, and to all that are found by DNS or in a catalogue.
        "tls" => tls: Spanned<UpstreamTls>, optional;
        /// Which endpoint takes the next request: each in its turn (which holds when not written), the one of two with fewer
        /// requests under way, the one of two that answers sooner, or always the same for the same client:
        /// `{ hash = { cookie = "session" } }`.
        "balance" => balance: Balance, optional;
        /// Asks each endpoint from time to time whether it is well; nobody asks when not written.
        "health" => health: Health, optional;
        /// When an endpoint that fails requests gets none for a while.
        "outliers" => outliers: Outliers, empty;
        /// How long an endpoint that is new or well again gets less than its share, and more by and by; at once all of it when
        /// not written.
        "slow-start" => slow_start: Time, optional;
        /// When nothing is asked of the service for a while; never when not written.
        "breaker" => breaker: Breaker, optional;
        /// How long it may take.
        "timeouts" => timeouts: UpstreamTimeouts, empty;
        /// How much it may be asked at once, and answer.
        "limits" => limits: UpstreamLimits, empty;
        rule ExactlyOne ["endpoints", "discover", "nats", "amqp"];
        rule Needs ["tls", "endpoints", "discover", "nats", "amqp"];
        rule Needs ["grpc", "endpoints", "discover"];
        rule Needs ["protocol", "endpoints", "discover"];
        rule Needs ["balance", "endpoints", "discover"];
        rule Needs ["health", "endpoints", "discover"];
        rule Needs ["outliers", "endpoints", "discover"];
        rule Needs ["slow-start", "endpoints", "discover"];
    }
}

impl Upstream {
    /// What is spoken to its endpoints.
    pub(crate) fn spoken(&self) -> Protocol {
        match (&self.protocol, &self.grpc) {
            (Some(Spanned { value: protocol, .. }), _) => *protocol,
            (None, Some(_)) => Protocol::Http2,
            (None, None) => Protocol::Http1,
        }
    }
}

section! {
    /// How long an upstream may take.
    UpstreamTimeouts {
        /// For the TCP connection.
        "connect" => connect: Time, default(Time::seconds(2));
        /// From the end of the request to the head of the answer.
        "first-byte" => first_byte: Time, default(Time::seconds(30));
        /// Without progress of the answer's body.
        "body" => body: Time, default(Time::seconds(30));
        /// How long a connection is kept without use.
        "idle" => idle: Time, default(Time::seconds(60));
    }
}

section! {
    /// How much an upstream may be asked at once, and answer.
    UpstreamLimits {
        /// Connections at once.
        "connections" => connections: Count, default(Count::new(1024));
        /// Requests under way at once.
        "requests" => requests: Count, default(Count::new(1024));
        /// Requests that wait until they may go.
        "pending" => pending: Count<0>, default(Count::new(1024));
        /// Requests at once that are sent once more.
        "retries" => retries: Count<0>, default(Count::new(3));
        /// The head of an answer.
        "header" => header: Size<1024, 16_777_216>, default(Size::kib(64));
        /// Fields of an answer's head.
        "headers" => headers: Count<1, 10_000>, default(Count::new(100));
    }
}
