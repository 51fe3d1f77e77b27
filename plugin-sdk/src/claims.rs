//! Claims: what is said of a consumer, a JSON object, such as the attribute [`CLAIMS`](crate::attribute::CLAIMS) or the payload of a token.
//!
//! ```
//! use plugin_sdk::claims::{Claims, Names};
//!
//! let names = Names::new(["sub", "realm_access.roles"]); // once, in `configure`
//! let text = br#"{"sub":"alice","realm_access":{"roles":["clerk","eu"]},"email":"alice@example.com"}"#;
//! let claims = Claims::parse(text, &names).unwrap();
//! assert_eq!(claims.text("sub").as_deref(), Some("alice"));
//! assert_eq!(claims.text("realm_access.roles").as_deref(), Some("clerk,eu"));
//! assert_eq!(claims.find("email"), None); // nobody asked for it
//! ```

use crate::Result;
use serde::Deserialize;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;

/// Names of claims that somebody asks for. `a.b` is the claim of this name, or `b` in the claim `a`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names(Vec<String>);

impl Names {
    /// Those of these paths.
    pub fn new<'p>(paths: impl IntoIterator<Item = &'p str>) -> Self {
        let first = |path: &'p str| path.split_once('.').map(|(first, _)| first);
        let names = paths.into_iter().flat_map(|path| [Some(path), first(path)]).flatten();
        let mut names: Vec<String> = names.map(str::to_owned).collect();
        names.sort_unstable();
        names.dedup();
        Self(names)
    }
}

/// The claims that somebody asks for. To read all of them would cost several times as much.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Claims(Vec<(String, Value)>);

impl Claims {
    /// Those of these names.
    ///
    /// # Errors
    /// The text is no JSON object.
    pub fn parse(text: &[u8], names: &Names) -> Result<Self> {
        let mut deserializer = serde_json::Deserializer::from_slice(text);
        let claims = Pick(names).deserialize(&mut deserializer)?;
        deserializer.end()?;
        Ok(claims)
    }

    /// A claim by its name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// A claim by its name, or by a path of names with dots between them.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<&Value> {
        if let Some(value) = self.get(path) {
            return Some(value);
        }
        let (first, rest) = path.split_once('.')?;
        inner(self.get(first)?, rest)
    }

    /// A claim as text: lists with commas, numbers, booleans and objects as JSON. None where it is absent or null.
    #[must_use]
    pub fn text(&self, path: &str) -> Option<String> {
        text(self.find(path)?)
    }

    /// A claim as a JSON list of strings, as the attribute [`GROUPS`](crate::attribute::GROUPS) has it: its strings, or its one string.
    /// Empty where there is none.
    #[must_use]
    pub fn list(&self, path: &str) -> String {
        match self.find(path) {
            Some(Value::Array(values)) => {
                Value::from_iter(values.iter().filter(|value| value.is_string()).cloned()).to_string()
            }
            Some(Value::String(value)) => Value::from(vec![value.clone()]).to_string(),
            _ => String::new(),
        }
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

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Array(values) => Some(values.iter().filter_map(text).collect::<Vec<_>>().join(",")),
        other => Some(other.to_string()),
    }
}

struct Pick<'n>(&'n Names);

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_read_and_nothing_else() {
        let names = Names::new(["a.b.c", "n", "https://x.example/y", "l", "none"]);
        let text = br#"{"\u0061":{"b":{"c":7,"d":1},"b.c":8},"n":1.5,"https://x.example/y":[true,"z"],"l":["p",2,"q"],"z":{"n":[[{}]]},"none":null}"#;
        let claims = Claims::parse(text, &names).unwrap();
        assert_eq!(claims.text("a.b.c").as_deref(), Some("8"), "the longer name counts first");
        assert_eq!(claims.text("n").as_deref(), Some("1.5"));
        assert_eq!(claims.text("https://x.example/y").as_deref(), Some("true,z"));
        assert_eq!(claims.list("l"), r#"["p","q"]"#);
        assert_eq!((claims.text("none"), claims.list("n")), (None, String::new()));
        assert_eq!((claims.get("z"), claims.find("a.x"), claims.find("n.x")), (None, None, None));
        for text in ["", "[]", "1", r#"{"a":1}x"#, r#"{"a":}"#, r#"{"z":tru}"#] {
            assert!(Claims::parse(text.as_bytes(), &names).is_err(), "{text}");
        }
    }
}
