//! What plugins leave for each other on one exchange: small named values, each with one writer.

use bytes::Bytes;
use std::borrow::Cow;
use std::sync::Arc;

/// All attributes of one exchange together, names and values.
pub const LIMIT: usize = 16 * 1024;

/// Names without a writer's prefix; a plugin writes them only with the grant `identity`.
pub const SHARED: [&str; 3] = [CONSUMER, CLAIMS, GROUPS];

/// The one that names who asks.
const CONSUMER: &str = "consumer";
const CLAIMS: &str = "claims";
const GROUPS: &str = "groups";

/// The attributes of one exchange. Few, so a list.
#[derive(Debug, Default, Clone)]
pub struct Attributes {
    entries: Vec<Entry>,
    size: usize,
}

type Entry = (Owner, Cow<'static, str>, Bytes);

/// Who writes an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// Everybody with the grant `identity`.
    Shared,
    /// The plugin of this name.
    Plugin(Arc<str>),
}

/// They would pass [`LIMIT`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the attributes of one exchange have at most {LIMIT} bytes")]
pub struct Full;

impl Attributes {
    /// The value, seen by the plugin `reader`: a shared name, one of its own, or `plugin/name` of another.
    #[must_use]
    pub fn read(&self, reader: &str, name: &str) -> Option<&Bytes> {
        let (owner, name) = match name.split_once('/') {
            Some((plugin, name)) => (Some(plugin), name),
            None if SHARED.contains(&name) => (None, name),
            None => (Some(reader), name),
        };
        self.entries.iter().find(|(of, key, _)| &**key == name && of.name() == owner).map(|(_, _, value)| value)
    }

    /// Writes a value; an empty one removes it. With another `consumer` goes what was known of the one before.
    ///
    /// # Errors
    /// [`Full`]; nothing has changed.
    pub fn write(&mut self, owner: Owner, name: &str, value: Bytes) -> Result<(), Full> {
        let is_consumer = owner == Owner::Shared && name == CONSUMER;
        let goes = |(of, key, _): &Entry| *of == owner && (&**key == name || is_consumer);
        self.make_room(goes, size(name, &value))?;
        if !value.is_empty() {
            let shared = SHARED.into_iter().find(|shared| *shared == name);
            let name = shared.map_or_else(|| name.to_owned().into(), Cow::Borrowed);
            self.entries.push((owner, name, value));
        }
        Ok(())
    }

    /// Writes all shared ones at once: who asks, and what is known of it. What is empty is absent afterwards.
    ///
    /// # Errors
    /// [`Full`]; nothing has changed.
    pub fn identify(&mut self, consumer: &str, claims: &str, groups: &str) -> Result<(), Full> {
        let come = [(CONSUMER, consumer), (CLAIMS, claims), (GROUPS, groups)];
        let added = come.iter().map(|(name, value)| size(name, value.as_bytes())).sum();
        self.make_room(|(of, ..)| *of == Owner::Shared, added)?;
        for (name, value) in come {
            if !value.is_empty() {
                let value = Bytes::copy_from_slice(value.as_bytes());
                self.entries.push((Owner::Shared, Cow::Borrowed(name), value));
            }
        }
        Ok(())
    }

    /// Removes what goes where that makes room for as much as comes.
    fn make_room(&mut self, goes: impl Fn(&Entry) -> bool, added: usize) -> Result<(), Full> {
        let freed: usize =
            self.entries.iter().filter(|entry| goes(entry)).map(|(_, name, value)| size(name, value)).sum();
        let room = self.size - freed + added;
        if room > LIMIT {
            return Err(Full);
        }
        self.size = room;
        self.entries.retain(|entry| !goes(entry));
        Ok(())
    }

    /// All of them by their full names, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (String, &Bytes)> {
        self.entries.iter().map(|(owner, name, value)| match owner {
            Owner::Shared => (name.to_string(), value),
            Owner::Plugin(plugin) => (format!("{plugin}/{name}"), value),
        })
    }

    /// Who was proven to ask, for the log.
    #[must_use]
    pub fn consumer(&self) -> Option<&str> {
        let (_, _, value) = self.entries.iter().find(|(of, key, _)| *of == Owner::Shared && &**key == CONSUMER)?;
        std::str::from_utf8(value).ok()
    }
}

