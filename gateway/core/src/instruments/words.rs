//! The words that a request is counted under. Each is one of a fixed few, so that no client makes up series.

use http::{Method, Version};

/// Methods as they are told; any that is not here is the first (OpenTelemetry's conventions for HTTP).
const METHODS: [&str; 10] = ["_OTHER", "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"];

/// Versions of HTTP as they are told.
const VERSIONS: [&str; 3] = ["1.0", "1.1", "2"];

/// Statuses that have a meaning (the registry of RFC 9110 16.2, and 499: the client went away).
const KNOWN: [u16; 63] = [
    100, 101, 102, 103, 200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304, 305, 307, 308, 400,
    401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 418, 421, 422, 423, 424, 425,
    426, 428, 429, 431, 451, 499, 500, 501, 502, 503, 504, 505, 506, 507, 508, 510, 511,
];

/// What stands for all others of a class.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// A method, as one of a few.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verb(u8);

/// A version of HTTP, as one of a few.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Protocol(u8);

/// A status, as one of those that have a meaning, or its class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status(u8);

impl Verb {
    /// How many there are.
    pub(super) const COUNT: usize = METHODS.len();

    /// The one of a method.
    #[must_use]
    pub fn of(method: &Method) -> Self {
        // A method of a client's own making is never among them.
        let position = METHODS.iter().skip(1).position(|known| *known == method.as_str());
        Self(position.and_then(|position| u8::try_from(position + 1).ok()).unwrap_or(0))
    }

    /// As it is told.
    #[must_use]
    pub fn word(self) -> &'static str {
        METHODS.get(usize::from(self.0)).copied().unwrap_or("_OTHER")
    }

    pub(super) fn position(self) -> usize {
        usize::from(self.0)
    }

    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0_u8..).take(Self::COUNT).map(Self)
    }
}

impl Protocol {
    /// How many there are.
    pub(super) const COUNT: usize = VERSIONS.len();

    /// The one of a version.
    #[must_use]
    pub fn of(version: Version) -> Self {
        Self(match version {
            Version::HTTP_2 => 2,
            Version::HTTP_11 => 1,
            _ => 0,
        })
    }

    /// As it is told.
    #[must_use]
    pub fn word(self) -> &'static str {
        VERSIONS.get(usize::from(self.0)).copied().unwrap_or("1.1")
    }

    pub(super) fn position(self) -> usize {
        usize::from(self.0)
    }

    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0_u8..).take(Self::COUNT).map(Self)
    }
}

impl Status {
    /// How many there are.
    pub(super) const COUNT: usize = KNOWN.len() + CLASSES.len();

    /// The one of a status. A service that makes up statuses makes up no series: those without a meaning are counted by class.
    #[must_use]
    pub fn of(status: u16) -> Self {
        let position = KNOWN.binary_search(&status).unwrap_or_else(|_| {
            let class = usize::from(status / 100).clamp(1, CLASSES.len());
            KNOWN.len() + class - 1
        });
        Self(u8::try_from(position).unwrap_or(0))
    }

    /// As it is told: `200`, or `2xx` for one without a meaning.
    #[must_use]
    pub fn word(self) -> String {
        let position = usize::from(self.0);
        match KNOWN.get(position) {
            Some(status) => status.to_string(),
            None => CLASSES.get(position.saturating_sub(KNOWN.len())).copied().unwrap_or("5xx").to_owned(),
        }
    }

    /// Whether it tells of a failure of the server, as the conventions have it.
    #[must_use]
    pub fn is_failure(self) -> bool {
        KNOWN.get(usize::from(self.0)).map_or(usize::from(self.0) + 1 == Self::COUNT, |status| *status >= 500)
    }

    pub(super) fn position(self) -> usize {
        usize::from(self.0)
    }

    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0_u8..).take(Self::COUNT).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_method_version_and_status_is_one_of_few() {
        for (method, expected) in [("GET", "GET"), ("TRACE", "TRACE"), ("BREW", "_OTHER"), ("get", "_OTHER")] {
            assert_eq!(Verb::of(&Method::from_bytes(method.as_bytes()).unwrap()).word(), expected);
        }
        let versions =
            [Version::HTTP_10, Version::HTTP_11, Version::HTTP_2].map(|version| Protocol::of(version).word());
        assert_eq!(versions, ["1.0", "1.1", "2"]);
        for (status, expected, failure) in [
            (200, "200", false),
            (218, "2xx", false),
            (499, "499", false),
            (503, "503", true),
            (599, "5xx", true),
            (999, "5xx", true),
        ] {
            assert_eq!((Status::of(status).word().as_str(), Status::of(status).is_failure()), (expected, failure));
        }
        assert!(KNOWN.is_sorted());
        let words: std::collections::BTreeSet<_> = Status::all().map(Status::word).collect();
        assert_eq!(words.len(), Status::COUNT);
    }
}
