//! Who may ask, and from where: the token, and what keeps pages that somebody looks at from asking in his name.
//!
//! A page from elsewhere can make a browser send requests to this machine. It learns nothing, because no answer allows that; it
//! changes nothing, because it can set neither the media type of JSON nor hide where it comes from; and where its own name was
//! made to lead here (DNS rebinding), the host gives it away.

use super::reply::Problem;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use gateway_config::Secret;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, ORIGIN};
use http::{HeaderMap, HeaderName, StatusCode};
use sha2::{Digest as _, Sha256};
use std::net::IpAddr;

/// Who can reach the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// A socket in the file system, which only its owner may open.
    Owner,
    /// Everybody on this machine.
    Machine,
    /// Everybody.
    Anybody,
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether somebody may ask for this.
///
/// `is_open` is what is told to everybody: that the process lives, and the page that asks for the token.
pub(super) fn admit(reach: Reach, token: Option<&Secret>, is_open: bool, headers: &HeaderMap) -> Result<(), Problem> {
    match (token, reach) {
        (Some(_), _) if is_open => {}
        (Some(token), _) if shows(headers, token) => {}
        (Some(_), _) => return Err(Problem::new(StatusCode::UNAUTHORIZED, "the token of `[admin]` is asked for")),
        // The configuration has become another one since the socket was bound.
        (None, Reach::Anybody) => {
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                "this address can be reached from elsewhere and has no token any more",
            ));
        }
        (None, Reach::Machine) if !names_this_machine(headers) => {
            return Err(Problem::new(StatusCode::FORBIDDEN, "the host is not `localhost` or a loopback address"));
        }
        (None, _) => {}
    }
    Ok(())
}

/// Whether what changes something comes from somebody who means it.
pub(super) fn intended(headers: &HeaderMap) -> Result<(), Problem> {
    if !is_own(headers) {
        return Err(Problem::new(StatusCode::FORBIDDEN, "not from a page of somebody else"));
    }
    let media = headers.get(CONTENT_TYPE).and_then(|media| media.to_str().ok()).unwrap_or_default();
    let (media, _) = media.split_once(';').unwrap_or((media, ""));
    match media.trim().eq_ignore_ascii_case("application/json") {
        true => Ok(()),
        false => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "write `content-type: application/json`, as `curl --json` does",
        )),
    }
}

/// Compared by their hashes, in the same time whatever differs.
fn shows(headers: &HeaderMap, token: &Secret) -> bool {
    let shown = headers.get(AUTHORIZATION).map(|shown| shown.as_bytes()).unwrap_or_default();
    let Some((scheme, shown)) = shown.split_at_checked(7) else { return false };
    let equal = verify_slices_are_equal(&Sha256::digest(shown), &Sha256::digest(token.reveal()));
    scheme.eq_ignore_ascii_case(b"bearer ") && equal.is_ok()
}

/// One host, and it is a name or an address of this machine.
fn names_this_machine(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next().and_then(|host| host.to_str().ok()), hosts.next()) else { return false };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// No browser sends it, or one that shows our own page.
fn is_own(headers: &HeaderMap) -> bool {
    let site = headers.get(SEC_FETCH_SITE).map(|site| site.as_bytes());
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let same = |origin: &str| origin.split_once("://").is_some_and(|(_, origin)| origin.eq_ignore_ascii_case(host));
    matches!(site, None | Some(b"same-origin" | b"none"))
        && headers.get_all(ORIGIN).iter().all(|origin| origin.to_str().is_ok_and(same))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn fields(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        headers
    }

    fn code(admitted: Result<(), Problem>) -> u16 {
        admitted.map_or_else(|problem| problem.status.as_u16(), |()| 200)
    }

    fn status(reach: Reach, token: Option<&str>, given: &[(&'static str, &'static str)]) -> u16 {
        code(admit(reach, token.map(Secret::new).as_ref(), false, &fields(given)))
    }

    #[test]
    fn a_machines_own_address_is_asked_by_its_name() {
        for (host, expected) in [
            ("localhost", 200),
            ("LOCALHOST:9901", 200),
            ("127.0.0.1:9901", 200),
            ("127.8.9.1", 200),
            ("[::1]:9901", 200),
            ("attacker.example", 403),
            ("localhost.attacker.example:9901", 403),
            ("127.0.0.1.attacker.example", 403),
            ("10.0.0.1:9901", 403),
            ("", 403),
        ] {
            assert_eq!(status(Reach::Machine, None, &[("host", host)]), expected, "{host}");
        }
        assert_eq!(status(Reach::Machine, None, &[]), 403);
        assert_eq!(status(Reach::Machine, None, &[("host", "localhost"), ("host", "localhost")]), 403);
        assert_eq!(status(Reach::Owner, None, &[("host", "anything")]), 200);
        assert_eq!(status(Reach::Anybody, None, &[("host", "localhost")]), 403, "fails closed");
    }

    #[test]
    fn only_the_token_opens() {
        let asked = |shown| status(Reach::Anybody, Some("0123456789abcdef"), &[("authorization", shown)]);
        for (shown, expected) in [
            ("Bearer 0123456789abcdef", 200),
            ("bearer 0123456789abcdef", 200),
            ("Bearer 0123456789abcdeF", 401),
            ("Bearer 0123456789abcde", 401),
            ("Bearer ", 401),
            ("Bear", 401),
            ("Basic 0123456789abcdef", 401),
            ("0123456789abcdef", 401),
        ] {
            assert_eq!(asked(shown), expected, "{shown}");
        }
    }

    #[test]
    fn what_changes_something_comes_from_no_other_page() {
        let json = ("content-type", "application/json");
        let asked = |fields: &[(&'static str, &'static str)]| {
            code(intended(&self::fields(&[&[("host", "localhost:9901")], fields].concat())))
        };
        assert_eq!(asked(&[json]), 200);
        assert_eq!(asked(&[("content-type", "Application/JSON; charset=utf-8")]), 200);
        assert_eq!(asked(&[]), 415, "a form of another page can send this");
        assert_eq!(asked(&[("content-type", "text/plain")]), 415);
        assert_eq!(asked(&[json, ("origin", "http://localhost:9901"), ("sec-fetch-site", "same-origin")]), 200);
        for (name, value) in [
            ("origin", "http://attacker.example"),
            ("origin", "null"),
            ("origin", "http://localhost:8080"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            assert_eq!(asked(&[json, (name, value)]), 403, "{name}: {value}");
        }
    }
}
