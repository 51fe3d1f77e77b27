//! What came of an exchange.

use super::state::{Message, State, joined, values};
use crate::Response;
use crate::fetch::Request;
use crate::log::Level;

/// What came of an exchange: the response, what the service got, and all that the plugin left.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What the client gets, whoever made it.
    pub response: Response,
    /// Whether the service was asked: no plugin refused, or answered in its place.
    pub reached_service: bool,
    /// The body that the service gets.
    pub request_body: Vec<u8>,
    pub(super) request: Message,
    pub(super) state: State,
}

impl Outcome {
    /// The method that the service gets.
    #[must_use]
    pub fn method(&self) -> &str {
        &self.request.method
    }

    /// The path that the service gets.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.request.path
    }

    /// The query that the service gets.
    #[must_use]
    pub fn query(&self) -> &str {
        &self.request.query
    }

    /// A header field that the service gets, its lines joined.
    #[must_use]
    pub fn request_header(&self, name: &str) -> Option<String> {
        joined(&self.request.headers, name)
    }

    /// A header field that the client gets, its lines joined.
    #[must_use]
    pub fn response_header(&self, name: &str) -> Option<String> {
        joined(&self.response.headers, name)
    }

    /// Each line of a header field that the client gets.
    #[must_use]
    pub fn response_header_lines(&self, name: &str) -> Vec<String> {
        let lines = values(&self.response.headers, name).into_iter();
        lines.map(|line| String::from_utf8_lossy(&line).into_owned()).collect()
    }

    /// The upstream that the plugin chose.
    #[must_use]
    pub fn upstream(&self) -> Option<&str> {
        self.state.upstream.as_deref()
    }

    /// An attribute, where it is text.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.state.attributes.get(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// The plugin's log.
    #[must_use]
    pub fn logs(&self) -> &[(Level, String)] {
        &self.state.logs
    }

    /// A metric: a counter's sum, a gauge's or a distribution's last value.
    #[must_use]
    pub fn metric(&self, name: &str) -> Option<f64> {
        self.state.metrics.get(name).copied()
    }

    /// The hashes that the plugin had passwords verified against.
    #[must_use]
    pub fn hashed(&self) -> &[String] {
        &self.state.hashed
    }

    /// The calls that the plugin made.
    #[must_use]
    pub fn fetches(&self) -> &[Request] {
        &self.state.fetches
    }
}
