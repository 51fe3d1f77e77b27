//! The gateway itself: what serves, its cache, its connections, its stores, and what was lost of all this.

use super::family::{Family, Figure, Kind, Labels, Unit, label};
use crate::assemble::Assembly;
use crate::server::Running;
use std::sync::atomic::Ordering;

/// Counters by name that are told as one family: what the name begins with, the family, its label, its help.
const FAMILIES: [(&str, &str, &str, &str); 4] = [
    ("cache.", "gateway_cache_events", "event", "What the cache did with requests and answers"),
    ("connections.", "gateway_connections", "event", "What became of connections"),
    ("reloads.", "gateway_reloads", "result", "Changes that were taken up, or refused"),
    ("telemetry.", "gateway_telemetry", "event", "What was sent, and what was lost"),
];

pub(super) fn families(running: &Running, current: &Assembly) -> Vec<Family> {
    let counters = running.instruments.read();
    let mut families = Vec::new();
    for (prefix, family, key, help) in FAMILIES {
        let own =
            counters.iter().filter_map(|(name, count)| Some((vec![label(key, name.strip_prefix(prefix)?)], *count)));
        families.push(Family::counter(family, help, own.collect::<Vec<_>>()));
    }
    let stores = |what: &str| {
        let each = counters.iter().filter_map(|(name, count)| {
            let store = name.strip_prefix("store.")?.strip_suffix(what)?;
            Some((vec![label("gateway_store", store)], *count))
        });
        each.collect::<Vec<_>>()
    };
    let counter = |name: &str| counters.get(name).map(|count| (Labels::new(), *count));
    families.push(Family::counter("gateway_store_commands", "What stores were asked", stores(".commands")));
    families.push(Family::counter("gateway_store_failures", "What they did not answer", stores(".failures")));
    families.push(Family::counter(
        "gateway_panics",
        "Requests that met a fault of the gateway",
        counter("requests.panicked"),
    ));
    families.push(Family::counter(
        "gateway_overloads",
        "Times that nothing more was taken on for want of memory",
        counter("overloads.memory"),
    ));

    let status = running.status.lock().clone();
    let alone = |count: u64| [(Labels::new(), count)];
    families.push(Family::gauge(
        "gateway_generation",
        "Counts up with each change that is taken up",
        alone(status.generation),
    ));
    families.push(Family::gauge(
        "gateway_configuration_current",
        "0: the files cannot be used, and the last good ones serve",
        alone((status.state == "current").into()),
    ));
    let since = [(Labels::new(), Figure::Whole(status.since))];
    families.push(Family::new(
        "gateway_configuration_loaded_timestamp",
        Kind::Gauge,
        Unit::Seconds,
        "Since when it serves",
        since,
    ));
    families.push(Family::gauge(
        "gateway_draining",
        "1: it takes no more connections",
        alone(running.draining.load(Ordering::Relaxed).into()),
    ));
    if let Some(caching) = &current.snapshot.cache {
        let (keys, bytes) = caching.cache.load();
        families.push(Family::gauge(
            "gateway_cache_keys",
            "Stored answers, each with all its variants",
            alone(keys as u64),
        ));
        let size = [(Labels::new(), Figure::Whole(bytes))];
        families.push(Family::new("gateway_cache_size", Kind::Gauge, Unit::Bytes, "About what they take", size));
    }
    let version = vec![label("version", env!("CARGO_PKG_VERSION"))];
    families.push(Family::new("gateway_build", Kind::Info, Unit::None, "What runs", [(version, Figure::Whole(1))]));
    families
}
