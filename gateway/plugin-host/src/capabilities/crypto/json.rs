//! JSON that means one thing: a name twice in one object is refused, wherever it stands (RFC 7515 section 4, RFC 8725 section 2.4).
//! Parsers differ in which of two they take, so whoever checks and whoever uses a token could read different ones.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::collections::HashSet;
use std::fmt;

/// What stands in the message of a name twice, by which it is told from other mistakes.
const TWICE: &str = "the name stands twice: ";

/// What is wrong with a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wrong {
    /// No JSON at all.
    Syntax,
    /// A name twice in one object.
    Twice,
}

/// Whether no object in it has a name twice.
pub(super) fn check(text: &[u8]) -> Result<(), Wrong> {
    match serde_json::from_slice::<Unique>(text) {
        Ok(Unique) => Ok(()),
        Err(error) if error.to_string().starts_with(TWICE) => Err(Wrong::Twice),
        Err(_) => Err(Wrong::Syntax),
    }
}

/// An object.
pub(super) fn object(text: &[u8]) -> Result<Map<String, Value>, Wrong> {
    check(text)?;
    serde_json::from_slice(text).map_err(|_| Wrong::Syntax)
}

/// Any value, looked at and thrown away.
struct Unique;

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Look)
    }
}

struct Look;

impl<'de> Visitor<'de> for Look {
    type Value = Unique;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_str<E>(self, _: &str) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_unit<E>(self) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Unique, A::Error> {
        while list.next_element::<Unique>()?.is_some() {}
        Ok(Unique)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Unique, A::Error> {
        let mut names = HashSet::new();
        while let Some(name) = object.next_key::<String>()? {
            object.next_value::<Unique>()?;
            if let Some(name) = names.replace(name) {
                return Err(A::Error::custom(format_args!("{TWICE}{name}")));
            }
        }
        Ok(Unique)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_twice_is_refused_wherever_it_stands() {
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"b":{"c":[{"d":1,"\u0064":2}]}}"#,
            r#"[{"":0,"":0}]"#,
            r#"{"alg":"RS256","\u0061lg":"none"}"#,
        ] {
            assert_eq!(check(text.as_bytes()), Err(Wrong::Twice), "{text}");
        }
        for text in [r#"{"a":{"a":{"a":[1,1.5,-1,null,true,"a"]}},"b":{}}"#, "1", "\"\"", " {} "] {
            assert_eq!(check(text.as_bytes()), Ok(()), "{text}");
        }
        for text in [
            &b"{\"a\":1}x"[..],
            b"{\"a\":1,}",
            b"{'a':1}",
            b"",
            b"\xef\xbb\xbf{}",
            b"{\"a\":\"\xff\"}",
            b"{\"a\":1e999}",
        ] {
            assert_eq!(check(text), Err(Wrong::Syntax), "{text:?}");
        }
        assert_eq!(check("[".repeat(100_000).as_bytes()), Err(Wrong::Syntax), "the depth is bounded");
    }
}
