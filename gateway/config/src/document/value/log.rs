//! What an entry of the access log may have.

use super::field::is_token_byte;
use super::{Fault, Scalar, Text};
use crate::LogField;
use crate::suggest::did_you_mean;

/// One thing that an entry tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogFieldName(pub(crate) LogField);

impl Scalar for LogFieldName {
    const CODE: &'static str = "unknown-field";
    const TEXT: Text = Text { what: "a field of the access log", example: Some("status"), pattern: None };

    fn parse(text: &str) -> Result<Self, Fault> {
        if let Some(name) = text.strip_prefix("header.") {
            return match !name.is_empty() && name.bytes().all(is_token_byte) {
                true => Ok(Self(LogField::Header(name.to_ascii_lowercase()))),
                false => Err(Fault::new(format!("`{}` is no field name", name.escape_debug()))),
            };
        }
        let known = LogField::WORDS.iter().find(|(word, _)| *word == text);
        known.map(|(_, field)| Self(field.clone())).ok_or_else(|| {
            let words = || LogField::WORDS.iter().map(|(word, _)| *word);
            let fault = Fault::new(format!("an entry has no `{}`", text.escape_debug()));
            let all = || format!("there are {}, header.NAME", words().collect::<Vec<_>>().join(", "));
            fault.hint(did_you_mean(text, words()).unwrap_or_else(all))
        })
    }
}
