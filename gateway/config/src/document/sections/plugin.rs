//! `[plugin.NAME]`.

use super::LimitGrant;
use crate::OnError;
use crate::document::decode::Spanned;
use crate::document::section::section;
use crate::document::value::{Count, HttpGrant, JsonConfig, Name, RelativeFile, Sha256, Size, Time, choice};

section! {
    /// Configuration, grants and limits of a plugin. One that needs none of them needs no section: dropping its file
    /// is enough.
    Plugin {
        /// Its component, relative to the plugin folder; `NAME.wasm` when not written.
        "file" => file: Spanned<RelativeFile>, optional;
        /// Refuse any other content of the file.
        "sha256" => sha256: Sha256, optional;
        /// Handed to the plugin. `{ secret = "NAME" }` stands for a secret's value.
        "config" => config: JsonConfig, empty;
        /// What it may do; nothing beyond the request when not written.
        "grants" => grants: Grants, empty;
        /// How much it may take.
        "limits" => limits: Limits, empty;
        /// What happens to a request when it fails: answer 503, or go on without it.
        "on_error" => on_error: OnError, default(OnError::Deny);
        /// Bodies with a `content-encoding` of gzip, br or zstd are decoded before the plugin reads them, to at most its
        /// `limits.body`, and go on like that.
        "decode" => decode: bool, default(false);
        /// Whether an instance serves request after request, or each request gets a fresh one.
        "isolation" => isolation: Isolation, default(Isolation::Reuse);
    }
}

choice!(OnError { "deny" => Deny, "skip" => Skip });

/// How long an instance lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Isolation {
    /// For many requests.
    Reuse,
    /// For one.
    Request,
}

choice!(Isolation { "reuse" => Reuse, "request" => Request });

section! {
    /// What a plugin may do.
    Grants {
        /// Write who the consumer is: the attributes `consumer`, `claims` and `groups`.
        "identity" => identity: bool, default(false);
        /// Call these: names of upstreams, or origins such as `https://idp.example`.
        "http" => http: Vec<Spanned<HttpGrant>>, empty;
        /// Read these secrets.
        "secrets" => secrets: Vec<Spanned<Name>>, empty;
        /// Send a request to these upstreams instead of the route's.
        "set-upstream" => set_upstream: Vec<Spanned<Name>>, empty;
        /// Take from budgets, such as rate limits: `true` counts them in the memory of this gateway, the name of a `[store]` has
        /// several gateways count together.
        "limit" => limit: LimitGrant, empty;
        /// Keep its values in this `[store]`, not in the memory of this gateway.
        "kv" => kv: Spanned<Name>, optional;
        /// Have signatures of tokens and hashes of passwords verified.
        "crypto" => crypto: bool, default(false);
    }
}

section! {
    /// How much a plugin may take.
    Limits {
        /// CPU time of one call.
        "cpu" => cpu: Time, default(Time::milliseconds(10));
        /// CPU time of start-up and configuration.
        "start" => start: Time, default(Time::seconds(1));
        /// One call in all, waiting included; what the route has left when not written.
        "wall" => wall: Time, optional;
        /// Memory of one instance.
        "memory" => memory: Size<65_536, 4_294_967_296>, default(Size::mib(64));
        /// A body that the gateway gathers for it.
        "body" => body: Size<1, 1_073_741_824>, default(Size::mib(1));
        /// Calls that wait for something outside at once.
        "waiting" => waiting: Count, default(Count::new(64));
        /// Calls before an instance is thrown away.
        "reuse" => reuse: Count<1, 1_000_000_000>, default(Count::new(10_000));
    }
}

impl Limits {
    /// These, and where one was not written, that of `other`.
    pub(crate) fn or(&self, other: &Self) -> Self {
        Self {
            cpu: self.cpu.or(other.cpu),
            start: self.start.or(other.start),
            wall: self.wall.or(other.wall),
            memory: self.memory.or(other.memory),
            body: self.body.or(other.body),
            waiting: self.waiting.or(other.waiting),
            reuse: self.reuse.or(other.reuse),
        }
    }
}
