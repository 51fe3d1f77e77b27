//! What changes something makes what is stored of it invalid (RFC 9111 4.4).

use super::status::{Forward, Story};
use super::{Caching, key};
use crate::pipeline::{self, Work};
use crate::route::Route;
use gateway_core::exchange::{Exchange, Request};
use gateway_core::path::{Allow, normalize};
use gateway_core::{Body, Error};
use http::header::{CONTENT_LOCATION, LOCATION};
use http::uri::Uri;

/// Lets a request pass that no cache answers; what it changes is forgotten.
pub(crate) async fn pass(
    work: &Work<'_>,
    caching: &Caching,
    exchange: Box<Exchange>,
    body: Body,
    route: &Route,
) -> Result<(Box<Exchange>, Body), (Box<Exchange>, Error)> {
    let is_safe = exchange.request.method.is_safe();
    let (mut exchange, body, _) = pipeline::dispatch(work, exchange, body, route).await?;
    if !is_safe {
        forget(caching, &exchange);
    }
    if let Some(head) = exchange.response.as_mut().filter(|_| route.cache.is_some()) {
        caching.cache.counters.bypassed.increment();
        Story::of(if is_safe { Forward::Bypass } else { Forward::Method }).tell(&mut head.headers);
    }
    Ok((exchange, body))
}

/// Forgets the target of a request that succeeded, and what its answer names at the same origin.
fn forget(caching: &Caching, exchange: &Exchange) {
    let Some(head) = exchange.response.as_ref().filter(|head| (200..400).contains(&head.status.as_u16())) else {
        return;
    };
    let request = &exchange.request;
    let change = |path: &str, query: Option<&str>| {
        for counts in &caching.queries {
            let query = key::query(counts, query);
            caching.cache.epochs.change(key::address(&request.authority, path, query.as_deref()));
        }
    };
    change(&request.path, request.query.as_deref());
    for name in [LOCATION, CONTENT_LOCATION] {
        let named = head.headers.get(name).and_then(|value| value.to_str().ok());
        if let Some((path, query)) = named.and_then(|named| same_origin(named, request)) {
            change(&path, query);
        }
    }
}

/// Path and query of a reference, where it leads to the same host as the request (RFC 3986 5.2).
fn same_origin<'a>(reference: &'a str, request: &Request) -> Option<(String, Option<&'a str>)> {
    let reference = reference.split('#').next().unwrap_or_default();
    let local = match reference.find("//") {
        Some(at)
            if at == 0 || reference.get(..at).is_some_and(|scheme| scheme.ends_with(':') && !scheme.contains('/')) =>
        {
            let rest = reference.get(at + 2..)?;
            let end = rest.find(['/', '?']).unwrap_or(rest.len());
            let (authority, local) = rest.split_at(end);
            authority.parse::<http::uri::Authority>().ok()?;
            if !authority.eq_ignore_ascii_case(&request.authority) {
                return None;
            }
            local
        }
        _ => reference,
    };
    let (path, query) = match local.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (local, None),
    };
    let path = match path {
        "" if local.len() == reference.len() => request.path.clone(),
        "" => "/".to_owned(),
        path if path.starts_with('/') => path.to_owned(),
        path => {
            let folder = request.path.rfind('/').and_then(|at| request.path.get(..=at)).unwrap_or("/");
            format!("{folder}{path}")
        }
    };
    let all = Allow { encoded_slash: true, backslash: true, encoded_nul: true };
    let path = normalize(&path, all).ok()?.into_owned();
    path.parse::<Uri>().ok()?;
    Some((path, query))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, Method};

    #[test]
    fn a_reference_is_followed_at_the_same_origin_only() {
        let request = Request {
            method: Method::POST,
            scheme: "https",
            authority: "shop.example".into(),
            path: "/orders/7".into(),
            query: Some("x=1".into()),
            headers: HeaderMap::new(),
        };
        for (reference, expected) in [
            ("/orders/8?full", Some(("/orders/8", Some("full")))),
            ("8", Some(("/orders/8", None))),
            ("../carts/./1", Some(("/carts/1", None))),
            ("?page=2", Some(("/orders/7", Some("page=2")))),
            ("https://shop.example/a#b", Some(("/a", None))),
            ("https://SHOP.example", Some(("/", None))),
            ("//shop.example/a", Some(("/a", None))),
            ("https://other.example/orders/8", None),
            ("https://shop.example:8443/a", None),
            ("https://shop.example@other.example/a", None),
            ("/a?next=http://other.example/", Some(("/a", Some("next=http://other.example/")))),
        ] {
            let found = same_origin(reference, &request);
            let found = found.as_ref().map(|(path, query)| (path.as_str(), *query));
            assert_eq!(found, expected, "{reference}");
        }
    }
}
