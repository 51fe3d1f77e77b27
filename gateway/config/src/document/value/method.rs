//! Request methods.

use super::field::is_token_byte;
use super::{Fault, Scalar, Text};

/// A method; they are case-sensitive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MethodName(pub(crate) String);

const KNOWN: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"];

impl Scalar for MethodName {
    const CODE: &'static str = "invalid-method";
    const TEXT: Text = Text { what: "a method", example: Some("GET"), pattern: Some("^[!#$%&'*+.^_`|~0-9A-Z-]+$") };

    fn parse(text: &str) -> Result<Self, Fault> {
        if text.is_empty() || !text.bytes().all(is_token_byte) {
            return Err(Fault::new(format!("`{}` is no method", text.escape_debug())));
        }
        if text.eq_ignore_ascii_case("CONNECT") {
            return Err(Fault::new("the gateway refuses CONNECT before it routes"));
        }
        let upper = text.to_ascii_uppercase();
        if KNOWN.contains(&upper.as_str()) && upper != text {
            return Err(Fault::new(format!("methods are case-sensitive: `{text}` never comes"))
                .hint(format!("write `\"{upper}\"`")));
        }
        Ok(Self(text.to_owned()))
    }
}
