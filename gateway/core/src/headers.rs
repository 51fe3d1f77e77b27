//! The rules for fields that are the gateway's own: hop-by-hop and framing (RFC 9110 7.6.1, RFC 9112 6).

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// Fields of one connection that no registry of names has. Compared as names: what they are not is seen without a look at any text.
static UNREGISTERED: [HeaderName; 4] = [
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("proxy"),
    HeaderName::from_static("http2-settings"),
];

/// Fields that frame a message or belong to one connection. No plugin and no configuration writes them, and they are
/// never passed on.
#[must_use]
pub fn is_reserved(name: &HeaderName) -> bool {
    matches!(
        *name,
        header::CONNECTION
            | header::CONTENT_LENGTH
            | header::HOST
            | header::PROXY_AUTHENTICATE
            | header::PROXY_AUTHORIZATION
            | header::TE
            | header::TRAILER
            | header::TRANSFER_ENCODING
            | header::UPGRADE
    ) || UNREGISTERED.contains(name)
}

/// Whether a field belongs to one connection, without being named in `connection`.
#[must_use]
pub fn is_hop_by_hop(name: &HeaderName) -> bool {
    matches!(
        *name,
        header::CONNECTION
            | header::PROXY_AUTHENTICATE
            | header::PROXY_AUTHORIZATION
            | header::TE
            | header::TRANSFER_ENCODING
            | header::UPGRADE
    ) || UNREGISTERED.contains(name)
}

/// Removes what belongs to one connection, the fields that `connection` names included. Whether that said that the connection ends with this
/// message (RFC 9112 9.6).
pub fn strip_hop_by_hop(headers: &mut HeaderMap) -> bool {
    let mut own = headers.keys().filter(|name| is_hop_by_hop(name));
    match (own.next(), own.next()) {
        (None, _) => return false,
        // All that most answers have is a word on their connection.
        (Some(&header::CONNECTION), None) if names_none(headers) => {
            return headers.remove(header::CONNECTION).is_some_and(|line| is_close(line.as_bytes()));
        }
        _ => {}
    }
    let closes = names_close(headers);
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .filter_map(|token| HeaderName::from_bytes(token.trim_ascii()).ok())
        .collect();
    let own: Vec<HeaderName> = headers.keys().filter(|name| is_hop_by_hop(name)).cloned().collect();
    for name in named.into_iter().chain(own) {
        headers.remove(name);
    }
    closes
}

fn names_close(headers: &HeaderMap) -> bool {
    let mut tokens =
        headers.get_all(header::CONNECTION).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    tokens.any(|token| is_close(token.trim_ascii()))
}

fn is_close(token: &[u8]) -> bool {
    token.eq_ignore_ascii_case(b"close")
}

/// Whether `connection` is one line that says no more than what becomes of the connection.
fn names_none(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(header::CONNECTION).iter();
    let line = lines.next().map(HeaderValue::as_bytes).unwrap_or_default();
    lines.next().is_none() && (line.eq_ignore_ascii_case(b"keep-alive") || is_close(line))
}

/// Removes from trailers what frames a message, belongs to one connection, or says who asks and how: there it is no more than an attack
/// on services that take trailers for fields (RFC 9110 6.5.1).
pub fn strip_trailers(trailers: &mut HeaderMap) {
    let misplaced: Vec<HeaderName> = trailers.keys().filter(|name| is_misplaced(name)).cloned().collect();
    for name in misplaced {
        trailers.remove(name);
    }
}

fn is_misplaced(trailer: &HeaderName) -> bool {
    is_reserved(trailer)
        || matches!(
            *trailer,
            header::AUTHORIZATION
                | header::COOKIE
                | header::EXPECT
                | header::FORWARDED
                | header::RANGE
                | header::SET_COOKIE
                | header::VIA
        )
        || trailer.as_str().starts_with("x-forwarded-")
        || trailer.as_str() == "x-request-id"
}

/// The value of a field as one: its lines joined as RFC 9110 5.3 allows, cookies with `; `, `set-cookie` never.
/// None when it is absent or not UTF-8.
#[must_use]
pub fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    join(name, headers.get_all(name).iter())
}

/// The lines of the field of this name as one.
#[must_use]
pub fn join<'h>(name: &HeaderName, mut lines: impl Iterator<Item = &'h HeaderValue>) -> Option<String> {
    let mut value = std::str::from_utf8(lines.next()?.as_bytes()).ok()?.to_owned();
    if *name == header::SET_COOKIE {
        return Some(value);
    }
    let separator = if *name == header::COOKIE { "; " } else { ", " };
    for line in lines {
        value.push_str(separator);
        value.push_str(std::str::from_utf8(line.as_bytes()).ok()?);
    }
    Some(value)
}

/// Joins the cookie crumbs of HTTP/2 into one field (RFC 9113 8.2.3).
pub fn join_cookies(headers: &mut HeaderMap) {
    let stand_once = headers.len() == headers.keys_len();
    if stand_once || headers.get_all(header::COOKIE).iter().nth(1).is_none() {
        return;
    }
    let mut joined = Vec::new();
    for crumb in headers.get_all(header::COOKIE) {
        if !joined.is_empty() {
            joined.extend_from_slice(b"; ");
        }
        joined.extend_from_slice(crumb.as_bytes());
    }
    if let Ok(value) = HeaderValue::from_bytes(&joined) {
        headers.insert(header::COOKIE, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailers_say_nothing_of_the_request() {
        let mut trailers = HeaderMap::new();
        for name in ["grpc-status", "content-length", "host", "x-forwarded-for", "authorization", "x-sum", "te"] {
            trailers.append(HeaderName::from_static(name), HeaderValue::from_static("1"));
        }
        strip_trailers(&mut trailers);
        let mut names: Vec<&str> = trailers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["grpc-status", "x-sum"]);
    }

    #[test]
    fn what_belongs_to_one_connection_goes_with_what_it_names() {
        for (fields, left, closes) in [
            (&["connection: keep-alive", "server: x"][..], &["server"][..], false),
            (&["connection: Close", "server: x"], &["server"], true),
            (&["connection: keep-alive", "keep-alive: timeout=5", "server: x"], &["server"], false),
            (&["connection: keep-alive, x-internal", "x-internal: 1", "server: x"], &["server"], false),
            (&["connection: x-internal , CLOSE", "x-internal: 1", "server: x"], &["server"], true),
            (&["connection: keep-alive", "connection: x-internal", "x-internal: 1", "server: x"], &["server"], false),
            (&["connection: x-internal", "connection: close", "x-internal: 1", "server: x"], &["server"], true),
            (&["connection: close", "te: trailers", "server: x"], &["server"], true),
            (&["proxy-connection: close", "server: x"], &["server"], false),
            (&["server: x", "keep-alived: y"], &["keep-alived", "server"], false),
        ] {
            let mut headers = HeaderMap::new();
            for field in fields {
                let (name, value) = field.split_once(": ").unwrap();
                headers.append(HeaderName::try_from(name).unwrap(), HeaderValue::try_from(value).unwrap());
            }
            assert_eq!(strip_hop_by_hop(&mut headers), closes, "{fields:?}");
            let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
            names.sort_unstable();
            assert_eq!(names, left, "{fields:?}");
        }
    }
}
