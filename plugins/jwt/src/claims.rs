//! What a token says.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use plugin_sdk::claims::Claims;
use serde::Deserialize;
use serde_json::Value;

/// What a token says, as far as it does not change with the time.
pub(crate) struct Known {
    pub(crate) consumer: String,
    /// All claims, a JSON object.
    pub(crate) text: String,
    /// A JSON list, or empty.
    pub(crate) groups: String,
    /// Seconds since 1970.
    pub(crate) expires: Option<f64>,
    pub(crate) begins: Option<f64>,
    claims: Claims,
}

impl Known {
    pub(crate) fn new(claims: Claims, text: String, consumer: String, groups: String) -> Result<Self, String> {
        let time = |name: &str| match claims.get(name) {
            None => Ok(None),
            // RFC 7519 section 2: a number, perhaps with a fraction.
            Some(Value::Number(number)) => Ok(number.as_f64()),
            Some(_) => Err(format!("its `{name}` is no number")),
        };
        let (expires, begins) = (time("exp")?, time("nbf")?);
        Ok(Self { consumer, text, groups, expires, begins, claims })
    }

    /// A claim as text, if it is there.
    pub(crate) fn claim(&self, path: &str) -> Option<String> {
        self.claims.text(path)
    }
}

/// Whom a token calls its issuer. Nobody has verified it yet.
pub(crate) fn unverified_issuer(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        iss: String,
    }
    let payload = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice(&payload).ok().map(|Named { iss }| iss)
}
