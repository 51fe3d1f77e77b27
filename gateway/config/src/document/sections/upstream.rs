//! `[upstream.NAME]`.

use crate::document::decode::NonEmpty;
use crate::document::section::section;
use crate::document::value::{Count, EndpointUrl, Size, Time};

section! {
    /// A service and its endpoints.
    Upstream {
        /// Where it listens: at least one.
        "endpoints" => endpoints: NonEmpty<EndpointUrl>, required;
        /// How long it may take.
        "timeouts" => timeouts: UpstreamTimeouts, empty;
        /// How much it may be asked at once, and answer.
        "limits" => limits: UpstreamLimits, empty;
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
        /// Requests that wait for a connection.
        "pending" => pending: Count<0>, default(Count::new(1024));
        /// The head of an answer.
        "header" => header: Size<1024, 16_777_216>, default(Size::kib(64));
        /// Fields of an answer's head.
        "headers" => headers: Count<1, 10_000>, default(Count::new(100));
    }
}
