//! `POST /cache/purge?…`: removes stored answers.
//!
//! One of `url=` (host and path, and the query where one is written), `prefix=` (what host and path begin with), `tag=`, `route=`, or
//! `all`.

use super::reply::{Problem, Reply, json};
use crate::server::Running;
use gateway_proxy::cache::Purge;
use serde::Serialize;
use std::sync::Arc;

#[derive(Serialize)]
struct Purged {
    /// Keys, each with all its variants.
    purged: usize,
}

pub(super) fn answer(query: &str, running: &Running) -> Result<Reply, Problem> {
    let Some(purge) = parse(query) else {
        return Err(Problem::bad("one of url=HOST/PATH, prefix=HOST/PATH, tag=NAME, route=NAME, all"));
    };
    let current = Arc::clone(&running.current.lock());
    let Some(caching) = &current.snapshot.cache else {
        return Err(Problem::absent("no route has a cache"));
    };
    let purged = caching.cache.purge(&purge);
    tracing::info!(?purge, purged, "purged");
    Ok(json(&Purged { purged }))
}

fn parse(query: &str) -> Option<Purge> {
    let (name, value) = query.split_once('=').unwrap_or((query, ""));
    let value = percent_encoding::percent_decode_str(value).decode_utf8().ok()?.into_owned();
    let place = |value: String| match value.split_once("://") {
        Some((_, rest)) => rest.to_owned(),
        None => value,
    };
    match (name, value.is_empty()) {
        ("all", true) => Some(Purge::All),
        ("url", false) => Some(Purge::Url(place(value))),
        ("prefix", false) => Some(Purge::Prefix(place(value))),
        ("tag", false) => Some(Purge::Tag(value)),
        ("route", false) => Some(Purge::Route(value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_purged_is_written_in_the_query() {
        for (query, expected) in [
            ("all", Some(Purge::All)),
            ("url=shop.example/a", Some(Purge::Url("shop.example/a".into()))),
            ("url=https://shop.example/a?b=c%26d", Some(Purge::Url("shop.example/a?b=c&d".into()))),
            ("url=https%3A%2F%2Fshop.example%2Fa", Some(Purge::Url("shop.example/a".into()))),
            ("prefix=shop.example/a/", Some(Purge::Prefix("shop.example/a/".into()))),
            ("tag=order-7", Some(Purge::Tag("order-7".into()))),
            ("route=orders", Some(Purge::Route("orders".into()))),
            ("tag=", None),
            ("all=x", None),
            ("everything", None),
            ("", None),
        ] {
            assert_eq!(parse(query), expected, "{query}");
        }
    }
}
