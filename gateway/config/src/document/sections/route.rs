//! `[[route]]`.

use super::retry::Retry;
use super::upstream::KeyBy;
use super::{CacheSwitch, ChainEntry, CompressSwitch, WebSocketSwitch};
use crate::document::decode::{Decode, Decoder, Named, Node, NonEmpty, Spanned};
use crate::document::definition::{Shape, Text};
use crate::document::section::section;
use crate::document::value::{
    Count, ExactPath, FieldName, FieldValue, HostName, HostPattern, LocationTemplate, MethodName, Name, PathTemplate,
    PlainPath, PlainText, PrefixPath, Priority, Scalar, Size, Time, choice,
};
use crate::{Diagnostic, HostPolicy, ValueMatch};

section! {
    /// What answers which requests. Where several routes match, the one with the highest priority wins, then the most
    /// specific: by host, path, method, header fields and query parameters, in this order.
    Route {
        /// For logs, metrics and `gateway explain`.
        "name" => name: Spanned<Name>, required;
        /// The one listener that serves it.
        "listener" => listener: Spanned<Name>, optional;
        /// The listeners that serve it; all when neither is written.
        "listeners" => listeners: NonEmpty<Spanned<Name>>, empty;
        /// What a request must be; any request when not written.
        "match" => matches: Match, empty;
        /// Wins over specificity.
        "priority" => priority: Priority, default(Priority(0));
        /// Names of plugins and chains, or tables that give a plugin a configuration of its own.
        "chain" => chain: Vec<ChainEntry>, empty;
        /// The service that answers.
        "upstream" => upstream: Spanned<Name>, optional;
        /// Several services that share the requests, each with its weight: `{ orders = 95, orders-next = 5 }`.
        "split" => split: Named<Name, Count<0, 1000>>, empty;
        /// What a client is known by that shall stay with its part of a split; each request is drawn anew when not written.
        "split-by" => split_by: KeyBy, optional;
        /// The plugin that answers.
        "answer" => answer: ChainEntry, optional;
        /// Where the client is sent.
        "redirect" => redirect: Redirect, optional;
        /// A fixed response.
        "respond" => respond: Respond, optional;
        /// How the path is changed on its way to the upstream.
        "rewrite" => rewrite: Rewrite, optional;
        /// Which `Host` the upstream sees: `"endpoint"` (its own, which holds when not written), `"preserve"` (the
        /// client's), or a name.
        "host-header" => host_header: HostHeader, optional;
        /// When a request is sent once more.
        "retry" => retry: Retry, empty;
        /// Lets clients open WebSocket connections to the upstream: `true`, or a table; none when not written. The handshake is a
        /// request like any other; what comes after it passes as it is.
        "websocket" => websocket: WebSocketSwitch, optional;
        /// Lets browsers call services that speak gRPC, by gRPC-Web: it becomes gRPC on its way to the upstream.
        "grpc-web" => grpc_web: bool, default(false);
        /// For the whole request, its chain and every try, up to the head of the answer.
        "deadline" => deadline: Time, default(Time::seconds(60));
        /// What is accepted in requests that is refused otherwise.
        "allow" => allow: Vec<Leniency>, empty;
        /// How much a client may send.
        "limits" => limits: RouteLimits, empty;
        /// Whether answers are kept and given again: `true`, or a table; not when not written.
        "cache" => cache: CacheSwitch, optional;
        /// Which answers are compressed: `true` for those that are worth it, or a table. It replaces the listener's, which holds
        /// when not written.
        "compress" => compress: CompressSwitch, optional;
        rule ExactlyOne ["upstream", "split", "answer", "redirect", "respond"];
        rule AtMostOne ["listener", "listeners"];
        rule Needs ["split-by", "split"];
        rule Needs ["rewrite", "upstream", "split"];
        rule Needs ["host-header", "upstream", "split"];
        rule Needs ["retry", "upstream", "split"];
        rule Needs ["cache", "upstream", "split", "answer"];
        rule Needs ["websocket", "upstream", "split"];
        rule Needs ["grpc-web", "upstream", "split"];
    }
}

section! {
    /// What a request must be; all of it holds.
    Match {
        /// `api.example.com`, or `*.example.com` for all names below it.
        "host" => host: HostPattern, optional;
        /// The whole path. `{name}` captures one segment, `{*name}` at the end all that is left.
        "path" => path: Spanned<ExactPath>, optional;
        /// The path or what it begins with, up to a slash.
        "prefix" => prefix: Spanned<PrefixPath>, optional;
        /// Any of these methods.
        "methods" => methods: NonEmpty<MethodName>, empty;
        /// Header fields: the value, or `true` for any.
        "headers" => headers: Named<FieldName, ValueMatch>, empty;
        /// Query parameters: the value, or `true` for any.
        "query" => query: Named<PlainText, ValueMatch>, empty;
        rule AtMostOne ["path", "prefix"];
    }
}

