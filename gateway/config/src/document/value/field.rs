//! Names and values of header fields.

use super::{Fault, Scalar, Text};

/// A header field's name, lower-case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FieldName(pub(crate) String);

impl Scalar for FieldName {
    const CODE: &'static str = "invalid-field";
    const TEXT: Text =
        Text { what: "a field name", example: Some("x-tenant"), pattern: Some("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$") };

    fn parse(text: &str) -> Result<Self, Fault> {
        match !text.is_empty() && text.bytes().all(is_token_byte) {
            true => Ok(Self(text.to_ascii_lowercase())),
            false => Err(Fault::new(format!("`{}` is no field name", text.escape_debug()))),
        }
    }
}

/// A header field's value: visible text, with spaces and tabs only inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FieldValue(pub(crate) String);

impl Scalar for FieldValue {
    const CODE: &'static str = "invalid-field";
    const TEXT: Text = Text { what: "a string", example: None, pattern: None };

    fn parse(text: &str) -> Result<Self, Fault> {
        if text.chars().any(|letter| letter.is_control() && letter != '\t') {
            return Err(Fault::new("a field value cannot have control characters in it"));
        }
        if text.trim_matches([' ', '\t']) != text {
            return Err(Fault::new("a field value cannot begin or end with a space")
                .hint(format!("write `\"{}\"`", text.trim())));
        }
        Ok(Self(text.to_owned()))
    }
}

/// RFC 9110 5.6.2.
pub(super) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
