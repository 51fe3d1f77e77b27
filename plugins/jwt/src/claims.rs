//! What a token says.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;

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
        self.claims.find(path).and_then(text)
    }
}

/// Names of claims that somebody asks for.
#[derive(Clone)]
pub(crate) struct Wanted(Vec<String>);

impl Wanted {
    pub(crate) fn new<'p>(paths: impl Iterator<Item = &'p str>) -> Self {
        let mut names: Vec<String> = paths
            .flat_map(|path| [Some(path), path.split_once('.').map(|(first, _)| first)])
            .flatten()
            .map(str::to_owned)
            .collect();
        names.sort_unstable();
        names.dedup();
        Self(names)
    }
}

/// Claims of a token: those that somebody asks for. Reading all of them would cost more than all the rest.
pub(crate) struct Claims(Vec<(String, Value)>);

impl Claims {
    /// Fails where the text is no JSON object.
    pub(crate) fn parse(text: &[u8], wanted: &Wanted) -> Result<Self, serde_json::Error> {
        let mut deserializer = serde_json::Deserializer::from_slice(text);
        let claims = Pick(wanted).deserialize(&mut deserializer)?;
        deserializer.end()?;
        Ok(claims)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// A claim by its name, or by a path of names with dots between them: `realm_access.roles`.
    pub(crate) fn find(&self, path: &str) -> Option<&Value> {
        if let Some(value) = self.get(path) {
            return Some(value);
        }
        let (first, rest) = path.split_once('.')?;
        inner(self.get(first)?, rest)
    }
}

fn inner<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    let object = value.as_object()?;
    if let Some(value) = object.get(path) {
        return Some(value);
    }
    let (first, rest) = path.split_once('.')?;
    inner(object.get(first)?, rest)
}

struct Pick<'w>(&'w Wanted);

impl<'de> DeserializeSeed<'de> for Pick<'_> {
    type Value = Claims;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Claims, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Pick<'_> {
    type Value = Claims;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Claims, A::Error> {
        let mut claims = Vec::new();
        while let Some(Name(name)) = object.next_key()? {
            if self.0.0.iter().any(|wanted| *wanted == name) {
                claims.push((name.into_owned(), object.next_value()?));
            } else {
                object.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Claims(claims))
    }
}

/// Borrowed where nothing in it is escaped.
#[derive(Deserialize)]
struct Name<'t>(#[serde(borrow)] Cow<'t, str>);

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
