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

    /// Works on the metric of this name, made when it is the first of few enough. A name has one kind.
    fn update(&self, name: &str, new: impl FnOnce() -> Metric, update: impl FnOnce(&mut Metric) -> bool) {
        let mut known = self.known.lock();
        if let Some(metric) = known.get_mut(name) {
            if !update(metric) {
                self.lost.increment();
            }
        } else if known.len() < NAMES && is_name(name) {
            let metric = known.entry(name.to_owned()).or_insert_with(new);
            update(metric);
        } else {
            self.lost.increment();
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

/// Short, and without anything that a text format of metrics would read in its own way.
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= NAME
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
}

impl Host for State {
    fn count(&mut self, name: String, by: u64) {
        let metrics = &self.kept.metrics;
        let new = || Metric::Counter(metrics.instruments.counter(&format!("{}{name}", metrics.prefix)));
        metrics.update(&name, new, |metric| match metric {
            Metric::Counter(counter) => {
                counter.add(by);
                true
            }
            _ => false,
        });
    }

    fn gauge(&mut self, name: String, value: f64) {
        self.kept.metrics.update(
            &name,
            || Metric::Gauge(value),
            |metric| match metric {
                Metric::Gauge(last) => {
                    *last = value;
                    true
                }
                _ => false,
            },
        );
    }

    fn observe(&mut self, name: String, value: f64) {
        let new = || {
            Metric::Distribution(Distribution {
                count: 0,
                sum: 0.0,
                minimum: f64::INFINITY,
                maximum: f64::NEG_INFINITY,
            })
        };
        self.kept.metrics.update(&name, new, |metric| match metric {
            Metric::Distribution(distribution) if value.is_finite() => {
                distribution.count += 1;
                distribution.sum += value;
                distribution.minimum = distribution.minimum.min(value);
                distribution.maximum = distribution.maximum.max(value);
                true
            }
            _ => false,
        });
    }
}
