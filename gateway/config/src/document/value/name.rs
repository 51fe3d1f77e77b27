//! Names that the user chooses, and other plain texts.

use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::{Fault, Scalar, Text};

/// What something is called: letters, digits, `-`, `_` and `.`, so that it fits in a log line, a metric's label and a
/// file name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Name(pub(crate) Arc<str>);

const LONGEST: usize = 100;

impl Scalar for Name {
    const CODE: &'static str = "invalid-name";
    const TEXT: Text =
        Text { what: "a name", example: Some("orders"), pattern: Some("^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$") };

    fn parse(text: &str) -> Result<Self, Fault> {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let is_name = text.bytes().all(is_letter) && !text.starts_with(['-', '.']) && text.len() <= LONGEST;
        match is_name && !text.is_empty() {
            true => Ok(Self(text.into())),
            false => {
                let fault = Fault::new(format!("`{}` is no name", text.escape_debug()));
                Err(fault.hint("letters, digits, `-`, `_` and `.`, at most 100, beginning with a letter or digit"))
            }
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Any text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlainText(pub(crate) String);

impl Scalar for PlainText {
    const CODE: &'static str = "invalid-text";
    const TEXT: Text = Text { what: "a string", example: None, pattern: None };

    fn parse(text: &str) -> Result<Self, Fault> {
        Ok(Self(text.to_owned()))
    }
}

/// A file inside a folder, which it cannot leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RelativeFile(pub(crate) PathBuf);

impl Scalar for RelativeFile {
    const CODE: &'static str = "invalid-file";
    const TEXT: Text = Text { what: "a file in the plugin folder", example: Some("vendor/waf.wasm"), pattern: None };

    fn parse(text: &str) -> Result<Self, Fault> {
        let path = Path::new(text);
        match path.components().all(|part| matches!(part, Component::Normal(_))) && !text.is_empty() {
            true => Ok(Self(path.to_owned())),
            false => {
                let fault = Fault::new(format!("`{text}` is not inside the plugin folder"));
                Err(fault.hint("a path relative to `[plugins] directory`, without `..`"))
            }
        }
    }
}

/// A SHA-256 in hex, lower-case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sha256(pub(crate) String);

impl Scalar for Sha256 {
    const CODE: &'static str = "invalid-hash";
    const TEXT: Text = Text {
        what: "a SHA-256 in hex",
        example: Some("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        pattern: Some("^[0-9A-Fa-f]{64}$"),
    };

    fn parse(text: &str) -> Result<Self, Fault> {
        match text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            true => Ok(Self(text.to_ascii_lowercase())),
            false => Err(Fault::new("a SHA-256 has 64 hex digits").hint("`sha256sum FILE` prints it")),
        }
    }
}
