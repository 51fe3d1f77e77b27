//! What a token says.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Map, Value};

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
    claims: Map<String, Value>,
}

impl Known {
    pub(crate) fn new(
        claims: Map<String, Value>,
        text: String,
        consumer: String,
        groups: String,
    ) -> Result<Self, String> {
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
        find(&self.claims, path).and_then(text)
    }
}

/// A claim by its name, or by a path of names with dots between them: `realm_access.roles`.
pub(crate) fn find<'c>(claims: &'c Map<String, Value>, path: &str) -> Option<&'c Value> {
    if let Some(value) = claims.get(path) {
        return Some(value);
    }
    let (first, rest) = path.split_once('.')?;
    find(claims.get(first)?.as_object()?, rest)
}

/// Text as it is, lists with commas, all else as JSON.
pub(crate) fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Array(values) => {
            let texts: Vec<_> = values.iter().filter_map(text).collect();
            Some(texts.join(","))
        }
        other => Some(other.to_string()),
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
