//! The keys. They are looked up by a keyed hash and compared in constant time, so the time says nothing about a key.

use constant_time_eq::constant_time_eq;
use plugin_sdk::random;
use serde::Deserialize;
use siphasher::sip::SipHasher13;
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

/// Who has which key, in the order of the keys' hashes.
pub(crate) struct Keys {
    /// Drawn by this instance: nobody can choose keys by their hash.
    hasher: SipHasher13,
    entries: Vec<Entry>,
}

struct Entry {
    hash: u64,
    key: String,
    consumer: String,
}

impl Keys {
    /// Fails where a name or a key is empty, a key stands for two names, or there is none.
    pub(crate) fn new(Written(pairs): Written) -> Result<Self, String> {
        if pairs.is_empty() {
            return Err("`keys` is empty: nobody could ever be let in".to_owned());
        }
        let hasher = SipHasher13::new_with_keys(random::number(), random::number());
        let mut keys = Self { hasher, entries: Vec::with_capacity(pairs.len()) };
        for (consumer, key) in pairs {
            if consumer.is_empty() || key.is_empty() {
                return Err(format!("`keys`: the name and the key of `{consumer}` must not be empty"));
            }
            keys.entries.push(Entry { hash: keys.hasher.hash(key.as_bytes()), key, consumer });
        }
        keys.entries.sort_by(|one, other| (one.hash, &one.key).cmp(&(other.hash, &other.key)));
        for pair in keys.entries.windows(2) {
            if let [one, other] = pair
                && one.key == other.key
                && one.consumer != other.consumer
            {
                return Err(format!("`keys`: `{}` and `{}` have the same key", one.consumer, other.consumer));
            }
        }
        Ok(keys)
    }

    /// Whether somebody of this name has a key.
    pub(crate) fn names(&self, consumer: &str) -> bool {
        self.entries.iter().any(|entry| entry.consumer == consumer)
    }

    /// Whose key this is.
    pub(crate) fn consumer(&self, key: &str) -> Option<&str> {
        let hash = self.hasher.hash(key.as_bytes());
        let first = self.entries.partition_point(|entry| entry.hash < hash);
        let mut alike = self.entries.iter().skip(first).take_while(|entry| entry.hash == hash);
        alike.find(|entry| constant_time_eq(entry.key.as_bytes(), key.as_bytes())).map(|entry| &*entry.consumer)
    }
}
