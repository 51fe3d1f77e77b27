//! A listener that only says where to go: the same place by HTTPS.

use super::Leaving;
use super::leave::refusal;
use crate::completion::ResponseBody;
use crate::forward::Peer;
use crate::snapshot::{Counters, Snapshot};
use gateway_core::exchange::Request;
use gateway_core::{Body, Error, Kind};
use http::header::{HeaderMap, LOCATION};
use http::{HeaderValue, Response, StatusCode};

/// Whether a trusted proxy in front took the request by HTTPS: sent there again, its client would come back for ever.
pub(super) fn came_by_https(peer: &Peer, snapshot: &Snapshot, headers: &HeaderMap) -> bool {
    let said = headers.get("x-forwarded-proto").is_some_and(|scheme| scheme.as_bytes().eq_ignore_ascii_case(b"https"));
    said && snapshot.trusts(peer.address.ip())
}

/// 308: the method and the body stay what they are (RFC 9110 15.4.9).
pub(super) fn to_https(request: &Request, port: u16, counters: &Counters) -> Leaving {
    let Some(location) = location(request, port).and_then(|location| HeaderValue::try_from(location).ok()) else {
        return refusal(&Error::new(Kind::HttpRequestError, "without a host there is no place to be sent to"));
    };
    let mut response = Box::new(Response::new(ResponseBody::plain(Body::empty())));
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    response.headers_mut().insert(LOCATION, location);
    counters.note(StatusCode::PERMANENT_REDIRECT.as_u16());
    response
}

fn location(request: &Request, port: u16) -> Option<String> {
    // The port that was asked is the one of plain HTTP.
    let host = match request.authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => host,
        _ => &*request.authority,
    };
    let port = if port == 443 { String::new() } else { format!(":{port}") };
    let query = request.query.as_ref().map_or_else(String::new, |query| format!("?{query}"));
    (!host.is_empty()).then(|| format!("https://{host}{port}{}{query}", request.path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Method;

    #[test]
    fn the_same_place_has_the_same_host_path_and_query() {
        for (authority, query, port, expected) in [
            ("shop.example", None, 443, Some("https://shop.example/a%2Fb")),
            ("shop.example:8080", Some("x=%20"), 8443, Some("https://shop.example:8443/a%2Fb?x=%20")),
            ("[::1]:8080", Some(""), 443, Some("https://[::1]/a%2Fb?")),
            ("[::1]", None, 8443, Some("https://[::1]:8443/a%2Fb")),
            ("", None, 443, None),
        ] {
            let request = Request {
                method: Method::GET,
                scheme: "http",
                authority: authority.into(),
                path: "/a%2Fb".into(),
                query: query.map(str::to_owned),
                headers: HeaderMap::new(),
            };
            assert_eq!(location(&request, port).as_deref(), expected, "{authority}");
        }
    }
}
