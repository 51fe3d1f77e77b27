//! Figures of one name.

use gateway_core::instruments::Reading;

/// Figures of one name, each with labels of its own.
#[derive(Debug)]
pub(super) struct Family {
    /// Without unit, and without `total`.
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) unit: Unit,
    pub(super) kind: Kind,
    pub(super) samples: Vec<(Labels, Figure)>,
}

/// What a figure belongs to.
pub(super) type Labels = Vec<(&'static str, String)>;

/// What figures are counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// Things.
    None,
    Seconds,
    Bytes,
}

/// What becomes of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// It tells how often what was seen.
    Histogram,
    /// It is 1, and its labels say something.
    Info,
}

/// A figure.
#[derive(Debug)]
pub(super) enum Figure {
    Whole(u64),
    Number(f64),
    /// What was counted in nanoseconds, or in bytes.
    Histogram(Reading),
}

impl Family {
    pub(super) fn new(
        name: &'static str,
        kind: Kind,
        unit: Unit,
        help: &'static str,
        samples: impl IntoIterator<Item = (Labels, Figure)>,
    ) -> Self {
        let mut samples: Vec<(Labels, Figure)> = samples.into_iter().collect();
        let mut names = Vec::new();
        for (name, _) in samples.iter().flat_map(|(labels, _)| labels) {
            if !names.contains(name) {
                names.push(*name);
            }
        }
        // All figures of a family have the same labels; an empty one is as good as none.
        for (labels, _) in &mut samples {
            let value = |name| labels.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
            *labels = names.iter().map(|name| (*name, value(*name).unwrap_or_default())).collect();
        }
        Self { name, help, unit, kind, samples }
    }

    /// One that only grows.
    pub(super) fn counter(
        name: &'static str,
        help: &'static str,
        samples: impl IntoIterator<Item = (Labels, u64)>,
    ) -> Self {
        let samples = samples.into_iter().map(|(labels, count)| (labels, Figure::Whole(count)));
        Self::new(name, Kind::Counter, Unit::None, help, samples)
    }

    /// One that goes up and down.
    pub(super) fn gauge(
        name: &'static str,
        help: &'static str,
        samples: impl IntoIterator<Item = (Labels, u64)>,
    ) -> Self {
        let samples = samples.into_iter().map(|(labels, count)| (labels, Figure::Whole(count)));
        Self::new(name, Kind::Gauge, Unit::None, help, samples)
    }
}

/// One label.
pub(super) fn label(name: &'static str, value: impl Into<String>) -> (&'static str, String) {
    (name, value.into())
}
