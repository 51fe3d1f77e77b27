//! Lets clients in, or refuses them, by address.

mod network;

use network::Network;
use plugin_sdk::{Flow, Plugin, Response, Result, exchange};
use serde::Deserialize;

/// What may be written as `config`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    allow: Option<Vec<String>>,
    #[serde(default)]
    deny: Vec<String>,
}

struct IpFilter {
    /// None: everybody who is not refused.
    allow: Option<Vec<Network>>,
    deny: Vec<Network>,
}

#[plugin_sdk::plugin]
impl Plugin for IpFilter {
    type Config = Config;

    fn configure(config: Config) -> Result<Self, String> {
        if config.allow.is_none() && config.deny.is_empty() {
            return Err("neither `allow` nor `deny` is there: everybody would be let in".to_owned());
        }
        let allow = config.allow.map(|texts| networks(&texts, "allow")).transpose()?;
        Ok(Self { allow, deny: networks(&config.deny, "deny")? })
    }

    fn on_request(&self) -> Result<Flow> {
        let admitted = exchange::client_address().is_some_and(|address| {
            let is_in = |networks: &[Network]| networks.iter().any(|network| network.contains(address));
            !is_in(&self.deny) && self.allow.as_deref().is_none_or(is_in)
        });
        Ok(if admitted { Flow::Next } else { Response::problem(403, "Your address is not admitted.").into() })
    }
}

fn networks(texts: &[String], key: &str) -> Result<Vec<Network>, String> {
    let parsed = texts.iter().map(|text| Network::parse(text).map_err(|error| format!("`{key}`: {error}")));
    parsed.collect()
}

#[cfg(test)]
mod tests;
