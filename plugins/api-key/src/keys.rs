//! The keys, as digests. A lookup compares digests, so its time says nothing about a key.

use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::fmt;

/// `keys` of the configuration: a table, or the text of a secret.
#[derive(Debug)]
pub(crate) struct Written(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Visitor)
    }
}

struct Visitor;

impl<'de> serde::de::Visitor<'de> for Visitor {
    type Value = Written;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a table of name = \"key\", or text with lines `name:key`")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Written, E> {
        let entries = text.split(['\n', ',']).map(str::trim).filter(|entry| !entry.is_empty());
        let pairs = entries.enumerate().map(|(index, entry)| match entry.split_once(':') {
            // The entry itself may be a key: it is not repeated.
            None => Err(E::custom(format_args!("entry {} is not `name:key`", index + 1))),
            Some((name, key)) => Ok((name.trim().to_owned(), key.trim().to_owned())),
        });
        pairs.collect::<Result<_, E>>().map(Written)
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut table: A) -> Result<Written, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = table.next_entry()? {
            pairs.push(pair);
        }
        Ok(Written(pairs))
    }
}

/// Who has which key.
pub(crate) struct Keys(HashMap<[u8; 32], String>);

impl Keys {
    /// Fails where a name or a key is empty, a key stands for two names, or there is none.
    pub(crate) fn new(Written(pairs): Written) -> Result<Self, String> {
        if pairs.is_empty() {
            return Err("`keys` is empty: nobody could ever be let in".to_owned());
        }
        let mut keys = HashMap::with_capacity(pairs.len());
        for (name, key) in pairs {
            if name.is_empty() || key.is_empty() {
                return Err(format!("`keys`: the name and the key of `{name}` must not be empty"));
            }
            if let Some(other) = keys.insert(digest(&key), name.clone()).filter(|other| *other != name) {
                return Err(format!("`keys`: `{other}` and `{name}` have the same key"));
            }
        }
        Ok(Self(keys))
    }

    /// Whose key this is.
    pub(crate) fn consumer(&self, key: &str) -> Option<&str> {
        self.0.get(&digest(key)).map(String::as_str)
    }
}

fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}
