//! Amounts as people write them: `"10 GiB"`, `"30 d"`.

use serde::Deserialize;
use serde::de::{Deserializer, Error};
use std::time::Duration;

/// So many bytes, at least 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bytes(pub(crate) u64);

/// How long a quota lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window(u64);

const LONGEST: u64 = 400 * 86_400;

impl Window {
    pub(crate) fn duration(self) -> Duration {
        Duration::from_secs(self.0)
    }

    pub(crate) fn seconds(self) -> u64 {
        self.0
    }
}

/// A whole number and a unit; none where it is something else.
fn measure(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.find(|letter: char| !letter.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*factor).filter(|amount| *amount > 0)
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const UNITS: [(&str, u64); 5] =
            [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];
        let text = String::deserialize(deserializer)?;
        let malformed = || D::Error::custom(format!("`{text}` is no size: write `500 MiB` or `10 GiB`"));
        measure(&text, &UNITS).map(Self).ok_or_else(malformed)
    }
}

impl<'de> Deserialize<'de> for Window {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const UNITS: [(&str, u64); 5] = [("s", 1), ("m", 60), ("min", 60), ("h", 3_600), ("d", 86_400)];
        let text = String::deserialize(deserializer)?;
        match measure(&text, &UNITS) {
            Some(seconds) if seconds <= LONGEST => Ok(Self(seconds)),
            Some(_) => Err(D::Error::custom(format!("the window `{text}` is longer than 400 days"))),
            None => Err(D::Error::custom(format!("`{text}` is no window: write `1 h`, `1 d` or `30 d`"))),
        }
    }
}
