//! `/status`: one document that says what serves, since when, and what is wrong.

use crate::assemble::Installed;
use crate::reload::Status;
use crate::server::Running;
use gateway_core::Plugin as _;
use gateway_plugin_host::{Instances, Readings};
use gateway_proxy::cache::Cache;
use gateway_proxy::upstream::UpstreamStatus;
use serde::Serialize;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Serialize)]
pub(super) struct Document {
    version: &'static str,
    /// `serving` or `draining`.
    state: &'static str,
    reload: Status,
    listeners: BTreeMap<Arc<str>, SocketAddr>,
    upstreams: BTreeMap<Arc<str>, UpstreamStatus>,
    plugins: Vec<PluginStatus>,
    /// Where a route has a cache.
    cache: Option<CacheStatus>,
    counters: BTreeMap<String, u64>,
    process: Process,
}

#[derive(Serialize)]
pub(super) struct PluginStatus {
    name: Arc<str>,
    /// Where it was named first.
    place: Option<String>,
    file: PathBuf,
    sha256: Arc<str>,
    version: Option<String>,
    /// The hash of the file's version, where that one failed and this one came back.
    rolled_back_from: Option<Arc<str>>,
    phases: Vec<&'static str>,
    calls: u64,
    traps: u64,
    cpu_exceeded: u64,
    wall_exceeded: u64,
    bad_output: u64,
    refused_full: u64,
    refused_open: u64,
    /// It failed too often lately and is not called for a while.
    breaker_open: bool,
    /// How the last call failed that did.
    last_error: Option<LastError>,
    instances: Instances,
    readings: Readings,
}

#[derive(Serialize)]
struct LastError {
    /// RFC 3339.
    at: String,
    phase: &'static str,
    /// `trap`, `cpu`, `wall`, …
    kind: &'static str,
    message: String,
}

#[derive(Serialize)]
struct CacheStatus {
    /// Each with all its variants.
    keys: usize,
    /// About.
    bytes: u64,
    size: u64,
}

#[derive(Serialize)]
struct Process {
    id: u32,
}

pub(super) fn of(running: &Running) -> Document {
    let current = Arc::clone(&running.current.lock());
    let draining = running.draining.load(std::sync::atomic::Ordering::Relaxed);
    Document {
        version: env!("CARGO_PKG_VERSION"),
        state: if draining { "draining" } else { "serving" },
        reload: running.status.lock().clone(),
        listeners: running.listeners.addresses().into_iter().collect(),
        upstreams: current
            .snapshot
            .upstreams
            .iter()
            .map(|(name, upstream)| (Arc::clone(name), upstream.status()))
            .collect(),
        plugins: current.plugins.iter().map(plugin).collect(),
        cache: current.snapshot.cache.as_ref().map(|caching| cache(&caching.cache)),
        counters: running.instruments.read(),
        process: Process { id: std::process::id() },
    }
}

fn cache(cache: &Cache) -> CacheStatus {
    let (keys, bytes) = cache.load();
    CacheStatus { keys, bytes, size: cache.settings().size }
}

pub(super) fn plugin(installed: &Installed) -> PluginStatus {
    let statistics = installed.plugin.statistics();
    PluginStatus {
        name: Arc::clone(&installed.written.name),
        place: installed.written.places.first().map(crate::explain::at),
        file: installed.written.file.clone(),
        sha256: Arc::clone(&installed.version.hash),
        version: installed.version.component.manifest.as_ref().map(|manifest| manifest.version.clone()),
        rolled_back_from: installed.version.instead_of.clone(),
        phases: installed.plugin.phases().iter().map(|phase| phase.name()).collect(),
        calls: statistics.calls,
        traps: statistics.traps,
        cpu_exceeded: statistics.cpu,
        wall_exceeded: statistics.wall,
        bad_output: statistics.output,
        refused_full: statistics.full,
        refused_open: statistics.open,
        breaker_open: installed.plugin.is_tripped(),
        last_error: installed.plugin.last_fault().map(|fault| LastError {
            at: humantime::format_rfc3339_millis(fault.at).to_string(),
            phase: fault.phase,
            kind: fault.kind,
            message: fault.message,
        }),
        instances: installed.plugin.instances(),
        readings: installed.plugin.readings(),
    }
}
