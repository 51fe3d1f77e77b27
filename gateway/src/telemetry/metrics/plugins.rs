//! Plugins: what they cost and how they fare, without their help, and what they count themselves.

use super::family::{Family, Figure, Kind, Labels, Unit, label};
use crate::assemble::{Assembly, Installed};
use gateway_core::instruments::Instruments;
use gateway_core::instruments::meters::Meters;
use gateway_core::{Phase, Plugin as _};
use gateway_plugin_host::Readings;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The gateway's own counters under a plugin's name: what they are told as.
const OWN: [(&str, &str); 3] = [("log-lost", "log"), ("metrics-lost", "metrics"), ("denied", "denied")];

/// All uses of a plugin, and what it is made of.
struct Known<'a> {
    uses: Vec<&'a Installed>,
}

impl Known<'_> {
    fn sum(&self, figure: impl Fn(&Installed) -> usize) -> u64 {
        self.uses.iter().map(|installed| figure(installed) as u64).sum()
    }
}

pub(super) fn families(meters: &Meters, current: &Assembly, instruments: &Instruments) -> Vec<Family> {
    let mut known: BTreeMap<&Arc<str>, Known<'_>> = BTreeMap::new();
    for installed in &current.plugins {
        known.entry(&installed.written.name).or_insert_with(|| Known { uses: Vec::new() }).uses.push(installed);
    }
    let metered = if meters.are_on() { meters.plugins() } else { Vec::new() };
    let calls = metered.iter().flat_map(|(name, plugin)| {
        let seen = plugin.phases().map(|(phase, histogram)| (phase, histogram.read()));
        let with = |(phase, reading): (Phase, gateway_core::instruments::Reading)| {
            ([of(name), vec![label("phase", phase.name())]].concat(), Figure::Histogram(reading))
        };
        seen.filter(|(_, reading)| reading.count() > 0).map(with).collect::<Vec<_>>()
    });
    let busy = metered.iter().map(|(name, plugin)| (of(name), Figure::Number(plugin.busy.value() as f64 / 1e9)));
    let faults = metered.iter().flat_map(|(name, plugin)| {
        let with = |(kind, count): (gateway_core::plugin::FaultKind, u64)| {
            ([of(name), vec![label("kind", kind.word())]].concat(), count)
        };
        plugin.faults().map(with).collect::<Vec<_>>()
    });
    let instances = known.iter().flat_map(|(name, known)| {
        let idle = known.sum(|installed| installed.plugin.instances().idle);
        let busy = known.sum(|installed| installed.plugin.instances().live).saturating_sub(idle);
        [("idle", idle), ("busy", busy)].map(|(state, count)| ([of(name), vec![label("state", state)]].concat(), count))
    });
    let memory = known
        .iter()
        .map(|(name, known)| (of(name), Figure::Whole(known.sum(|installed| installed.plugin.instances().memory))));
    let open = known
        .iter()
        .map(|(name, known)| (of(name), known.uses.iter().any(|installed| installed.plugin.is_tripped()).into()));
    let compiled = known.iter().filter_map(|(name, known)| {
        let longest = known.uses.iter().map(|installed| installed.version.component.compile_time).max()?;
        Some((of(name), Figure::Number(longest.as_secs_f64())))
    });
    let mut families = vec![
        Family::new(
            "gateway_plugin_call_duration",
            Kind::Histogram,
            Unit::Seconds,
            "Calls of plugins, waiting for services included",
            calls,
        ),
        Family::new(
            "gateway_plugin_busy",
            Kind::Counter,
            Unit::Seconds,
            "How long guests ran, waiting for services not included",
            busy,
        ),
        Family::counter("gateway_plugin_faults", "Calls that failed", faults),
        Family::gauge("gateway_plugin_instances", "Instances", instances),
        Family::new("gateway_plugin_memory", Kind::Gauge, Unit::Bytes, "Memory of idle instances", memory),
        Family::gauge("gateway_plugin_breaker_open", "1: it failed too often and is not called for a while", open),
        Family::new(
            "gateway_plugin_compile_time",
            Kind::Gauge,
            Unit::Seconds,
            "How long its component took to be compiled, or read where that was done before",
            compiled,
        ),
        Family::new("gateway_plugin", Kind::Info, Unit::None, "What is in force", info(&known)),
    ];
    families.extend(told(&known, instruments));
    families
}

