//! `/figures`: what a dashboard draws, small enough to be asked for each second. Sums that only grow, for whoever asks to take
//! differences of.

use crate::server::Running;
use gateway_core::clock::since_epoch;
use gateway_core::instruments::{Reading, Status as Answered};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Serialize)]
pub(super) struct Document {
    /// Milliseconds since 1970.
    at: u128,
    generation: u64,
    /// As in `/status`.
    reload: &'static str,
    reloads_failed: u64,
    draining: bool,
    /// Requests under way.
    active: u64,
    /// Upper ends of all ranges of `latency` but the last, in milliseconds.
    bounds: Vec<f64>,
    /// By name; the one without a name has what no route took.
    routes: BTreeMap<Arc<str>, RouteFigures>,
    /// By name.
    plugins: BTreeMap<Arc<str>, PluginFigures>,
    /// By name.
    upstreams: BTreeMap<Arc<str>, UpstreamFigures>,
    /// Of the tail, what readers missed.
    tail_lost: u64,
}

#[derive(Serialize, Default)]
struct RouteFigures {
    requests: u64,
    /// Answers of 4xx.
    refused: u64,
    /// Answers of 5xx.
    failed: u64,
    /// How many requests fell into each range, one more than there are bounds.
    latency: Vec<u64>,
    /// Bytes of bodies from and to clients.
    received: u64,
    sent: u64,
}

#[derive(Serialize, Default)]
struct PluginFigures {
    calls: u64,
    faults: u64,
    /// How long guests ran, in milliseconds.
    busy: f64,
}

#[derive(Serialize)]
struct UpstreamFigures {
    tries: u64,
    retries: u64,
    errors: u64,
    up: usize,
    endpoints: usize,
    breaker_open: bool,
}

pub(super) fn of(running: &Running) -> Document {
    let current = Arc::clone(&running.current.lock());
    let meters = running.instruments.meters();
    let mut bounds = Vec::new();
    let mut routes: BTreeMap<_, RouteFigures> = BTreeMap::new();
    for route in meters.routes() {
        let figures = routes.entry(Arc::clone(&route.name)).or_default();
        for (words, reading) in route.duration.read() {
            bounds = reading.bounds.iter().map(|bound| *bound as f64 / 1e6).collect();
            figures.add(words.and_then(|words| words.status), &reading);
        }
        figures.received += route.request_size.read().sum;
        figures.sent += route.response_size.read().sum;
    }
    let plugin = |(name, meter): (Arc<str>, Arc<gateway_core::instruments::meters::Plugin>)| {
        let figures = PluginFigures {
            calls: meter.phases().map(|(_, calls)| calls.read().count()).sum(),
            faults: meter.faults().map(|(_, count)| count).sum(),
            busy: meter.busy.value() as f64 / 1e6,
        };
        (name, figures)
    };
    let status = running.status.lock().clone();
    let errors: BTreeMap<_, u64> = meters
        .upstreams()
        .into_iter()
        .map(|(name, meter)| (name, meter.errors.read().map(|(_, count)| count).sum()))
        .collect();
    let upstreams = current.snapshot.upstreams.iter().map(|(name, upstream)| {
        let status = upstream.status();
        let figures = UpstreamFigures {
            tries: status.tries,
            retries: status.retries,
            errors: errors.get(name).copied().unwrap_or_default(),
            up: status.endpoints.iter().filter(|endpoint| endpoint.state == "up").count(),
            endpoints: status.endpoints.len(),
            breaker_open: status.breaker_open,
        };
        (Arc::clone(name), figures)
    });
    Document {
        at: since_epoch().as_millis(),
        generation: status.generation,
        reload: status.state,
        reloads_failed: status.failed,
        draining: running.draining.load(std::sync::atomic::Ordering::Relaxed),
        active: meters.active().read().map(|(_, _, count)| count).sum(),
        bounds,
        routes,
        plugins: meters.plugins().into_iter().map(plugin).collect(),
        upstreams: upstreams.collect(),
        tail_lost: running.instruments.counter("telemetry.tail-lost").value(),
    }
}

impl RouteFigures {
    fn add(&mut self, status: Option<Answered>, reading: &Reading) {
        let count = reading.count();
        self.requests += count;
        match status.map(Answered::word).unwrap_or_default().as_bytes().first() {
            Some(b'4') => self.refused += count,
            Some(b'5') => self.failed += count,
            _ => {}
        }
        self.latency.resize(reading.counts.len(), 0);
        self.latency.iter_mut().zip(&reading.counts).for_each(|(sum, count)| *sum += count);
    }
}
