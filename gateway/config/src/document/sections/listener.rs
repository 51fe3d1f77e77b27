//! `[[listener]]`.

use super::{ChainEntry, CompressSwitch, HttpsPort, Tls};
use crate::document::decode::Spanned;
use crate::document::section::section;
use crate::document::value::{Count, ListenAddress, Name, Size, Time};

section! {
    /// A socket that takes requests.
    Listener {
        /// What routes call it.
        "name" => name: Spanned<Name>, required;
        /// Where it listens. Port 0 lets the system choose.
        "address" => address: Spanned<ListenAddress>, required;
        /// How long a client may take.
        "timeouts" => timeouts: ListenerTimeouts, empty;
        /// How much a client may send.
        "limits" => limits: ListenerLimits, empty;
        /// Runs before every route's own chain, and for requests that no route matches.
        "chain" => chain: Vec<ChainEntry>, empty;
        /// Which answers are compressed, on routes that say nothing of it: `true` for those that are worth it, or a table; none
        /// when not written.
        "compress" => compress: CompressSwitch, optional;
        /// HTTPS; without it the listener takes plain HTTP.
        "tls" => tls: Tls, optional;
        /// Sends every request to the same place by HTTPS, with status 308: `true`, or the port where it is not 443.
        "redirect-https" => redirect_https: HttpsPort, optional;
        rule AtMostOne ["tls", "redirect-https"];
    }
}

section! {
    /// How long a client may take.
    ListenerTimeouts {
        /// From the first byte of a request's head to its end.
        "header" => header: Time, default(Time::seconds(10));
        /// Between requests.
        "idle" => idle: Time, default(Time::seconds(60));
        /// Without progress of a request's body.
        "body" => body: Time, default(Time::seconds(30));
        /// For a request's body in all.
        "body-total" => body_total: Time, default(Time::seconds(300));
        /// Without progress of a response.
        "write" => write: Time, default(Time::seconds(30));
    }
}

section! {
    /// How much a client may send.
    ListenerLimits {
        /// The head of a request.
        "header" => header: Size<1024, 16_777_216>, default(Size::kib(64));
        /// Fields of a head.
        "headers" => headers: Count<1, 10_000>, default(Count::new(100));
        /// The request target.
        "target" => target: Size<64, 16_777_216>, default(Size::kib(8));
        /// Connections at once.
        "connections" => connections: Count, default(Count::new(10_000));
        /// A request's body; unbounded when not written.
        "body" => body: Size<0>, optional;
    }
}
