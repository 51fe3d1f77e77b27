//! Why a route does not match a request: for people who ask, never while one is routed.

use super::conditions::Conditions;
use super::{host_of, is_below};
use gateway_config::{Host, Match, PathPattern, Segment};
use gateway_core::exchange::Request;
use http::Method;

/// A condition that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Miss {
    /// Another host.
    Host,
    /// Another path.
    Path,
    /// Another method.
    Method,
    /// This field is absent, or has another value.
    Field(String),
    /// This query parameter is absent, or has another value.
    Query(String),
}

/// Every condition that does not hold for a request whose path is in its normal form; none: it would match.
#[must_use]
pub fn misses(matches: &Match, request: &Request) -> Vec<Miss> {
    let host = host_of(&request.authority);
    let host_holds = match &matches.host {
        Some(Host::Exact(wanted)) => *wanted == *host,
        Some(Host::Wildcard(suffix)) => is_below(&host, suffix),
        None => true,
    };
    let conditions = Conditions::new(matches);
    let (headers, query) = conditions.unfulfilled(request);
    let mut misses = Vec::new();
    misses.extend((!host_holds).then_some(Miss::Host));
    misses.extend((!path_holds(&matches.path, &request.path)).then_some(Miss::Path));
    misses.extend((!conditions.method_holds(&request.method)).then_some(Miss::Method));
    misses.extend(headers.into_iter().map(|name| Miss::Field(name.to_owned())));
    misses.extend(query.into_iter().map(|name| Miss::Query(name.to_owned())));
    misses
}

/// The same as the tree finds, for one pattern.
fn path_holds(pattern: &PathPattern, path: &str) -> bool {
    let mut left = Some(path.strip_prefix('/').unwrap_or(path));
    for segment in &pattern.segments {
        let Some(text) = left else { return false };
        let (first, rest) = text.split_once('/').map_or((text, None), |(first, rest)| (first, Some(rest)));
        match segment {
            Segment::Literal(wanted)
                if wanted == first || first.split_once(';').is_some_and(|(bare, _)| bare == wanted) =>
            {
                left = rest;
            }
            Segment::Parameter(_) if !first.is_empty() => left = rest,
            Segment::Rest(_) => return true,
            _ => return false,
        }
    }
    pattern.prefix || left.is_none()
}

/// What a method would have to be, for people.
#[must_use]
pub fn methods(matches: &Match) -> Vec<Method> {
    let mut methods = Vec::new();
    Conditions::new(matches).add_methods(&mut methods);
    methods
}
