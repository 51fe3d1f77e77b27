//! Pairs of routes that could match the same request while nothing says which one wins.

use std::collections::HashMap;

use super::specificity::{Specificity, specificity};
use crate::document::reports::Reports;
use crate::{Diagnostic, Host, Listener, PathPattern, Route, Segment, ValueMatch};

/// Routes that differ in any of these never compete on equal terms.
#[derive(PartialEq, Eq, Hash)]
struct Rank<'r> {
    priority: i32,
    specificity: Specificity,
    host: Option<&'r Host>,
    literals: Vec<&'r str>,
}

/// Reports every route that competes with an earlier one.
pub(crate) fn report(routes: &[Route], listeners: &[Listener], reports: &mut Reports) {
    let mut ranks = HashMap::<Rank<'_>, Vec<&Route>>::new();
    for route in routes {
        // Equal specificity means that literals and parameters stand at the same positions, so equal literals make the
        // patterns the same but for the parameters' names.
        let rank = Rank {
            priority: route.priority,
            specificity: specificity(&route.matches),
            host: route.matches.host.as_ref(),
            literals: literals(&route.matches.path),
        };
        let rivals = ranks.entry(rank).or_default();
        if let Some(first) =
            rivals.iter().find(|rival| share_listener(rival, route, listeners) && overlap(rival, route))
        {
            let message = format!("the routes `{}` and `{}` could match the same request", first.name, route.name);
            let diagnostic = Diagnostic::error("ambiguous-route", message).at(&route.place);
            let diagnostic = diagnostic.label(&first.place, "as specific as this one");
            reports.add(diagnostic.hint("make one more specific, or give it a `priority`"));
        }
        rivals.push(route);
    }
}

fn literals(pattern: &PathPattern) -> Vec<&str> {
    let literals = pattern.segments.iter().filter_map(|segment| match segment {
        Segment::Literal(literal) => Some(literal.as_str()),
        Segment::Parameter(_) | Segment::Rest(_) => None,
    });
    literals.collect()
}

fn share_listener(one: &Route, other: &Route, listeners: &[Listener]) -> bool {
    let serves =
        |route: &Route, listener: &Listener| route.listeners.is_empty() || route.listeners.contains(&listener.name);
    listeners.iter().any(|listener| serves(one, listener) && serves(other, listener))
}

/// Whether a request can fulfil the remaining conditions of both.
fn overlap(one: &Route, other: &Route) -> bool {
    let (one, other) = (&one.matches, &other.matches);
    let methods = one.methods.is_empty() || one.methods.iter().any(|method| other.methods.contains(method));
    methods && agree(&one.headers, &other.headers) && agree(&one.query, &other.query)
}

/// Conditions agree unless they want different values of the same thing.
fn agree(one: &[(String, ValueMatch)], other: &[(String, ValueMatch)]) -> bool {
    let contradict = |(name, value): &(String, ValueMatch)| {
        let theirs = other.iter().find(|(theirs, _)| theirs == name).map(|(_, value)| value);
        matches!((value, theirs), (ValueMatch::Exact(value), Some(ValueMatch::Exact(theirs))) if value != theirs)
    };
    !one.iter().any(contradict)
}
