//! Upstreams: endpoints that differ, and what was not written filled in.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::bridges;
use super::discover;
use super::secrets::Secrets;
use super::tls::CertificateReader;
use crate::document::decode::{NonEmpty, Spanned};
use crate::document::reports::Reports;
use crate::document::sections::{self, Condition, Document, EndpointEntry, Word};
use crate::document::value::{self, Name, Target};
use crate::environment::Environment;
use crate::{
    Balance, Breaker, Diagnostic, Discover, Grpc, Health, Outliers, Protocol, Retry, Statuses, Upstream,
    UpstreamLimits, UpstreamTimeouts, UpstreamTls,
};

/// The upstreams by name.
pub(crate) fn resolve(
    document: &Document,
    certificates: &mut CertificateReader<'_>,
    resolver: &[SocketAddr],
    secrets: &mut Secrets<'_>,
    environment: &dyn Environment,
    reports: &mut Reports,
) -> BTreeMap<Arc<str>, Upstream> {
    let mut upstreams = BTreeMap::new();
    for (name, written) in &document.upstreams.0 {
        let Some(written) = written else { continue };
        let tls = tls(written, certificates, reports);
        let discover = written.discover.as_ref();
        let discover = discover.map(|written| discover::resolve(written, secrets, environment, reports));
        let bridge = bridges::resolve(written, secrets, reports);
        let grpc = written.grpc.as_ref().map(|grpc| self::grpc(written, grpc, certificates, reports));
        // What is wrong with it has been reported.
        if discover != Some(None) && bridge != Some(None) && grpc != Some(None) {
            let upstream = Upstream {
                resolver: resolver.to_vec(),
                bridge: bridge.flatten(),
                grpc: grpc.flatten(),
                ..upstream(name, written, discover.flatten(), tls)
            };
            upstreams.insert(Arc::clone(&name.value.0), upstream);
        }
    }
    upstreams
}

fn upstream(
    name: &Spanned<Name>,
    written: &sections::Upstream,
    discover: Option<Discover>,
    tls: Option<UpstreamTls>,
) -> Upstream {
    let sections::Upstream { endpoints, health, outliers, breaker, timeouts, limits, slow_start, .. } = written;
    let endpoints = endpoints.as_ref().map(|endpoints| endpoints.0.as_slice()).unwrap_or_default();
    Upstream {
        name: Arc::clone(&name.value.0),
        endpoints: endpoints.iter().map(|EndpointEntry(endpoint)| endpoint.clone()).collect(),
        bridge: None,
        grpc: None,
        found_over_tls: written.tls.is_some() && !matches!(discover, Some(Discover::File(_))),
        discover,
        resolver: Vec::new(),
        protocol: written.spoken(),
        tls: tls.unwrap_or_default(),
        balance: balance(written.balance.as_ref()),
        health: health.as_ref().map(self::health),
        outliers: self::outliers(outliers),
        slow_start: slow_start.map_or(Duration::ZERO, value::Time::duration),
        breaker: breaker.as_ref().map(self::breaker),
        timeouts: UpstreamTimeouts {
            connect: timeouts.connect().duration(),
            first_byte: timeouts.first_byte().duration(),
            body: timeouts.body().duration(),
            idle: timeouts.idle().duration(),
        },
        limits: UpstreamLimits {
            connections: limits.connections().in_memory(),
            requests: limits.requests().in_memory(),
            pending: limits.pending().in_memory(),
            retries: limits.retries().in_memory(),
            header: limits.header().in_memory(),
            headers: limits.headers().in_memory(),
        },
        place: name.place.clone(),
    }
}

/// None where something is wrong with it, which has been reported then.
fn grpc(
    upstream: &sections::Upstream,
    written: &sections::Grpc,
    files: &mut CertificateReader<'_>,
    reports: &mut Reports,
) -> Option<Grpc> {
    if let Some(Spanned { value: Protocol::Http1, place }) = &upstream.protocol {
        let message = "gRPC is spoken by HTTP/2, and this upstream by HTTP/1.1";
        reports.add(Diagnostic::error("grpc-over-http1", message).at(place).hint("leave `protocol` out"));
    }
    let file = written.descriptors.as_ref()?;
    let descriptors = files.whole(file, reports)?.into();
    Some(Grpc { descriptors, message: written.message().in_memory(), place: file.place.clone() })
}