/// What an attribute counts; an empty one is none.
fn size(name: &str, value: &[u8]) -> usize {
    if value.is_empty() { 0 } else { name.len() + value.len() }
}

impl Owner {
    fn name(&self) -> Option<&str> {
        match self {
            Self::Shared => None,
            Self::Plugin(name) => Some(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reader_sees_its_own_the_shared_and_others_by_full_name() {
        let mut attributes = Attributes::default();
        attributes.write(Owner::Shared, "consumer", Bytes::from_static(b"ada")).unwrap();
        attributes.write(Owner::Plugin("api-key".into()), "tier", Bytes::from_static(b"gold")).unwrap();
        for (reader, name, expected) in [
            ("x", "consumer", Some("ada")),
            ("x", "tier", None),
            ("api-key", "tier", Some("gold")),
            ("x", "api-key/tier", Some("gold")),
            ("x", "api-key/consumer", None),
        ] {
            let value = attributes.read(reader, name).map(|value| std::str::from_utf8(value).unwrap());
            assert_eq!(value, expected, "{reader} reads {name}");
        }
    }

    #[test]
    fn another_consumer_has_nothing_of_the_one_before() {
        let mut attributes = Attributes::default();
        let mut write = |name: &str, value: &'static str| attributes.write(Owner::Shared, name, value.into()).unwrap();
        write("consumer", "ada");
        write("claims", "{}");
        write("groups", "[]");
        write("consumer", "bob");
        write("groups", "[1]");
        attributes.write(Owner::Plugin("p".into()), "claims", "own".into()).unwrap();
        attributes.write(Owner::Plugin("p".into()), "consumer", "none".into()).unwrap();
        let read = |name| attributes.read("p", name).map(|value| std::str::from_utf8(value).unwrap());
        assert_eq!((read("consumer"), read("claims"), read("groups")), (Some("bob"), None, Some("[1]")));
        assert_eq!((read("p/claims"), read("p/consumer")), (Some("own"), Some("none")));
        assert_eq!(attributes.size, "consumerbobgroups[1]claimsownconsumernone".len());
    }

    #[test]
    fn whoever_is_named_takes_the_place_of_the_one_before() {
        let mut attributes = Attributes::default();
        attributes.write(Owner::Plugin("p".into()), "claims", "own".into()).unwrap();
        attributes.identify("ada", "{}", "[1]").unwrap();
        attributes.identify("bob", "", "[2]").unwrap();
        let huge = " ".repeat(LIMIT);
        assert_eq!(attributes.identify("eve", &huge, ""), Err(Full), "and nothing has changed");
        let read = |name| attributes.read("p", name).map(|value| std::str::from_utf8(value).unwrap());
        assert_eq!((read("consumer"), read("claims"), read("groups")), (Some("bob"), None, Some("[2]")));
        assert_eq!(read("p/claims"), Some("own"));
        assert_eq!(attributes.size, "claimsownconsumerbobgroups[2]".len());
        attributes.identify("", "", "").unwrap();
        assert_eq!((attributes.consumer(), attributes.size), (None, "claimsown".len()));
    }

    #[test]
    fn the_bound_counts_names_and_values_and_a_refusal_changes_nothing() {
        let mut attributes = Attributes::default();
        let owner = || Owner::Plugin("p".into());
        attributes.write(owner(), "a", Bytes::from(vec![1; LIMIT - 1])).unwrap();
        assert_eq!(attributes.write(owner(), "b", Bytes::from_static(b"x")), Err(Full));
        assert!(attributes.read("p", "b").is_none());
        attributes.write(owner(), "a", Bytes::new()).unwrap();
        attributes.write(owner(), "b", Bytes::from(vec![1; LIMIT - 1])).unwrap();
    }
}
