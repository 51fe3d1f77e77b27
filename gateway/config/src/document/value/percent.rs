//! Shares: `"10 %"`.

use super::{Fault, Scalar, Text};

/// From 1 to 100 of a hundred.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Percent(u8);

impl Percent {
    /// For defaults.
    pub(crate) const fn new(percent: u8) -> Self {
        Self(percent)
    }

    /// The number itself.
    pub(crate) const fn number(self) -> u8 {
        self.0
    }
}

impl Scalar for Percent {
    const CODE: &'static str = "invalid-share";
    const TEXT: Text = Text { what: "a share", example: Some("10 %"), pattern: Some("^[0-9]{1,3} ?%$") };

    fn parse(text: &str) -> Result<Self, Fault> {
        let number = text.strip_suffix('%').map(|number| number.strip_suffix(' ').unwrap_or(number));
        let number = number.filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
        match number.and_then(|number| number.parse().ok()) {
            Some(percent @ 1..=100) => Ok(Self(percent)),
            Some(_) => Err(Fault::new(format!("`{text}` is not between 1 % and 100 %"))),
            None => {
                Err(Fault::new(format!("`{}` is no share", text.escape_debug())).hint("a whole number: `\"10 %\"`"))
            }
        }
    }
}

impl From<Percent> for serde_json::Value {
    fn from(percent: Percent) -> Self {
        format!("{} %", percent.0).into()
    }
}