/// None where it was not written, or something is wrong with it, which has been reported then.
fn tls(
    written: &sections::Upstream,
    certificates: &mut CertificateReader<'_>,
    reports: &mut Reports,
) -> Option<UpstreamTls> {
    let Spanned { value: tls, place } = written.tls.as_ref()?;
    let is_plain =
        |endpoints: &NonEmpty<EndpointEntry>| endpoints.0.iter().all(|EndpointEntry(endpoint)| !endpoint.tls);
    if written.endpoints.as_ref().is_some_and(is_plain) {
        let diagnostic = Diagnostic::error("tls-without-https", "no endpoint of this upstream is spoken to over TLS");
        reports.add_absent(diagnostic.at(place).hint("write `https://` for those that are"));
    }
    if let (Some(_), Some(_)) = (&written.nats, &tls.server_name) {
        let diagnostic =
            Diagnostic::error("useless-server-name", "a server of NATS has the name that stands in its URL");
        reports.add(diagnostic.at(place).hint("leave `server-name` out, and write the name in `servers`"));
    }
    let nats = written.nats.as_ref().and_then(|nats| {
        let NonEmpty(servers) = nats.servers.as_ref()?;
        servers.iter().all(|server| !server.value.0.tls).then_some("tls://")
    });
    let amqp = written.amqp.as_ref().and_then(|amqp| {
        let NonEmpty(servers) = amqp.servers.as_ref()?;
        servers.iter().all(|server| !server.value.0.tls).then_some("amqps://")
    });
    if let Some(scheme) = nats.or(amqp) {
        let diagnostic = Diagnostic::error("tls-without-https", "no server of this upstream is spoken to over TLS");
        reports.add_absent(diagnostic.at(place).hint(format!("write `{scheme}` for those that are")));
    }
    certificates.upstream(tls, reports)
}

fn balance(written: Option<&sections::Balance>) -> Balance {
    match written {
        None | Some(sections::Balance::RoundRobin) => Balance::RoundRobin,
        Some(sections::Balance::LeastRequest) => Balance::LeastRequest,
        Some(sections::Balance::PeakEwma) => Balance::PeakEwma,
        // One that says nothing has been reported.
        Some(sections::Balance::Hash(by)) => by.key().map_or(Balance::RoundRobin, Balance::Hash),
    }
}

fn health(written: &sections::Health) -> Health {
    Health {
        path: written.path.as_ref().map(|Target(path)| path.clone()),
        statuses: statuses(&written.statuses, Statuses { first: 200, last: 399 }),
        interval: written.interval().duration(),
        timeout: written.timeout().duration(),
        healthy: written.healthy().number(),
        unhealthy: written.unhealthy().number(),
    }
}

fn outliers(written: &sections::Outliers) -> Outliers {
    Outliers {
        failures: written.failures().number(),
        statuses: statuses(&written.statuses, Statuses { first: 502, last: 504 }),
        ejection: written.ejection().duration(),
        most: written.most().number(),
    }
}

fn statuses(written: &[value::Statuses], otherwise: Statuses) -> Vec<Statuses> {
    match written {
        [] => vec![otherwise],
        written => written.iter().map(|value::Statuses(statuses)| *statuses).collect(),
    }
}

fn breaker(written: &sections::Breaker) -> Breaker {
    Breaker {
        failures: written.failures().number(),
        requests: written.requests().number(),
        window: written.window().duration(),
        open: written.open().duration(),
        probes: written.probes().number(),
    }
}

/// A route's `retry`.
pub(crate) fn retry(written: &sections::Retry) -> Retry {
    let has = |word| written.on.iter().any(|condition| matches!(condition, Condition::Word(on) if *on == word));
    let is_default = written.on.is_empty();
    let grpc = [
        (Word::Cancelled, 1),
        (Word::DeadlineExceeded, 4),
        (Word::ResourceExhausted, 8),
        (Word::Internal, 13),
        (Word::Unavailable, 14),
    ];
    let statuses = written.on.iter().filter_map(|condition| match condition {
        Condition::Statuses(value::Statuses(statuses)) => Some(*statuses),
        Condition::Word(_) => None,
    });
    Retry {
        times: written.times().number(),
        connect: is_default || has(Word::Connect),
        reset: is_default || has(Word::Reset),
        timeout: has(Word::Timeout),
        statuses: statuses.collect(),
        grpc: grpc.into_iter().filter(|(word, _)| has(*word)).map(|(_, status)| status).collect(),
        per_try: written.per_try.map(value::Time::duration),
        back_off: written.back_off().duration(),
    }
}
