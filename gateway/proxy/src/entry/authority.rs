//! The one authority of a request (RFC 9112 3.2, RFC 9113 8.3.1).

use crate::memory;
use gateway_core::{Error, Kind};
use http::uri::Authority;
use http::{HeaderValue, Uri, Version};
use std::sync::Arc;

/// `host` fields, and the authorities that they name.
pub(super) type Memory = memory::Memory<(HeaderValue, Arc<str>)>;

fn keep(memory: &Memory, field: &HeaderValue, authority: String) -> Arc<str> {
    let authority = Arc::from(authority);
    // A copy: the field is a part of all that was read with it, which is not to be held.
    if let Ok(field) = HeaderValue::from_bytes(field.as_bytes()) {
        memory.keep((field, Arc::clone(&authority)));
    }
    authority
}

/// Where the request was meant to go: the target's authority and the `host` field, which must agree.
///
/// # Errors
/// None where one is required, one that differs, or one that is no authority.
pub(super) fn of(uri: &Uri, field: Option<&HeaderValue>, version: Version, memory: &Memory) -> Result<Arc<str>, Error> {
    let bad = |detail: &str| Error::new(Kind::HttpRequestError, detail);
    if let (Some(field), None) = (field, uri.authority())
        && let Some(authority) = memory.recall(|(known, _)| known == field, |(_, authority)| Arc::clone(authority))
    {
        return Ok(authority);
    }
    let written = field;
    let field = match field {
        Some(field) => Some(parse(field.as_bytes()).ok_or_else(|| bad("the host field is not a host and port"))?),
        None => None,
    };
    let target = match uri.authority() {
        Some(authority) => Some(
            parse(authority.as_str().as_bytes()).ok_or_else(|| bad("the target's authority is not a host and port"))?,
        ),
        None => None,
    };
    match (target, field) {
        (Some(target), Some(field)) if !target.eq_ignore_ascii_case(&field) => {
            Err(bad("the host field is not the target's"))
        }
        // RFC 9112 3.2: required in HTTP/1.1, whatever the form of the target.
        (_, None) if version == Version::HTTP_11 => Err(bad("the host field is missing")),
        (Some(target), _) => Ok(target.into()),
        (None, Some(field)) => {
            Ok(written.map_or_else(|| Arc::from(&*field), |written| keep(memory, written, field.clone())))
        }
        (None, None) if version < Version::HTTP_11 => Ok("".into()),
        (None, None) => Err(bad("the authority is missing")),
    }
}

/// Host and port, lower-case, without user information. Strict: `http` takes more than RFC 3986 3.2.2 does.
fn parse(text: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(text).ok()?;
    let authority: Authority = text.parse().ok()?;
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let port_holds = port.is_none_or(|port| {
        port.parse::<u16>().is_ok_and(|port| port > 0) && port.bytes().all(|byte| byte.is_ascii_digit())
    });
    let host_holds = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty()
                && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte))
        }
    };
    (port_holds && host_holds && authority.host() == host).then(|| text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// HARDENING P2.
    #[test]
    fn only_a_host_and_a_port_are_an_authority() {
        for good in ["example.com", "EXAMPLE.com:80", "127.0.0.1:8080", "[::1]", "[::1]:8080", "a_b.example"] {
            assert_eq!(parse(good.as_bytes()), Some(good.to_ascii_lowercase()), "{good}");
        }
        for bad in [
            "", "a b", "a/b", "a@b", "a#b", "a?b", "a\tb", "a\0b", "a:b", "a:99999", "a:", "a:0", "a:+1", "[::1",
            "::1", "[a]", "[::1]x", "http://a", "a,b:1:2", "a%41",
        ] {
            assert_eq!(parse(bad.as_bytes()), None, "{bad:?}");
        }
    }
}
