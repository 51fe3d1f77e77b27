//! `POST /cache/purge`: removes stored answers.
//!
//! As a document, or for those who write by hand in the query: one of `url=` (host and path, and the query where one is written), `prefix=` (what host and path begin with), `tag=`, `route=`, or
//! `all`.

use super::reply::{Problem, Reply, json, read};
use crate::server::Running;
use gateway_proxy::cache::Purge;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

#[derive(Serialize)]
struct Purged {
    /// Keys, each with all its variants.
    purged: usize,
}

/// The same as a document.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
enum Asked {
    Url(String),
    Prefix(String),
    Tag(String),
    Route(String),
    All(bool),
}

impl Asked {
    fn purge(self) -> Option<Purge> {
        match self {
            Self::All(all) => all.then_some(Purge::All),
            Self::Url(value) => named("url", value),
            Self::Prefix(value) => named("prefix", value),
            Self::Tag(value) => named("tag", value),
            Self::Route(value) => named("route", value),
        }
    }
}

pub(super) fn answer(query: &str, sent: &[u8], running: &Running) -> Result<Reply, Problem> {
    let asked = match query.is_empty() {
        true => read::<Asked>(sent)?.purge(),
        false => parse(query),
    };
    let Some(purge) = asked else {
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
    if name == "all" && value.is_empty() { Some(Purge::All) } else { named(name, value) }
}

fn named(name: &str, value: String) -> Option<Purge> {
    let place = |value: String| match value.split_once("://") {
        Some((_, rest)) => rest.to_owned(),
        None => value,
    };
    match (name, value.is_empty()) {
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
