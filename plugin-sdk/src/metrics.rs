//! Metrics under this plugin's name: at most 64 names.

use crate::sys::metrics as sys;

/// Adds to a counter.
pub fn count(name: &str, by: u64) {
    sys::count(name, by);
}

/// Sets a gauge.
pub fn gauge(name: &str, value: f64) {
    sys::gauge(name, value);
}

/// Adds an observation to a distribution.
pub fn observe(name: &str, value: f64) {
    sys::observe(name, value);
}
