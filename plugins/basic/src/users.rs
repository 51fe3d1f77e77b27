//! Who has which hash.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;

/// `users` of the configuration: a table, or the text of a secret.
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
        formatter.write_str("a table of name = \"hash\", or text with lines `name:hash`")
    }

    /// As htpasswd writes it: empty lines and those that begin with `#` say nothing.
    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Written, E> {
        let lines = text.lines().map(str::trim).enumerate();
        let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let pairs = lines.map(|(index, line)| match line.split_once(':') {
            None => Err(E::custom(format_args!("line {} is not `name:hash`", index + 1))),
            Some((name, hash)) => Ok((name.to_owned(), hash.to_owned())),
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

/// What is known of each name.
pub(crate) struct Users(BTreeMap<String, User>);

pub(crate) struct User {
    pub(crate) hash: String,
    /// A JSON list, or empty.
    pub(crate) groups: String,
}

impl Users {
    /// Fails where a name is empty or stands twice, a hash is none, a group has a stranger, or there is nobody.
    pub(crate) fn new(Written(pairs): Written, groups: &BTreeMap<String, Vec<String>>) -> Result<Self, String> {
        let mut users = BTreeMap::new();
        for (name, hash) in pairs {
            if name.is_empty() {
                return Err("`users`: a name is empty".to_owned());
            }
            if !is_hash(&hash) {
                return Err(format!(
                    "`users`: the hash of `{name}` is neither bcrypt's (`$2y$…`) nor argon2's (`$argon2id$…`)"
                ));
            }
            if users.insert(name.clone(), User { hash, groups: String::new() }).is_some() {
                return Err(format!("`users`: `{name}` stands twice"));
            }
        }
        if users.is_empty() {
            return Err("`users` is empty: nobody could ever be let in".to_owned());
        }
        for (group, name) in groups.iter().flat_map(|(group, names)| names.iter().map(move |name| (group, name))) {
            if !users.contains_key(name) {
                return Err(format!("`groups.{group}`: there is no user `{name}`"));
            }
        }
        for (name, user) in &mut users {
            let of_user = groups.iter().filter(|(_, names)| names.contains(name)).map(|(group, _)| group);
            let of_user: Vec<_> = of_user.collect();
            if !of_user.is_empty() {
                user.groups = serde_json::to_string(&of_user).map_err(|error| error.to_string())?;
            }
        }
        Ok(Self(users))
    }

    pub(crate) fn user(&self, name: &str) -> Option<&User> {
        self.0.get(name)
    }

    /// Somebody's, to be verified in vain.
    pub(crate) fn any_hash(&self) -> &str {
        self.0.values().next().map_or("", |user| &user.hash)
    }
}

/// What the gateway verifies. Hashes of htpasswd's older kinds (`$apr1$`, `{SHA}`, crypt) are too weak to be.
fn is_hash(hash: &str) -> bool {
    let is_bcrypt = ["$2a$", "$2b$", "$2y$"].iter().any(|prefix| hash.starts_with(prefix)) && hash.len() == 60;
    is_bcrypt || ["$argon2id$", "$argon2i$", "$argon2d$"].iter().any(|prefix| hash.starts_with(prefix))
}
