//! How often a value fell into which of a few ranges.

use super::lanes::{Cell, Lanes};

/// Ranges, the last one without an end: with their sum they fill two cache lines.
const RANGES: usize = 15;

/// Nanoseconds; the boundaries that OpenTelemetry's conventions give for `http.server.request.duration`.
pub(super) const REQUEST_DURATION: &[u64] = &[
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    75_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    750_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    7_500_000_000,
    10_000_000_000,
];

/// Nanoseconds; a call of a guest is a matter of microseconds, unless it waits for a service.
pub(super) const CALL_DURATION: &[u64] = &[
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    50_000_000,
    250_000_000,
    1_000_000_000,
];

/// Bytes.
pub(super) const BODY_SIZE: &[u64] =
    &[0, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20, 64 << 20, 256 << 20];

/// What one lane has seen.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Lane {
    counts: [Cell; RANGES],
    sum: Cell,
}

/// A histogram of whole numbers: nanoseconds, bytes.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64],
    lanes: Lanes<Lane>,
}

/// A histogram at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The upper ends of all ranges but the last.
    pub bounds: &'static [u64],
    /// How many values fell into each range, one more than there are bounds.
    pub counts: Vec<u64>,
    /// All values together.
    pub sum: u64,
}

impl Histogram {
    /// An empty one with these upper ends, at most 14.
    #[must_use]
    pub fn new(bounds: &'static [u64]) -> Self {
        debug_assert!(bounds.len() < RANGES, "more bounds than there are ranges");
        Self { bounds, lanes: Lanes::default() }
    }

    /// Takes note of a value.
    pub fn record(&self, value: u64) {
        let range = self.bounds.iter().position(|bound| value <= *bound).unwrap_or(self.bounds.len());
        self.lanes.add(|lane, adder| {
            if let Some(count) = lane.counts.get(range) {
                adder.add(count, 1);
                adder.add(&lane.sum, value);
            }
        });
    }

    /// All lanes together.
    #[must_use]
    pub fn read(&self) -> Reading {
        let count = |range: usize| self.lanes.all().filter_map(|lane| lane.counts.get(range)).map(Cell::value).sum();
        Reading {
            bounds: self.bounds,
            counts: (0..=self.bounds.len()).map(count).collect(),
            sum: self.lanes.all().map(|lane| lane.sum.value()).fold(0, u64::wrapping_add),
        }
    }
}

impl Reading {
    /// How many values there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_counts_up_to_its_bound() {
        let histogram = Histogram::new(&[10, 20]);
        for value in [0, 10, 11, 20, 21, 1000] {
            histogram.record(value);
        }
        let expected = Reading { bounds: &[10, 20], counts: vec![2, 2, 2], sum: 1062 };
        assert_eq!(histogram.read(), expected);
        assert_eq!(histogram.read().count(), 6);
    }

    #[test]
    fn the_boundaries_fit_and_ascend() {
        for bounds in [REQUEST_DURATION, CALL_DURATION, BODY_SIZE] {
            assert!(bounds.len() < RANGES);
            assert!(bounds.is_sorted());
        }
    }
}
