//! Parts of a whole: `"10 %"`, `"0.1 %"`.

use super::{Fault, Scalar, Text};

/// More than nothing and at most all, in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ratio(u32);

impl Ratio {
    /// For defaults.
    pub(crate) const fn percent(percent: u32) -> Self {
        Self(percent * 10_000)
    }

    /// In millionths.
    pub(crate) const fn per_million(self) -> u32 {
        self.0
    }
}

impl Scalar for Ratio {
    const CODE: &'static str = "invalid-share";
    const TEXT: Text =
        Text { what: "a share", example: Some("10 %"), pattern: Some("^[0-9]{1,3}(\\.[0-9]{1,4})? ?%$") };

    fn parse(text: &str) -> Result<Self, Fault> {
        let fault = || {
            Fault::new(format!("`{}` is no share", text.escape_debug())).hint("for example `\"10 %\"` or `\"0.1 %\"`")
        };
        let number = text.strip_suffix('%').ok_or_else(fault)?;
        let number = number.strip_suffix(' ').unwrap_or(number);
        let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
        let is_number = |digits: &str, most: usize| {
            (1..=most).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
        };
        if !is_number(whole, 3) || !is_number(part, 4) {
            return Err(fault());
        }
        let digits = format!("{part:0<4}");
        let (whole, part): (u32, u32) = (whole.parse().map_err(|_| fault())?, digits.parse().map_err(|_| fault())?);
        match whole * 10_000 + part {
            millionths @ 1..=1_000_000 => Ok(Self(millionths)),
            _ => Err(Fault::new(format!("`{text}` is not above 0 % and up to 100 %"))),
        }
    }
}

impl From<Ratio> for serde_json::Value {
    fn from(Ratio(millionths): Ratio) -> Self {
        let (whole, part) = (millionths / 10_000, millionths % 10_000);
        let part = format!("{part:04}");
        match part.trim_end_matches('0') {
            "" => format!("{whole} %").into(),
            part => format!("{whole}.{part} %").into(),
        }
    }
}
