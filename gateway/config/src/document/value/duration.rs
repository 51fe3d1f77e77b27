//! Durations: `"10 s"`, and longer ones: `"365 d"`.

use std::fmt;
use std::time::Duration;

use super::{Fault, Scalar, Text};

/// A duration of at least one microsecond and at most a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Time(Duration);

/// From the longest, so that a duration is shown in the largest unit that fits; in microseconds.
const UNITS: [(&str, u64); 5] = [("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000), ("us", 1)];

const LONGEST: u64 = 24 * 3_600_000_000;

impl Time {
    /// Whole seconds, for defaults.
    pub(crate) const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// Whole milliseconds, for defaults.
    pub(crate) const fn milliseconds(milliseconds: u64) -> Self {
        Self(Duration::from_millis(milliseconds))
    }

    /// As the program uses it.
    pub(crate) const fn duration(self) -> Duration {
        self.0
    }
}

impl Scalar for Time {
    const CODE: &'static str = "invalid-duration";
    const TEXT: Text = Text { what: "a duration", example: Some("10 s"), pattern: Some("^[0-9]+ ?(us|ms|s|m|h)$") };

    fn parse(text: &str) -> Result<Self, Fault> {
        match measure(text, &UNITS, "s")? {
            Some(0) => Err(Fault::new("a duration must be longer than zero")),
            Some(microseconds) if microseconds <= LONGEST => Ok(Self(Duration::from_micros(microseconds))),
            _ => Err(Fault::new(format!("the duration `{text}` is longer than a day"))),
        }
    }
}

/// A number and a unit as so many of the smallest unit; none when there are too many. `usual` is the unit that is meant where
/// none was written.
fn measure(text: &str, units: &[(&str, u64)], usual: &str) -> Result<Option<u64>, Fault> {
    let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim_start_matches(' ');
    let Ok(number) = number.parse::<u64>() else {
        return Err(
            Fault::new(format!("`{text}` is no duration")).hint(format!("a whole number and a unit: `\"10 {usual}\"`"))
        );
    };
    let Some((_, factor)) = units.iter().find(|(name, _)| *name == unit) else {
        let fault = match unit {
            "" => Fault::new(format!("the duration `{text}` has no unit")),
            _ => Fault::new(format!("`{unit}` is no unit of time")),
        };
        let same_letters = units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit));
        let meant = same_letters.map_or(usual, |(name, _)| name);
        let mut names: Vec<String> = units.iter().rev().map(|(name, _)| format!("`{name}`")).collect();
        let last = names.pop().unwrap_or_default();
        return Err(fault.hint(format!("{} or {last}: `\"{number} {meant}\"`", names.join(", "))));
    };
    Ok(number.checked_mul(*factor))
}

impl fmt::Display for Time {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let microseconds = u64::try_from(self.0.as_micros()).unwrap_or(u64::MAX);
        let fits = |(_, factor): &&(&str, u64)| microseconds.is_multiple_of(*factor);
        let (unit, factor) = UNITS.iter().find(fits).unwrap_or(&("us", 1));
        write!(formatter, "{} {unit}", microseconds / factor)
    }
}

impl From<Time> for serde_json::Value {
    fn from(time: Time) -> Self {
        time.to_string().into()
    }
}

/// For how long something is remembered elsewhere: whole seconds, at most ten years. Zero: not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Age(u64);

const DAY: u64 = 24 * 3_600;

const AGE_UNITS: [(&str, u64); 4] = [("d", DAY), ("h", 3_600), ("m", 60), ("s", 1)];

impl Age {
    /// For defaults.
    pub(crate) const fn days(days: u64) -> Self {
        Self(days * DAY)
    }

    /// In seconds.
    pub(crate) const fn seconds(self) -> u64 {
        self.0
    }
}

impl Scalar for Age {
    const CODE: &'static str = "invalid-duration";
    const TEXT: Text = Text { what: "a duration", example: Some("365 d"), pattern: Some("^[0-9]+ ?(s|m|h|d)$") };

    fn parse(text: &str) -> Result<Self, Fault> {
        match measure(text, &AGE_UNITS, "d")? {
            Some(seconds) if seconds <= 3_650 * DAY => Ok(Self(seconds)),
            _ => Err(Fault::new(format!("the duration `{text}` is longer than ten years"))),
        }
    }
}

impl fmt::Display for Age {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |(_, factor): &&(&str, u64)| self.0 != 0 && self.0.is_multiple_of(*factor);
        let (unit, factor) = AGE_UNITS.iter().find(fits).unwrap_or(&("s", 1));
        write!(formatter, "{} {unit}", self.0 / factor)
    }
}

impl From<Age> for serde_json::Value {
    fn from(age: Age) -> Self {
        age.to_string().into()
    }
}
