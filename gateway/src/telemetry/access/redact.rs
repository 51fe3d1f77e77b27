//! Credentials are not told, unless somebody has hidden them where nobody looks for any.

use std::borrow::Cow;
use std::fmt::Write as _;

/// What stands in place of a value.
pub(super) const REDACTED: &str = "REDACTED";

/// Header fields that carry credentials.
const FIELDS: [&str; 12] = [
    "api-key",
    "apikey",
    "authentication",
    "authorization",
    "cookie",
    "ocp-apim-subscription-key",
    "proxy-authorization",
    "set-cookie",
    "x-amz-security-token",
    "x-api-key",
    "x-auth-token",
    "x-csrf-token",
];

/// Query parameters that carry credentials; those of OpenTelemetry's conventions for `url.query` among them.
const PARAMETERS: [&str; 27] = [
    "access_token",
    "api-key",
    "api_key",
    "apikey",
    "assertion",
    "auth",
    "awsaccesskeyid",
    "client_secret",
    "code",
    "id_token",
    "jwt",
    "key",
    "passwd",
    "password",
    "refresh_token",
    "secret",
    "session",
    "session_id",
    "sessionid",
    "sig",
    "signature",
    "subscription-key",
    "token",
    "x-amz-credential",
    "x-amz-security-token",
    "x-amz-signature",
    "x-goog-signature",
];

/// Which names have values that are not told.
pub(super) struct Redaction {
    more: Vec<String>,
}

impl Redaction {
    /// Those that carry credentials, and more, in lower case.
    pub(super) fn new(more: &[String]) -> Self {
        Self { more: more.to_vec() }
    }

    /// Whether the value of a header field, in lower case, is not told.
    pub(super) fn hides_field(&self, name: &str) -> bool {
        FIELDS.contains(&name) || self.more.iter().any(|more| more == name)
    }

    /// A query without the values that are not told.
    pub(super) fn query<'a>(&self, query: &'a str) -> Cow<'a, str> {
        let hides = |part: &str| {
            let name = part.split('=').next().unwrap_or_default();
            let name = percent_encoding::percent_decode_str(name).decode_utf8_lossy().to_ascii_lowercase();
            PARAMETERS.contains(&name.as_str()) || self.more.contains(&name)
        };
        if !query.split(['&', ';']).any(hides) {
            return Cow::Borrowed(query);
        }
        let mut redacted = String::with_capacity(query.len());
        for part in query.split_inclusive(['&', ';']) {
            let (pair, end) = match part.strip_suffix(['&', ';']) {
                Some(pair) => (pair, part.get(pair.len()..).unwrap_or_default()),
                None => (part, ""),
            };
            match pair.split_once('=') {
                // Writing to a string does not fail.
                Some((name, _)) if hides(pair) => drop(write!(redacted, "{name}={REDACTED}{end}")),
                _ => drop(write!(redacted, "{pair}{end}")),
            }
        }
        Cow::Owned(redacted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_are_credentials_are_not_told() {
        let redaction = Redaction::new(&["tenant".to_owned()]);
        for (query, expected) in [
            ("page=1&size=2", "page=1&size=2"),
            ("page=1&access_token=abc&x=2", "page=1&access_token=REDACTED&x=2"),
            ("Access_Token=abc;%61pi_key=def", "Access_Token=REDACTED;%61pi_key=REDACTED"),
            ("token=a=b&token=c", "token=REDACTED&token=REDACTED"),
            ("tenant=acme&token", "tenant=REDACTED&token"),
            ("", ""),
        ] {
            assert_eq!(redaction.query(query), expected);
        }
        for (field, expected) in [("authorization", true), ("tenant", true), ("user-agent", false)] {
            assert_eq!(redaction.hides_field(field), expected, "{field}");
        }
    }
}