fn info(known: &BTreeMap<&Arc<str>, Known<'_>>) -> Vec<(Labels, Figure)> {
    let each = known.iter().filter_map(|(name, known)| {
        let installed = known.uses.first()?;
        let manifest = installed.version.component.manifest.as_ref();
        let phases: Vec<_> = installed.plugin.phases().iter().map(Phase::name).collect();
        let mut labels = of(name);
        labels.extend([
            label("version", manifest.map(|manifest| manifest.version.clone()).unwrap_or_default()),
            label("sha256", &*installed.version.hash),
            label("phases", phases.join(" ")),
            label("rolled_back", installed.version.instead_of.is_some().to_string()),
        ]);
        Some((labels, Figure::Whole(1)))
    });
    each.collect()
}

/// What plugins count themselves, and what was lost or refused of it; budgets they take from.
fn told(known: &BTreeMap<&Arc<str>, Known<'_>>, instruments: &Instruments) -> Vec<Family> {
    let (mut counts, mut lost, mut limits) = (Vec::new(), Vec::new(), Vec::new());
    for (counter, count) in instruments.read() {
        let Some(rest) = counter.strip_prefix("plugin.") else { continue };
        // A name may have dots in it: the longest that fits is meant.
        let names = known.keys().filter(|name| rest.strip_prefix(&****name).is_some_and(|rest| rest.starts_with('.')));
        let Some(name) = names.max_by_key(|name| name.len()) else { continue };
        let metric = rest.get(name.len() + 1..).unwrap_or_default();
        let with = |key, value: &str| [of(name), vec![label(key, value)]].concat();
        match (OWN.iter().find(|(own, _)| *own == metric), metric.strip_prefix("limit-")) {
            (Some((_, what)), _) => lost.push((with("what", what), count)),
            (None, Some(decision @ ("allowed" | "refused"))) => limits.push((with("decision", decision), count)),
            _ => counts.push((with("name", metric), count)),
        }
    }
    let readings: Vec<(&Arc<str>, Readings)> =
        known.iter().filter_map(|(name, known)| Some((*name, known.uses.first()?.plugin.readings()))).collect();
    let named = |name: &Arc<str>, metric: &str| [of(name), vec![label("name", metric)]].concat();
    let gauges = readings.iter().flat_map(|(name, readings)| {
        readings.gauges.iter().map(|(metric, value)| (named(name, metric), Figure::Number(*value)))
    });
    let observations = readings.iter().flat_map(|(name, readings)| {
        readings.distributions.iter().map(|(metric, seen)| (named(name, metric), seen.count))
    });
    let sums = readings.iter().flat_map(|(name, readings)| {
        readings.distributions.iter().map(|(metric, seen)| (named(name, metric), Figure::Number(seen.sum)))
    });
    vec![
        Family::counter("gateway_plugin_count", "What plugins count themselves", counts),
        Family::new("gateway_plugin_gauge", Kind::Gauge, Unit::None, "What plugins tell themselves", gauges),
        Family::counter("gateway_plugin_observations", "How often plugins observed something", observations),
        // It may fall, where what they observe is below nothing.
        Family::new("gateway_plugin_observed_sum", Kind::Gauge, Unit::None, "What they observed, all together", sums),
        Family::counter(
            "gateway_plugin_lost",
            "Entries of the log and samples that were too many, calls that were not granted",
            lost,
        ),
        Family::counter("gateway_limit_decisions", "Takes from budgets, by whether there was room", limits),
    ]
}

fn of(name: &str) -> Labels {
    vec![label("gateway_plugin", name)]
}
