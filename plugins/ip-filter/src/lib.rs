//! Lets clients in, or refuses them, by address.

mod network;

use network::Network;
use plugin_sdk::{Flow, Plugin, Response, Result, exchange};
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;

/// What may be written as `config`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    allow: Option<Networks>,
    deny: Option<Networks>,
    #[serde(default)]
    except: Networks,
}

/// A list, or the text of a secret: lines, or parts between commas; what follows a `#` is a comment.
#[derive(Default)]
struct Networks(Vec<String>);

impl<'de> Deserialize<'de> for Networks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Entries)
    }
}

struct Entries;

impl<'de> Visitor<'de> for Entries {
    type Value = Networks;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of networks, or a text with one a line")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Networks, E> {
        let lines = text.lines().map(|line| line.split_once('#').map_or(line, |(entry, _)| entry));
        let entries = lines.flat_map(|line| line.split(',')).map(str::trim).filter(|entry| !entry.is_empty());
        Ok(Networks(entries.map(str::to_owned).collect()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Networks, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = list.next_element()? {
            entries.push(entry);
        }
        Ok(Networks(entries))
    }
}

struct IpFilter {
    /// None: everybody who is not refused.
    allow: Option<Vec<Network>>,
    deny: Vec<Network>,
    /// Let in although `deny` has them.
    except: Vec<Network>,
}

#[plugin_sdk::plugin]
impl Plugin for IpFilter {
    type Config = Config;

    fn configure(config: Config) -> Result<Self, String> {
        if config.allow.is_none() && config.deny.is_none() {
            return Err("neither `allow` nor `deny` is there: everybody would be let in".to_owned());
        }
        let allow = config.allow.map(|texts| networks(&texts, "allow")).transpose()?;
        Ok(Self {
            allow,
            deny: networks(&config.deny.unwrap_or_default(), "deny")?,
            except: networks(&config.except, "except")?,
        })
    }

    fn on_request(&self) -> Result<Flow> {
        let admitted = exchange::client_address().is_some_and(|address| {
            let is_in = |networks: &[Network]| networks.iter().any(|network| network.contains(address));
            (!is_in(&self.deny) || is_in(&self.except)) && self.allow.as_deref().is_none_or(is_in)
        });
        Ok(if admitted { Flow::Next } else { Response::problem(403, "Your address is not admitted.").into() })
    }
}

fn networks(Networks(texts): &Networks, key: &str) -> Result<Vec<Network>, String> {
    let parsed = texts.iter().map(|text| Network::parse(text).map_err(|error| format!("`{key}`: {error}")));
    parsed.collect()
}

#[cfg(test)]
mod tests;
