//! `metrics`: numbers under a plugin's name, few names.

use crate::abi::gateway::wit::metrics::Host;
use crate::state::State;
use gateway_core::instruments::{Counter, Instruments};
use parking_lot::Mutex;
use serde::Serialize;
use std::collections::BTreeMap;

/// Names of one plugin, of all kinds together.
const NAMES: usize = 64;

/// A name, in bytes.
const NAME: usize = 64;

/// The gateway's own counters under a plugin's name.
const RESERVED: [&str; 5] = ["denied", "log-lost", "metrics-lost", "limit-allowed", "limit-refused"];

/// The numbers of one plugin.
pub(crate) struct Metrics {
    prefix: String,
    instruments: Instruments,
    lost: Counter,
    known: Mutex<BTreeMap<String, Metric>>,
}

enum Metric {
    Counter(Counter),
    Gauge(f64),
    Distribution(Distribution),
}

/// What a guest reports.
enum Sample {
    Add(u64),
    Set(f64),
    Observe(f64),
}

/// Observations of one name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Distribution {
    /// How many.
    pub count: u64,
    /// All together.
    pub sum: f64,
    /// The smallest.
    pub minimum: f64,
    /// The largest.
    pub maximum: f64,
}

/// What a plugin measured, beside its counters, which are among the gateway's instruments as `plugin.NAME.METRIC`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Readings {
    /// By name.
    pub gauges: BTreeMap<String, f64>,
    /// By name.
    pub distributions: BTreeMap<String, Distribution>,
}

impl Metrics {
    pub(crate) fn new(plugin: &str, instruments: &Instruments) -> Self {
        let prefix = format!("plugin.{plugin}.");
        let lost = instruments.counter(&format!("{prefix}metrics-lost"));
        Self { prefix, instruments: instruments.clone(), lost, known: Mutex::default() }
    }

    /// Records under this name, made when it is the first of few enough. A name has one kind.
    fn record(&self, name: &str, sample: Sample) {
        if !sample.is_number() {
            self.lost.increment();
            return;
        }
        let mut known = self.known.lock();
        if !known.contains_key(name) && known.len() < NAMES && is_name(name) {
            known.insert(name.to_owned(), self.first(name, &sample));
        }
        if !known.get_mut(name).is_some_and(|metric| metric.record(sample)) {
            self.lost.increment();
        }
    }

    fn first(&self, name: &str, sample: &Sample) -> Metric {
        match sample {
            Sample::Add(_) => Metric::Counter(self.instruments.counter(&format!("{}{name}", self.prefix))),
            Sample::Set(value) => Metric::Gauge(*value),
            Sample::Observe(value) => {
                Metric::Distribution(Distribution { count: 0, sum: 0.0, minimum: *value, maximum: *value })
            }
        }
    }

    pub(crate) fn read(&self) -> Readings {
        let mut readings = Readings::default();
        for (name, metric) in &*self.known.lock() {
            match metric {
                Metric::Counter(_) => {}
                Metric::Gauge(value) => drop(readings.gauges.insert(name.clone(), *value)),
                Metric::Distribution(distribution) => drop(readings.distributions.insert(name.clone(), *distribution)),
            }
        }
        readings
    }
}

impl Sample {
    fn is_number(&self) -> bool {
        match self {
            Self::Add(_) => true,
            Self::Set(value) | Self::Observe(value) => value.is_finite(),
        }
    }
}

impl Metric {
    /// Whether the sample is of its kind, and the outcome can be shown.
    fn record(&mut self, sample: Sample) -> bool {
        match (self, sample) {
            (Self::Counter(counter), Sample::Add(by)) => counter.add(by),
            (Self::Gauge(last), Sample::Set(value)) => *last = value,
            (Self::Distribution(distribution), Sample::Observe(value)) if (distribution.sum + value).is_finite() => {
                distribution.count += 1;
                distribution.sum += value;
                distribution.minimum = distribution.minimum.min(value);
                distribution.maximum = distribution.maximum.max(value);
            }
            _ => return false,
        }
        true
    }
}

/// Short, and without anything that a text format of metrics would read in its own way. Not one of ours.
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= NAME
        && !RESERVED.contains(&name)
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
}

impl Host for State {
    fn count(&mut self, name: String, by: u64) {
        self.kept.metrics.record(&name, Sample::Add(by));
    }

    fn gauge(&mut self, name: String, value: f64) {
        self.kept.metrics.record(&name, Sample::Set(value));
    }

    fn observe(&mut self, name: String, value: f64) {
        self.kept.metrics.record(&name, Sample::Observe(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_few_and_of_one_kind_and_the_loss_is_counted() {
        let instruments = Instruments::default();
        let metrics = Metrics::new("p", &instruments);
        for number in 0..NAMES - 2 {
            metrics.record(&format!("c{number}"), Sample::Add(2));
        }
        metrics.record("gauge", Sample::Set(1.5));
        for value in [3.0, 1.0, f64::NAN] {
            metrics.record("seen", Sample::Observe(value));
        }
        for (name, sample) in [("more", Sample::Add(1)), ("gauge", Sample::Add(1)), ("bad name", Sample::Add(1))] {
            metrics.record(name, sample);
        }
        assert_eq!(instruments.counter("plugin.p.c0").value(), 2);
        assert_eq!(instruments.counter("plugin.p.metrics-lost").value(), 4);
        let readings = metrics.read();
        assert_eq!(readings.gauges.get("gauge"), Some(&1.5));
        let expected = Distribution { count: 2, sum: 4.0, minimum: 1.0, maximum: 3.0 };
        assert_eq!(readings.distributions.get("seen"), Some(&expected));
    }

    #[test]
    fn w4_what_is_no_number_makes_no_metric_and_the_hosts_own_counters_are_not_written() {
        let instruments = Instruments::default();
        let metrics = Metrics::new("p", &instruments);
        metrics.record("gauge", Sample::Set(f64::INFINITY));
        metrics.record("seen", Sample::Observe(f64::NAN));
        assert_eq!(metrics.read(), Readings::default());
        metrics.record("seen", Sample::Observe(f64::MAX));
        metrics.record("seen", Sample::Observe(f64::MAX));
        assert!(metrics.read().distributions.get("seen").unwrap().sum.is_finite());
        for name in RESERVED {
            metrics.record(name, Sample::Add(1000));
        }
        assert_eq!(instruments.counter("plugin.p.metrics-lost").value(), 8);
        assert_eq!(instruments.counter("plugin.p.denied").value(), 0);
    }
}
