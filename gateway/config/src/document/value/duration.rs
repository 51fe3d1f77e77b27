//! Durations: `"10 s"`.

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
        let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let unit = unit.trim_start_matches(' ');
        let Ok(number) = number.parse::<u64>() else {
            return Err(Fault::new(format!("`{text}` is no duration")).hint("a whole number and a unit: `\"10 s\"`"));
        };
        let Some((_, factor)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            let fault = match unit {
                "" => Fault::new(format!("the duration `{text}` has no unit")),
                _ => Fault::new(format!("`{unit}` is no unit of time")),
            };
            let same_letters = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit));
            let meant = same_letters.map_or("s", |(name, _)| name);
            return Err(fault.hint(format!("`us`, `ms`, `s`, `m` or `h`: `\"{number} {meant}\"`")));
        };
        match number.checked_mul(*factor) {
            Some(0) => Err(Fault::new("a duration must be longer than zero")),
            Some(microseconds) if microseconds <= LONGEST => Ok(Self(Duration::from_micros(microseconds))),
            _ => Err(Fault::new(format!("the duration `{text}` is longer than a day"))),
        }
    }
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
