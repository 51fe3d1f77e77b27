//! Why the nearest other routes do not take a request.

use super::{Other, at, conditions};
use crate::assemble::Assembly;
use gateway_config::{Listener, Route};
use gateway_core::exchange::Request;
use gateway_proxy::router::{Miss, misses};

/// So many are told of.
const NEAREST: usize = 5;

/// The nearest other routes of a listener: those of which least does not hold.
pub(super) fn of(assembly: &Assembly, listener: &Listener, request: &Request, taken: Option<&str>) -> Vec<Other> {
    let routes = &assembly.config.routes;
    let winner = routes.iter().find(|route| Some(&*route.name) == taken);
    let serves = |route: &&Route| route.listeners.is_empty() || route.listeners.contains(&listener.name);
    let mut others: Vec<_> = routes
        .iter()
        .filter(serves)
        .filter(|route| Some(&*route.name) != taken)
        .map(|route| (misses(&route.matches, request), route))
        .collect();
    // One with another path is further away than one with the same path and another field.
    others.sort_by_key(|(misses, _)| (misses.contains(&Miss::Host), misses.contains(&Miss::Path), misses.len()));
    let other = |(misses, route): (Vec<Miss>, &Route)| Other {
        route: route.name.to_string(),
        matches: conditions(route),
        why: if misses.is_empty() {
            better(winner, route)
        } else {
            misses.iter().map(|miss| why(miss, route, request)).collect::<Vec<_>>().join(", ")
        },
        place: at(&route.place),
    };
    others.into_iter().take(NEAREST).map(other).collect()
}

fn why(miss: &Miss, route: &Route, request: &Request) -> String {
    match miss {
        Miss::Host if request.authority.is_empty() => "it asks for a host, and the request names none".to_owned(),
        Miss::Host => format!("the host is {}", request.authority),
        Miss::Path => format!("the path is {}", request.path),
        Miss::Method => format!("the method is {}, not {}", request.method, route.matches.methods.join(" or ")),
        Miss::Field(name) => match request.headers.contains_key(name) {
            true => format!("the field {name} has another value"),
            false => format!("there is no field {name}"),
        },
        Miss::Query(name) => format!("the query parameter {name} is absent or another one"),
    }
}

/// It matches as well: what decided.
fn better(winner: Option<&Route>, route: &Route) -> String {
    match winner {
        Some(winner) if winner.priority > route.priority => {
            format!("it matches too, and `{}` has the higher priority", winner.name)
        }
        Some(winner) => format!("it matches too, and `{}` is more specific", winner.name),
        None => "it matches too".to_owned(),
    }
}