impl Decode for ValueMatch {
    fn shape() -> Shape {
        Shape::Either(vec![PlainText::shape(), Shape::True])
    }

    fn decode(node: &Node<'_>, decoder: &mut Decoder<'_>) -> Option<Self> {
        let value = node.get_ref();
        match (value.as_str(), value.as_bool()) {
            (Some(text), _) => Some(Self::Exact(text.to_owned())),
            (_, Some(true)) => Some(Self::Present),
            _ => {
                decoder.wrong_type(node, "a string, or `true` for any value", None);
                None
            }
        }
    }
}

section! {
    /// Where the client is sent.
    Redirect {
        /// 301, 302, 303, 307 or 308.
        "status" => status: RedirectStatus, default(RedirectStatus(308));
        /// A URL or a path; `{name}` stands for what the path captured.
        "to" => to: Spanned<LocationTemplate>, required;
    }
}

/// The status of a redirection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RedirectStatus(pub(crate) u16);

const REDIRECTIONS: &[u16] = &[301, 302, 303, 307, 308];

impl Decode for RedirectStatus {
    fn shape() -> Shape {
        Shape::Number(REDIRECTIONS)
    }

    fn decode(node: &Node<'_>, decoder: &mut Decoder<'_>) -> Option<Self> {
        let Count::<100, 599> { .. } = Count::decode(node, decoder)?;
        let status = node.get_ref().as_integer().and_then(|integer| integer.as_str().parse().ok());
        let status = status.filter(|status| REDIRECTIONS.contains(status));
        if status.is_none() {
            let diagnostic = Diagnostic::error("out-of-range", "this status does not redirect");
            decoder.report(node, diagnostic.hint("301, 302, 303, 307 or 308"));
        }
        status.map(Self)
    }
}

impl From<RedirectStatus> for serde_json::Value {
    fn from(status: RedirectStatus) -> Self {
        status.0.into()
    }
}

section! {
    /// A fixed response.
    Respond {
        /// 200 to 599.
        "status" => status: Spanned<Count<200, 599>>, required;
        /// Header fields, in order.
        "headers" => headers: Named<FieldName, FieldValue>, empty;
        /// The body; a problem document for a status of 400 and above when not written.
        "body" => body: Spanned<PlainText>, optional;
    }
}

section! {
    /// How the path is changed on its way to the upstream: made anew from a template, or its beginning exchanged.
    Rewrite {
        /// The new path; `{name}` stands for what the path captured.
        "path" => path: Spanned<PathTemplate>, optional;
        /// Removed from the beginning where it is there.
        "strip" => strip: PlainPath, optional;
        /// Put in front, once `strip` is removed.
        "add" => add: PlainPath, optional;
        rule AtMostOne ["path", "strip"];
        rule AtMostOne ["path", "add"];
    }
}

/// Which `Host` the upstream sees.
#[derive(Debug, Clone)]
pub(crate) struct HostHeader(pub(crate) HostPolicy);

impl Scalar for HostHeader {
    const CODE: &'static str = HostName::CODE;
    const TEXT: Text = HostName::TEXT;

    fn parse(text: &str) -> Result<Self, crate::document::value::Fault> {
        match text {
            "endpoint" => Ok(Self(HostPolicy::Endpoint)),
            "preserve" => Ok(Self(HostPolicy::Preserve)),
            name => HostName::parse(name).map(|HostName(name)| Self(HostPolicy::Fixed(name))),
        }
    }
}

/// What is accepted that is refused otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leniency {
    /// `%2F` in the path.
    EncodedSlash,
    /// `%5C` and `\` in the path.
    Backslash,
    /// `%00` in the path.
    EncodedNul,
    /// `_` in field names.
    Underscore,
}

choice!(Leniency {
    "encoded-slash" => EncodedSlash,
    "backslash" => Backslash,
    "encoded-nul" => EncodedNul,
    "underscore" => Underscore,
});

section! {
    /// How much a client may send, and all of them may ask at once.
    RouteLimits {
        /// A request's body; as for the listener when not written.
        "body" => body: Size<0>, optional;
        /// Requests under way at once; unbounded when not written.
        "requests" => requests: Count, optional;
        /// Requests that wait until they may go on; the next one gets 503.
        "pending" => pending: Count<0>, default(Count::new(0));
        rule Needs ["pending", "requests"];
    }
}
