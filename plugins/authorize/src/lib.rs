//! Lets through what the consumer may do. Who that is, an identity plugin before it has said.

mod condition;
mod facts;
mod path;

use condition::Condition;
use facts::Facts;
use plugin_sdk::claims::Names;
use plugin_sdk::{Flow, Plugin, Response, Result};
use serde::Deserialize;

/// What may be written as `config`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    require: Condition,
}

struct Authorize {
    require: Condition,
    /// The claims that it asks for.
    names: Names,
}

#[plugin_sdk::plugin]
impl Plugin for Authorize {
    type Config = Config;

    fn configure(config: Config) -> Result<Self, String> {
        config.require.check("require")?;
        let names = Names::new(facts::SCOPES.into_iter().chain(config.require.claims()));
        Ok(Self { require: config.require, names })
    }

    fn on_request(&self) -> Result<Flow> {
        // Nobody may do nothing, not even what is asked of nobody by a `not`.
        let Some(facts) = Facts::of_exchange(&self.names) else {
            return Ok(Response::problem(403, "Nobody is known to ask.").into());
        };
        match self.require.holds(&facts) {
            true => Ok(Flow::Next),
            false => Ok(Response::problem(403, "This is not allowed to whoever asks.").into()),
        }
    }
}

#[cfg(test)]
mod tests;
