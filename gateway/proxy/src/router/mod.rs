//! Which route a request takes: host, then path, then method, header and query; the most specific wins.
//!
//! The order of precedence is `gateway_config::specificity`, which also finds ambiguous pairs at check time. The tree below
//! visits patterns in that order, so that a thousand routes cost what one costs.

mod conditions;
pub(crate) mod fuzz;
mod misses;
mod tree;

#[cfg(test)]
mod tests;

pub use misses::{Miss, methods, misses};

use crate::route::Route;
use conditions::Conditions;
use gateway_config::{Host, Match};
use gateway_core::exchange::Request;
use http::Method;
use percent_encoding::percent_decode_str;
use std::collections::HashMap;
use std::sync::Arc;
use tree::Tree;

/// The routes of one listener.
#[derive(Default)]
pub struct Router {
    exact: HashMap<String, Tree>,
    /// Longest suffix first.
    wildcards: Vec<(String, Tree)>,
    any: Tree,
    prioritized: bool,
}

/// A route with its conditions, at the end of a path in the tree.
struct Candidate {
    route: Arc<Route>,
    conditions: Conditions,
    priority: i32,
}

/// What a path captured: parts of its normal form, percent-encoded as they stood there. Put into a template like this, they
/// stay what they were; decoded, `..%2F` would be a way out of it.
#[derive(Debug, Default, Clone)]
pub struct Captured(Vec<(Arc<str>, String)>);

impl Captured {
    /// A parameter as it stood in the path.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| **known == *name).map(|(_, value)| value.as_str())
    }

    /// All of them percent-decoded, as plugins see them.
    #[must_use]
    pub fn decoded(&self) -> Vec<(Arc<str>, String)> {
        let decode = |value: &str| percent_decode_str(value).decode_utf8_lossy().into_owned();
        self.0.iter().map(|(name, value)| (Arc::clone(name), decode(value))).collect()
    }
}

/// What was found for a request.
pub enum Matched {
    /// This route, with what its path captured.
    Route(Arc<Route>, Captured),
    /// The path is known with other methods.
    MethodNotAllowed(Vec<Method>),
    /// Nothing is known of it.
    NotFound,
}

impl Router {
    /// A router of routes, each with what it matches and its priority.
    #[must_use]
    pub fn new(routes: Vec<(Match, i32, Arc<Route>)>) -> Self {
        let mut router = Self::default();
        for (matches, priority, route) in routes {
            router.prioritized |= priority != 0;
            let tree = match &matches.host {
                Some(Host::Exact(host)) => router.exact.entry(host.clone()).or_default(),
                Some(Host::Wildcard(suffix)) => wildcard(&mut router.wildcards, suffix),
                None => &mut router.any,
            };
            let candidate = Candidate { route, conditions: Conditions::new(&matches), priority };
            tree.insert(&matches.path, candidate);
        }
        router.wildcards.sort_by_key(|(suffix, _)| std::cmp::Reverse(suffix.len()));
        router
    }

    /// Finds the route of a request whose path is in its normal form.
    #[must_use]
    pub fn find(&self, request: &Request) -> Matched {
        let has_hosts = !self.exact.is_empty() || !self.wildcards.is_empty();
        let host = if has_hosts { host_of(&request.authority) } else { "".into() };
        let exact = (!self.exact.is_empty()).then(|| self.exact.get(&*host)).flatten();
        let wildcards = self.wildcards.iter().filter(|(suffix, _)| is_below(&host, suffix)).map(|(_, tree)| tree);
        let trees = exact.into_iter().chain(wildcards).chain(std::iter::once(&self.any));

        let mut best: Option<(i32, Arc<Route>, Captured)> = None;
        let mut allowed = Vec::new();
        for tree in trees {
            tree.walk(&request.path, &mut |candidate, captures| {
                if !candidate.conditions.hold_but_for_method(request) {
                    return false;
                }
                if !candidate.conditions.method_holds(&request.method) {
                    candidate.conditions.add_methods(&mut allowed);
                    return false;
                }
                // The walk goes from the most specific to the least, so the first of a priority stays.
                if best.as_ref().is_none_or(|(priority, ..)| candidate.priority > *priority) {
                    best = Some((candidate.priority, Arc::clone(&candidate.route), captures.named()));
                }
                !self.prioritized
            });
            if best.is_some() && !self.prioritized {
                break;
            }
        }
        match best {
            Some((_, route, captured)) => Matched::Route(route, captured),
            None if allowed.is_empty() => Matched::NotFound,
            None => Matched::MethodNotAllowed(allowed),
        }
    }
}

fn wildcard<'a>(wildcards: &'a mut Vec<(String, Tree)>, suffix: &str) -> &'a mut Tree {
    let position = wildcards.iter().position(|(known, _)| known == suffix).unwrap_or_else(|| {
        wildcards.push((suffix.to_owned(), Tree::default()));
        wildcards.len() - 1
    });
    #[expect(clippy::indexing_slicing, reason = "the position was just found or made")]
    &mut wildcards[position].1
}

/// The host of an authority without its port, lower-case, without the root's dot.
fn host_of(authority: &str) -> std::borrow::Cow<'_, str> {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => host,
        _ => authority,
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) { host.to_ascii_lowercase().into() } else { host.into() }
}

fn is_below(host: &str, suffix: &str) -> bool {
    host.strip_suffix(suffix).and_then(|labels| labels.strip_suffix('.')).is_some_and(|labels| !labels.is_empty())
}
