//! Rates: `"100/s"`, `"5000/d"`, `"10/30 s"`.

use crate::MOST;
use serde::Deserialize;
use serde::de::{Deserializer, Error};

/// So many in so many seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    /// At least 1.
    pub(crate) limit: u64,
    /// At least 1, at most 365 days.
    pub(crate) seconds: u64,
}

const LONGEST: u64 = 365 * 86_400;

impl Rate {
    /// Fails with what is wrong.
    fn parse(text: &str) -> Result<Self, String> {
        let malformed = || format!("`{text}` is no rate: write `100/s`, `5000/d` or `10/30 s`");
        let (limit, window) = text.split_once('/').ok_or_else(malformed)?;
        let limit: u64 = limit.trim().parse().map_err(|_| malformed())?;
        let window = window.trim();
        let digits = window.find(|letter: char| !letter.is_ascii_digit()).ok_or_else(malformed)?;
        let (count, unit) = window.split_at(digits);
        let count: u64 = if count.is_empty() { 1 } else { count.parse().map_err(|_| malformed())? };
        let unit = match unit.trim() {
            "s" => 1,
            "m" | "min" => 60,
            "h" => 3_600,
            "d" => 86_400,
            _ => return Err(malformed()),
        };
        match (limit, count.checked_mul(unit)) {
            (0, _) => Err(format!("the rate `{text}` lets nobody in: write a route with `respond` instead")),
            (MOST.., _) => Err(format!("the rate `{text}` is more than can be counted")),
            (_, Some(seconds @ 1..=LONGEST)) => Ok(Self { limit, seconds }),
            _ => Err(format!("the window of the rate `{text}` is not between a second and 365 days")),
        }
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(D::Error::custom)
    }
}
