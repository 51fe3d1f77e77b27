//! Where a Redis listens: `redis://host:port`, `rediss://host:port/database`.

use super::host::host_fault;
use super::{Fault, Scalar, Text};

/// The URL of a Redis, without user and password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RedisUrl {
    /// As it was written.
    pub(crate) url: String,
    /// By TLS.
    pub(crate) tls: bool,
}

impl Scalar for RedisUrl {
    const CODE: &'static str = "invalid-url";
    const TEXT: Text = Text {
        what: "the URL of a Redis",
        example: Some("redis://127.0.0.1:6379"),
        pattern: Some("^rediss?://[^/?#@]+(/[0-9]*)?$"),
    };

    fn parse(text: &str) -> Result<Self, Fault> {
        let (tls, rest) = match text.split_once("://") {
            Some(("redis", rest)) => (false, rest),
            Some(("rediss", rest)) => (true, rest),
            Some((scheme, _)) => {
                let fault = Fault::new(format!("`{}` is no scheme of a Redis", scheme.escape_debug()));
                return Err(fault.hint("`redis` or, for TLS, `rediss`"));
            }
            None => {
                let fault = Fault::new(format!("`{}` is no URL", text.escape_debug()));
                return Err(fault.hint(format!("write `\"redis://{}\"`", text.escape_debug())));
            }
        };
        if rest.contains('@') {
            // What stands before it may be a password: it is not repeated.
            let fault = Fault::new("a URL of a Redis has no user and no password here");
            return Err(fault.hint("write `username = \"…\"` and `password = { secret = \"NAME\" }` beside it"));
        }
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        if !database.bytes().all(|byte| byte.is_ascii_digit()) {
            let fault = Fault::new(format!("`{}` is no number of a database", database.escape_debug()));
            return Err(fault.hint("for example `\"redis://127.0.0.1:6379/1\"`"));
        }
        let after_address = authority.rfind(']').map_or(0, |bracket| bracket + 1);
        let colon = authority.get(after_address..).and_then(|rest| rest.find(':'));
        let (host, port) = authority.split_at(colon.map_or(authority.len(), |colon| after_address + colon));
        if let Some(fault) = host_fault(host) {
            return Err(fault);
        }
        let digits = port.trim_start_matches(':');
        if !port.is_empty() && !matches!(digits.parse::<u16>(), Ok(1..)) {
            return Err(Fault::new(format!("`{digits}` is no port")).hint("a number from 1 to 65535"));
        }
        Ok(Self { url: text.to_owned(), tls })
    }
}
