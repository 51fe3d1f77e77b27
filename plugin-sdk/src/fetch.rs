//! Calls to services. `plugin.toml` asks for `http`, the configuration grants upstreams and origins.
//!
//! ```no_run
//! use plugin_sdk::fetch::{self, Request};
//! use std::time::Duration;
//! # fn phase() -> plugin_sdk::Result<()> {
//! let item = Request::get("upstream://catalogue/items/17").timeout(Duration::from_millis(200)).send()?;
//! let both = fetch::all(&[Request::get("upstream://basket/"), Request::get("upstream://orders/")]);
//! # Ok(()) }
//! ```

use crate::sys::http as sys;
use crate::{Field, Response, Result};
use ::http::Method;
use serde::Serialize;
use std::time::Duration;

/// A call to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) headers: Vec<Field>,
    pub(crate) body: Vec<u8>,
    pub(crate) timeout: Option<u32>,
}

impl Request {
    /// `upstream://NAME/path?query` for an upstream of the configuration, which is balanced and pooled as a client's request
    /// is; or an absolute `http:` or `https:` URL whose origin is granted.
    #[must_use]
    pub fn new(method: &Method, url: impl Into<String>) -> Self {
        Self {
            method: method.as_str().to_owned(),
            url: url.into(),
            headers: Vec::new(),
            body: Vec::new(),
            timeout: None,
        }
    }

    /// A `GET`.
    #[must_use]
    pub fn get(url: impl Into<String>) -> Self {
        Self::new(&Method::GET, url)
    }

    /// A `POST`.
    #[must_use]
    pub fn post(url: impl Into<String>) -> Self {
        Self::new(&Method::POST, url)
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

    /// With a value as JSON.
    ///
    /// # Errors
    /// The value has no form in JSON.
    pub fn json(self, value: &impl Serialize) -> Result<Self> {
        Ok(self.header("content-type", "application/json").body(serde_json::to_vec(value)?))
    }

    /// For the whole call; without it, and at most, what the exchange has left.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX));
        self
    }

    /// Where it goes.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its method.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.method
    }

    /// Its body.
    #[must_use]
    pub fn content(&self) -> &[u8] {
        &self.body
    }

    /// Its header fields.
    #[must_use]
    pub fn headers(&self) -> &[Field] {
        &self.headers
    }

    /// Makes the call. Redirects are not followed; `limits.body` bounds the answer.
    ///
    /// # Errors
    /// It is not granted, or there was no answer. An answer of 500 is an answer.
    pub fn send(&self) -> Result<Response> {
        sys::fetch(self)
    }
}

/// Makes at most 32 calls at once; the answers stand in the order of the requests. It takes as long as the slowest.
#[must_use]
pub fn all(requests: &[Request]) -> Vec<Result<Response>> {
    sys::fetch_all(requests)
}
