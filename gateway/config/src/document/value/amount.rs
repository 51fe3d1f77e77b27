//! Sizes, `"64 KiB"`, and counts, `100`, whose bounds are part of their type.

use std::fmt;

use super::{Fault, Scalar, Text};
use crate::Diagnostic;
use crate::document::decode::{Decode, Decoder, Node};
use crate::document::definition::Shape;

/// The most that a size may be where nothing else bounds it: 1 TiB.
pub(crate) const LARGEST: u64 = 1 << 40;

/// A number of bytes from `LEAST` to `MOST`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size<const LEAST: u64 = 1, const MOST: u64 = LARGEST>(u64);

/// From the largest, so that a size is shown in the largest unit that fits; binary before decimal.
const UNITS: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1_000),
    ("B", 1),
];

impl<const LEAST: u64, const MOST: u64> Size<LEAST, MOST> {
    /// Kibibytes, for defaults.
    pub(crate) const fn kib(kibibytes: u64) -> Self {
        Self(kibibytes << 10)
    }

    /// Mebibytes, for defaults.
    pub(crate) const fn mib(mebibytes: u64) -> Self {
        Self(mebibytes << 20)
    }

    /// Where it is held in 64 bits.
    pub(crate) const fn bytes(self) -> u64 {
        self.0
    }

    /// Where it bounds memory.
    pub(crate) fn in_memory(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl<const LEAST: u64, const MOST: u64> Scalar for Size<LEAST, MOST> {
    const CODE: &'static str = "invalid-size";
    const TEXT: Text =
        Text { what: "a size", example: Some("64 KiB"), pattern: Some("^[0-9]+ ?(B|kB|KiB|MB|MiB|GB|GiB)$") };

    fn parse(text: &str) -> Result<Self, Fault> {
        let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let unit = unit.trim_start_matches(' ');
        let Ok(number) = number.parse::<u64>() else {
            return Err(Fault::new(format!("`{text}` is no size")).hint("a whole number and a unit: `\"64 KiB\"`"));
        };
        let Some((_, factor)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            let fault = match unit {
                "" => Fault::new(format!("the size `{text}` has no unit")),
                _ => Fault::new(format!("`{unit}` is no unit of size")),
            };
            let same_letters = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit));
            let meant = same_letters.map_or("KiB", |(name, _)| name);
            return Err(fault.hint(format!("`B`, `kB`, `KiB`, `MB`, `MiB`, `GB` or `GiB`: `\"{number} {meant}\"`")));
        };
        match number.checked_mul(*factor) {
            Some(bytes) if (LEAST..=MOST).contains(&bytes) => Ok(Self(bytes)),
            Some(bytes) if bytes < LEAST => Err(Fault::new(format!("the size must be at least {}", Self(LEAST)))),
            _ => Err(Fault::new(format!("the size must be at most {}", Self(MOST)))),
        }
    }
}

impl<const LEAST: u64, const MOST: u64> fmt::Display for Size<LEAST, MOST> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |(_, factor): &&(&str, u64)| self.0 != 0 && self.0.is_multiple_of(*factor);
        let (unit, factor) = UNITS.iter().find(fits).unwrap_or(&("B", 1));
        write!(formatter, "{} {unit}", self.0 / factor)
    }
}

impl<const LEAST: u64, const MOST: u64> From<Size<LEAST, MOST>> for serde_json::Value {
    fn from(size: Size<LEAST, MOST>) -> Self {
        size.to_string().into()
    }
}

/// A whole number from `LEAST` to `MOST`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Count<const LEAST: u32 = 1, const MOST: u32 = 1_000_000>(u32);

impl<const LEAST: u32, const MOST: u32> Count<LEAST, MOST> {
    /// For defaults.
    pub(crate) const fn new(count: u32) -> Self {
        Self(count)
    }

    /// The number itself.
    pub(crate) const fn number(self) -> u32 {
        self.0
    }

    /// Where it bounds a collection.
    pub(crate) fn in_memory(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl<const LEAST: u32, const MOST: u32> Decode for Count<LEAST, MOST> {
    fn shape() -> Shape {
        Shape::Integer { least: LEAST.into(), most: MOST.into() }
    }

    fn decode(node: &Node<'_>, decoder: &mut Decoder<'_>) -> Option<Self> {
        integer(node, decoder, LEAST, MOST).map(Self)
    }
}

/// A priority: any 32-bit number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Priority(pub(crate) i32);

impl Decode for Priority {
    fn shape() -> Shape {
        Shape::Integer { least: i32::MIN.into(), most: i32::MAX.into() }
    }

    fn decode(node: &Node<'_>, decoder: &mut Decoder<'_>) -> Option<Self> {
        integer(node, decoder, i32::MIN, i32::MAX).map(Self)
    }
}

impl From<Priority> for serde_json::Value {
    fn from(priority: Priority) -> Self {
        priority.0.into()
    }
}

/// A whole number within bounds.
fn integer<T>(node: &Node<'_>, decoder: &mut Decoder<'_>, least: T, most: T) -> Option<T>
where
    T: TryFrom<i64> + PartialOrd + fmt::Display,
{
    let Some(integer) = node.get_ref().as_integer() else {
        let is_quoted = node.get_ref().as_str().is_some_and(|text| text.parse::<i64>().is_ok());
        let hint = is_quoted.then(|| "write it without quotes".to_owned());
        decoder.wrong_type(node, "a whole number", hint);
        return None;
    };
    let value = i64::from_str_radix(integer.as_str(), integer.radix()).ok().and_then(|value| T::try_from(value).ok());
    let value = value.filter(|value| (&least..=&most).contains(&value));
    if value.is_none() {
        let message = format!("expected a number from {least} to {most}, found {integer}");
        decoder.report(node, Diagnostic::error("out-of-range", message));
    }
    value
}

impl<const LEAST: u32, const MOST: u32> From<Count<LEAST, MOST>> for serde_json::Value {
    fn from(count: Count<LEAST, MOST>) -> Self {
        count.0.into()
    }
}
