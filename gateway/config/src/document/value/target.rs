//! What is asked of a service: a path with, perhaps, a query.

use super::{Fault, Scalar, Text};

/// `/health?full=1`, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target(pub(crate) String);

impl Scalar for Target {
    const CODE: &'static str = "invalid-path";
    const TEXT: Text = Text { what: "a path", example: Some("/health"), pattern: Some("^/[!-~]*$") };

    fn parse(text: &str) -> Result<Self, Fault> {
        if !text.starts_with('/') {
            return Err(Fault::new(format!("`{}` is no path", text.escape_debug())).hint("it begins with `/`"));
        }
        match text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
            true => Ok(Self(text.to_owned())),
            false => Err(Fault::new("a path is percent-encoded ASCII without spaces and `#`")),
        }
    }
}
