//! What fuzzers call: a request takes the route whose conditions hold, and why others do not can be told.

use super::{Matched, Router, misses};
use crate::route::{Dispatch, Route};
use gateway_config::{Allow, Match, PathPattern, Segment};
use gateway_core::exchange::{Answer, Request};
use gateway_core::instruments::Meters;
use gateway_core::path::{self, normalize};
use http::{HeaderMap, Method};
use std::sync::Arc;
use std::time::Duration;

/// Patterns that come close to each other.
const PATTERNS: [(&str, bool); 8] = [
    ("/", true),
    ("/a", false),
    ("/a", true),
    ("/a/{id}", false),
    ("/a/b", false),
    ("/a/{id}/c", false),
    ("/a/{*rest}", false),
    ("/a;v=1/b", true),
];

fn matches((text, prefix): (&str, bool)) -> Match {
    let segments = text.split('/').skip(1).filter(|segment| !segment.is_empty()).map(|segment| {
        match segment.strip_prefix('{').and_then(|segment| segment.strip_suffix('}')) {
            Some(name) => match name.strip_prefix('*') {
                Some(name) => Segment::Rest(name.into()),
                None => Segment::Parameter(name.into()),
            },
            None => Segment::Literal(segment.to_owned()),
        }
    });
    let path = PathPattern { text: text.to_owned(), segments: segments.collect(), prefix };
    Match { host: None, path, methods: Vec::new(), headers: Vec::new(), query: Vec::new() }
}

/// A path, in any spelling.
///
/// # Panics
/// The tree finds a route and the list of reasons says that it does not match, or the other way round.
pub fn route(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(normal) = normalize(text, path::Allow::default()) else { return };
    let request = Request {
        method: Method::GET,
        scheme: "http",
        authority: "a".into(),
        path: normal.into_owned(),
        query: None,
        headers: HeaderMap::new(),
    };
    let routes = PATTERNS.map(|pattern| (matches(pattern), 0, plain(pattern.0)));
    for (wanted, priority, route) in &routes {
        let alone = Router::new(vec![(wanted.clone(), *priority, Arc::clone(route))]);
        let is_found = matches!(alone.find(&request), Matched::Route(..));
        assert_eq!(is_found, misses(wanted, &request).is_empty(), "{} and {}", wanted.path.text, request.path);
    }
    // The first takes everything.
    assert!(matches!(Router::new(routes.into()).find(&request), Matched::Route(..)));
}

fn plain(name: &str) -> Arc<Route> {
    Arc::new(Route {
        name: name.into(),
        chain: crate::chain::Chain::default(),
        dispatch: Dispatch::Respond(Answer::default()),
        deadline: Duration::from_secs(1),
        allow: Allow::default(),
        body_limit: None,
        admission: None,
        cache: None,
        compress: None,
        meter: Meters::default().route(&name.into(), ""),
    })
}
