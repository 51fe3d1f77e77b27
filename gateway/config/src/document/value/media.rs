//! Content types that an answer may have: `text/html`, `text/*`, `application/*+json`.

use super::{Fault, Scalar, Text};
use crate::MediaType;

/// One content type, or those of a kind.
#[derive(Debug, Clone)]
pub(crate) struct MediaTypeText(pub(crate) MediaType);

impl Scalar for MediaTypeText {
    const CODE: &'static str = "invalid-content-type";
    const TEXT: Text =
        Text { what: "a content type", example: Some("application/json"), pattern: Some("^[^/]+/[^/]+$") };

    fn parse(text: &str) -> Result<Self, Fault> {
        let fault =
            |message: String| Fault::new(message).hint("`\"text/html\"`, `\"text/*\"` or `\"application/*+json\"`");
        let parts = text.split_once('/').filter(|(kind, _)| is_token(kind));
        let Some((kind, form)) = parts else {
            return Err(fault(format!("`{text}` is no content type")));
        };
        let rest = match form.strip_prefix('*') {
            Some("") => return Ok(Self(MediaType::any(kind))),
            Some(suffix) => suffix.strip_prefix('+').unwrap_or_default(),
            None => form,
        };
        match is_token(rest) {
            true => Ok(Self(MediaType::new(kind, form))),
            false => Err(fault(format!("`{text}` is no content type"))),
        }
    }
}

/// RFC 9110 5.6.2, without the star, which stands for anything here.
fn is_token(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_allowed)
}
