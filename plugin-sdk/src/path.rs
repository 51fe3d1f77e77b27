//! Paths.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The unreserved characters of RFC 3986 stay as they are.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The text percent-encoded, so that it stays one segment of a path, or one value of a query. Only the segments `.` and
/// `..` are beyond that: encoded or not, they are steps in the path (RFC 3986 6.2.2.3). Refuse them where a client chooses.
#[must_use]
pub fn segment(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_stays_one() {
        assert_eq!(segment("a/b?c#d&e ü~"), "a%2Fb%3Fc%23d%26e%20%C3%BC~");
    }
}
