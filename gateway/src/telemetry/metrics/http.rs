//! Requests, by the conventions for HTTP servers.

use super::family::{Family, Figure, Kind, Labels, Unit, label};
use gateway_core::instruments::meters::{Meters, Route, SCHEMES};
use gateway_core::instruments::{Status, Words};
use std::sync::Arc;

pub(super) fn families(meters: &Meters) -> Vec<Family> {
    let routes = meters.routes();
    let durations = routes.iter().flat_map(|route| {
        route.duration.read().into_iter().map(|(words, reading)| {
            let mut labels = words.map_or_else(overflow, request);
            labels.extend(of(route));
            (labels, Figure::Histogram(reading))
        })
    });
    let sizes = |size: fn(&Route) -> Figure| {
        let seen = routes.iter().map(move |route| (of(route), size(route)));
        seen.filter(|(_, figure)| !matches!(figure, Figure::Histogram(reading) if reading.count() == 0))
    };
    let errors = routes.iter().flat_map(|route| {
        let with =
            |(token, count): (&'static str, u64)| ([vec![label("error_type", token)], of(route)].concat(), count);
        route.errors.read().map(with).collect::<Vec<_>>()
    });
    let active = meters.active().read().map(|(verb, scheme, count)| {
        (vec![label("http_request_method", verb.word()), label("url_scheme", scheme)], count)
    });
    vec![
        Family::new(
            "http_server_request_duration",
            Kind::Histogram,
            Unit::Seconds,
            "From a request's first byte to its answer's last",
            durations,
        ),
        Family::gauge("http_server_active_requests", "Requests under way", active),
        Family::new(
            "http_server_request_body_size",
            Kind::Histogram,
            Unit::Bytes,
            "Bodies of requests as they came",
            sizes(|route| Figure::Histogram(route.request_size.read())),
        ),
        Family::new(
            "http_server_response_body_size",
            Kind::Histogram,
            Unit::Bytes,
            "Bodies of answers as they were sent",
            sizes(|route| Figure::Histogram(route.response_size.read())),
        ),
        Family::counter("gateway_request_errors", "Requests that failed, by why (RFC 9209)", errors),
    ]
}

fn request(words: Words) -> Labels {
    let Words { verb, protocol, secure, status } = words;
    let mut labels = vec![
        label("http_request_method", verb.word()),
        label("network_protocol_version", protocol.word()),
        label("url_scheme", if secure { SCHEMES[1] } else { SCHEMES[0] }),
    ];
    labels.extend(answer(status));
    labels
}

/// The status, and what went wrong where it tells of a failure.
pub(super) fn answer(status: Option<Status>) -> Labels {
    match status {
        Some(status) if status.is_failure() => {
            vec![label("http_response_status_code", status.word()), label("error_type", status.word())]
        }
        Some(status) => vec![label("http_response_status_code", status.word())],
        None => vec![label("error_type", "no_answer")],
    }
}

/// Series beyond those that there may be.
pub(super) fn overflow() -> Labels {
    vec![label("otel_metric_overflow", "true")]
}

/// What a route is known by; the requests that none took have nothing.
fn of(route: &Arc<Route>) -> Labels {
    match route.name.is_empty() {
        true => Vec::new(),
        false => vec![label("http_route", &*route.pattern), label("gateway_route", &*route.name)],
    }
}
