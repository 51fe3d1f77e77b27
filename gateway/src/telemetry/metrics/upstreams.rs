//! Services: by the conventions for HTTP clients, and what the gateway thinks of them.

use super::family::{Family, Figure, Kind, Labels, Unit, label};
use super::http::{answer, overflow};
use crate::assemble::Assembly;
use gateway_core::instruments::Sum;
use gateway_core::instruments::meters::{Meters, Upstream};
use gateway_proxy::upstream::{EndpointStatus, UpstreamStatus};
use std::sync::Arc;

pub(super) fn families(meters: &Meters, current: &Assembly) -> Vec<Family> {
    let mut known: Vec<(Arc<str>, UpstreamStatus)> =
        current.snapshot.upstreams.iter().map(|(name, upstream)| (Arc::clone(name), upstream.status())).collect();
    known.sort_by(|(one, _), (other, _)| one.cmp(other));
    let metered = if meters.are_on() { meters.upstreams() } else { Vec::new() };
    let durations = metered.iter().flat_map(|(name, upstream)| {
        upstream.duration.read().into_iter().map(move |(words, reading)| {
            let mut labels = words.map_or_else(overflow, |words| {
                let mut labels = vec![
                    label("http_request_method", words.verb.word()),
                    label("network_protocol_version", words.protocol.word()),
                ];
                labels.extend(answer(words.status));
                labels
            });
            labels.extend(of(name));
            (labels, Figure::Histogram(reading))
        })
    });
    let errors = metered.iter().flat_map(|(name, upstream)| {
        let with = |(token, count): (&'static str, u64)| ([vec![label("error_type", token)], of(name)].concat(), count);
        upstream.errors.read().map(with).collect::<Vec<_>>()
    });
    let connections =
        |sum: fn(&Upstream) -> &Sum| metered.iter().map(move |(name, upstream)| (of(name), sum(upstream).value()));
    let each = |figure: fn(&UpstreamStatus) -> u64| known.iter().map(move |(name, status)| (of(name), figure(status)));
    let endpoints = |figure: fn(&EndpointStatus) -> u64| {
        known.iter().flat_map(move |(name, status)| {
            status.endpoints.iter().map(move |endpoint| (endpoint_of(name, endpoint), figure(endpoint)))
        })
    };
    let states = known.iter().flat_map(|(name, status)| {
        status.endpoints.iter().flat_map(move |endpoint| {
            [("active", endpoint.active), ("idle", endpoint.idle)].map(|(state, count)| {
                let labels = [endpoint_of(name, endpoint), vec![label("http_connection_state", state)]].concat();
                (labels, count as u64)
            })
        })
    });
    vec![
        Family::new(
            "http_client_request_duration",
            Kind::Histogram,
            Unit::Seconds,
            "Of one try, from when it was sent to the head of its answer",
            durations,
        ),
        Family::gauge("http_client_open_connections", "Connections to endpoints", states),
        Family::counter("gateway_upstream_errors", "Tries without an answer, by why (RFC 9209)", errors),
        Family::counter(
            "gateway_upstream_connections_opened",
            "Connections made for requests",
            connections(|upstream| &upstream.opened),
        ),
        Family::counter(
            "gateway_upstream_connections_reused",
            "Requests that got a connection that was there",
            connections(|upstream| &upstream.reused),
        ),
        Family::counter("gateway_upstream_retries", "Requests sent once more", each(|status| status.retries)),
        Family::counter(
            "gateway_upstream_breaker_opened",
            "How often it began to fail so often that it is not asked",
            each(|status| status.breaker_opened),
        ),
        Family::gauge(
            "gateway_upstream_breaker_open",
            "1: it is not asked, or only a little",
            each(|status| status.breaker_open.into()),
        ),
        Family::gauge(
            "gateway_upstream_endpoint_up",
            "1: requests go to it",
            endpoints(|endpoint| (endpoint.state == "up").into()),
        ),
        Family::gauge(
            "gateway_upstream_endpoint_ejected",
            "1: it is left out for its failures",
            endpoints(|endpoint| (endpoint.state == "ejected").into()),
        ),
        Family::counter(
            "gateway_upstream_endpoint_ejections",
            "How often it was left out",
            endpoints(|endpoint| endpoint.ejections),
        ),
    ]
}

fn of(name: &str) -> Labels {
    vec![label("gateway_upstream", name)]
}

/// An endpoint stands there only as long as its set has it.
fn endpoint_of(name: &str, endpoint: &EndpointStatus) -> Labels {
    let (address, port) = endpoint.endpoint.rsplit_once(':').unwrap_or((&endpoint.endpoint, ""));
    vec![label("gateway_upstream", name), label("server_address", address), label("server_port", port)]
}
