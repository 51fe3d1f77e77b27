//! Orders of many values, and how two series of rounds compare.

/// Lower quartile, median, upper quartile.
#[derive(Clone, Copy)]
pub(crate) struct Quartiles {
    pub(crate) lower: f64,
    pub(crate) median: f64,
    pub(crate) upper: f64,
}

impl Quartiles {
    pub(crate) fn of(values: &[f64]) -> Self {
        let [lower, median, upper] = [0.25, 0.5, 0.75].map(|part| quantile(values, part));
        Self { lower, median, upper }
    }

    /// Of the ratios of rounds, each against the same round of the other: a change of the machine's speed falls on both.
    pub(crate) fn of_ratios(own: &[f64], other: &[f64]) -> Self {
        Self::of(&own.iter().zip(other).map(|(own, other)| own / other).collect::<Vec<_>>())
    }

    /// The two outer ones, as in `31.2–33.4`.
    pub(crate) fn spread(&self, decimals: usize) -> String {
        format!("{:.decimals$}–{:.decimals$}", self.lower, self.upper)
    }
}

/// The value below which a part of all lies, between the two nearest where it is none of them.
pub(crate) fn quantile(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let place = part * last as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    below + (above - below) * place.fract()
}

pub(crate) fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}
