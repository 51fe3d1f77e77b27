//! The keys. They are looked up and told apart by a hash of 128 bits whose own key nobody knows: the time that it takes says nothing about
//! a key, and another text that has the same cannot be expected to be found.

use plugin_sdk::random;
use serde::Deserialize;
use siphasher::sip128::SipHasher24;
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
    hasher: SipHasher24,
    entries: Vec<(u128, String)>,
}

impl Keys {
    /// Fails where a name or a key is empty, a key stands for two names, or there is none.
    pub(crate) fn new(Written(pairs): Written) -> Result<Self, String> {
        if pairs.is_empty() {
            return Err("`keys` is empty: nobody could ever be let in".to_owned());
        }
        let hasher = SipHasher24::new_with_keys(random::number(), random::number());
        let mut keys = Self { hasher, entries: Vec::with_capacity(pairs.len()) };
        for (consumer, key) in pairs {
            if consumer.is_empty() || key.is_empty() {
                return Err(format!("`keys`: the name and the key of `{consumer}` must not be empty"));
            }
            keys.entries.push((keys.hash(&key), consumer));
        }
        keys.entries.sort();
        for pair in keys.entries.windows(2) {
            if let [(key, one), (same, other)] = pair
                && key == same
                && one != other
            {
                return Err(format!("`keys`: `{one}` and `{other}` have the same key"));
            }
        }
        Ok(keys)
    }

    /// Whether somebody of this name has a key.
    pub(crate) fn names(&self, consumer: &str) -> bool {
        self.entries.iter().any(|(_, name)| name == consumer)
    }

    /// Whose key this is.
    pub(crate) fn consumer(&self, key: &str) -> Option<&str> {
        let found = self.entries.binary_search_by_key(&self.hash(key), |(hash, _)| *hash).ok()?;
        self.entries.get(found).map(|(_, consumer)| &**consumer)
    }

    fn hash(&self, key: &str) -> u128 {
        self.hasher.hash(key.as_bytes()).as_u128()
    }
}
