//! Whole responses: of a plugin to the client, or of a service to a plugin.

use crate::Result;
use http::StatusCode;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// One header field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// In lower case in what the gateway gives, in any case in what it takes.
    pub name: String,
    /// Bytes without CR, LF or NUL; nearly always ASCII.
    pub value: Vec<u8>,
}

/// A whole response. The gateway writes `content-length` and the other fields that frame it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// 200 to 599.
    pub status: u16,
    /// In order.
    pub headers: Vec<Field>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// Without a body.
    #[must_use]
    pub fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    /// With a plain text.
    #[must_use]
    pub fn text(status: u16, text: impl Into<String>) -> Self {
        Self::new(status).header("content-type", "text/plain; charset=utf-8").body(text.into())
    }

    /// With a value as JSON.
    ///
    /// # Errors
    /// The value has no form in JSON, for example a map whose keys are no strings.
    pub fn json(status: u16, value: &impl Serialize) -> Result<Self> {
        Ok(Self::new(status).header("content-type", "application/json").body(serde_json::to_vec(value)?))
    }

    /// A refusal as problem details (RFC 9457). The title is the status in words.
    #[must_use]
    pub fn problem(status: u16, detail: &str) -> Self {
        let title = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
        let document = serde_json::json!({
            "type": "about:blank",
            "title": title.unwrap_or("Error"),
            "status": status,
            "detail": detail,
        });
        Self::new(status).header("content-type", "application/problem+json").body(document.to_string())
    }

    /// With one more header field.
    #[must_use]
    pub fn header(mut self, name: impl AsRef<str>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push(Field { name: name.as_ref().to_owned(), value: value.into() });
        self
    }

    /// With this body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Whether the status is 2xx.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The first field of this name, where it is text.
    #[must_use]
    pub fn header_value(&self, name: &str) -> Option<&str> {
        let field = self.headers.iter().find(|field| field.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(&field.value).ok()
    }

    /// The body, read as JSON.
    ///
    /// # Errors
    /// It is not JSON, or has another shape.
    pub fn body_json<T: DeserializeOwned>(&self) -> Result<T> {
        Ok(serde_json::from_slice(&self.body)?)
    }
}
