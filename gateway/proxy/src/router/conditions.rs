//! What a route asks of a request beside host and path.

use gateway_config::{Match, ValueMatch};
use gateway_core::exchange::Request;
use http::{HeaderName, Method};
use percent_encoding::percent_decode_str;

/// Method, header and query conditions; all of them hold.
pub(super) struct Conditions {
    /// Empty: any. HEAD is served where GET is.
    methods: Vec<Method>,
    headers: Vec<(HeaderName, ValueMatch)>,
    query: Vec<(String, ValueMatch)>,
}

impl Conditions {
    pub(super) fn new(matches: &Match) -> Self {
        let parse = |name: &String| HeaderName::from_bytes(name.as_bytes()).ok();
        Self {
            methods: matches.methods.iter().filter_map(|name| Method::from_bytes(name.as_bytes()).ok()).collect(),
            headers: matches.headers.iter().filter_map(|(name, value)| Some((parse(name)?, value.clone()))).collect(),
            query: matches.query.clone(),
        }
    }

    /// How much is asked: the more, the more specific.
    pub(super) fn rank(&self) -> (bool, usize, usize) {
        (!self.methods.is_empty(), self.headers.len(), self.query.len())
    }

    pub(super) fn method_holds(&self, method: &Method) -> bool {
        self.methods.is_empty()
            || self.methods.contains(method)
            || (*method == Method::HEAD && self.methods.contains(&Method::GET))
    }

    /// For `Allow`.
    pub(super) fn add_methods(&self, allowed: &mut Vec<Method>) {
        for method in &self.methods {
            if !allowed.contains(method) {
                allowed.push(method.clone());
            }
            if *method == Method::GET && !allowed.contains(&Method::HEAD) {
                allowed.push(Method::HEAD);
            }
        }
    }

    pub(super) fn hold_but_for_method(&self, request: &Request) -> bool {
        self.headers.iter().all(|condition| header_holds(request, condition))
            && self.query.iter().all(|condition| query_holds(request.query.as_deref(), condition))
    }

    /// Names of the fields, then of the query parameters, that are not as they should be.
    pub(super) fn unfulfilled<'a>(&'a self, request: &Request) -> (Vec<&'a str>, Vec<&'a str>) {
        let headers = self.headers.iter().filter(|condition| !header_holds(request, condition));
        let query = self.query.iter().filter(|condition| !query_holds(request.query.as_deref(), condition));
        (headers.map(|(name, _)| name.as_str()).collect(), query.map(|(name, _)| name.as_str()).collect())
    }
}

fn header_holds(request: &Request, (name, value): &(HeaderName, ValueMatch)) -> bool {
    match value {
        ValueMatch::Present => request.headers.contains_key(name),
        ValueMatch::Exact(expected) => {
            request.headers.get_all(name).iter().any(|line| line.as_bytes() == expected.as_bytes())
        }
    }
}

fn query_holds(query: Option<&str>, (name, value): &(String, ValueMatch)) -> bool {
    let decoded = |text: &str, expected: &str| percent_decode_str(text).eq(expected.bytes());
    query.unwrap_or_default().split('&').any(|pair| {
        let (key, given) = pair.split_once('=').unwrap_or((pair, ""));
        decoded(key, name)
            && match value {
                ValueMatch::Present => true,
                ValueMatch::Exact(expected) => decoded(given, expected),
            }
    })
}
