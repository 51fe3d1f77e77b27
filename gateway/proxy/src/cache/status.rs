//! `cache-status` (RFC 9211): what this cache did with a request.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use std::fmt::Write as _;

const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// Why a request went on to the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Forward {
    /// Its route or its kind is not cached.
    Bypass,
    /// Its method has to.
    Method,
    /// Nothing is stored.
    UriMiss,
    /// Nothing is stored for what it has in its fields.
    VaryMiss,
    /// What is stored is stale.
    Stale,
    /// What is stored is not fresh enough for its client.
    Request,
}

/// What is told.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Story {
    pub(crate) forward: Option<Forward>,
    /// Seconds that what was given is still fresh; only for hits.
    pub(crate) left: Option<i64>,
    /// What the service said to a validation, or to a request whose answer was not given.
    pub(crate) said: Option<u16>,
    pub(crate) stored: bool,
    pub(crate) collapsed: bool,
}

impl Forward {
    fn word(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Method => "method",
            Self::UriMiss => "uri-miss",
            Self::VaryMiss => "vary-miss",
            Self::Stale => "stale",
            Self::Request => "request",
        }
    }
}

impl Story {
    pub(crate) fn of(forward: Forward) -> Self {
        Self { forward: Some(forward), ..Self::default() }
    }

    /// Adds it behind what caches before this one have said (RFC 9211 2).
    pub(crate) fn tell(&self, headers: &mut HeaderMap) {
        let mut text = String::with_capacity(48);
        text.push_str("gateway");
        // Writing to a string does not fail.
        match self.forward {
            None => text.push_str("; hit"),
            Some(forward) => drop(write!(text, "; fwd={}", forward.word())),
        }
        if let Some(left) = self.left {
            let _ = write!(text, "; ttl={left}");
        }
        if let Some(said) = self.said {
            let _ = write!(text, "; fwd-status={said}");
        }
        if self.stored {
            text.push_str("; stored");
        }
        if self.collapsed {
            text.push_str("; collapsed");
        }
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.append(CACHE_STATUS, value);
        }
    }
}
