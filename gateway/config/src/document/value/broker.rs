//! Where a broker listens: `nats://host:port`, `amqp://host:port`, or over TLS.

use super::endpoint::split_port;
use super::host::host_fault;
use super::{Fault, Scalar, Text};
use crate::Endpoint;

/// The URL of a NATS server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NatsUrl(pub(crate) Endpoint);

impl Scalar for NatsUrl {
    const CODE: &'static str = "invalid-url";
    const TEXT: Text = Text {
        what: "the URL of a NATS server",
        example: Some("nats://127.0.0.1:4222"),
        pattern: Some("^(nats|tls)://[^/?#@]+$"),
    };

    fn parse(text: &str) -> Result<Self, Fault> {
        parse(text, ("nats", 4222), ("tls", 4222)).map(Self)
    }
}

/// The URL of a broker of AMQP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AmqpUrl(pub(crate) Endpoint);

impl Scalar for AmqpUrl {
    const CODE: &'static str = "invalid-url";
    const TEXT: Text = Text {
        what: "the URL of a broker of AMQP",
        example: Some("amqp://127.0.0.1:5672"),
        pattern: Some("^amqps?://[^/?#@]+$"),
    };

    fn parse(text: &str) -> Result<Self, Fault> {
        parse(text, ("amqp", 5672), ("amqps", 5671)).map(Self)
    }
}

fn parse(text: &str, plain: (&str, u16), secure: (&str, u16)) -> Result<Endpoint, Fault> {
    let shown = text.escape_debug();
    let (tls, authority) = match text.split_once("://") {
        Some((scheme, authority)) if scheme == plain.0 => (false, authority),
        Some((scheme, authority)) if scheme == secure.0 => (true, authority),
        Some((scheme, _)) => {
            let fault = Fault::new(format!("`{}` is no scheme of this broker", scheme.escape_debug()));
            return Err(fault.hint(format!("`{}` or, for TLS, `{}`", plain.0, secure.0)));
        }
        None => {
            return Err(Fault::new(format!("`{shown}` is no URL")).hint(format!("write `\"{}://{shown}\"`", plain.0)));
        }
    };
    if authority.contains('@') {
        // What stands before it may be a password: it is not repeated.
        let fault = Fault::new("a broker's URL has no user and no password here");
        return Err(fault.hint("write `username = \"…\"` and `password = { secret = \"NAME\" }` beside it"));
    }
    if authority.contains(['/', '?', '#']) {
        return Err(Fault::new("only a host and a port may stand here, no path or query"));
    }
    let (host, port) = split_port(authority)?;
    if let Some(fault) = host_fault(host) {
        return Err(fault);
    }
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    let port = port.unwrap_or(if tls { secure.1 } else { plain.1 });
    Ok(Endpoint { host: bare.to_ascii_lowercase(), port, tls, weight: 1, priority: 0 })
}
