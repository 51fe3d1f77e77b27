//! Refuses requests without a known key, and names the consumer of the others.

mod keys;

use keys::Keys;
use plugin_sdk::{Flow, Plugin, Response, Result, attribute, request};
use serde::Deserialize;

/// What may be written as `config`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    keys: keys::Written,
    #[serde(default = "default_header")]
    header: String,
    query: Option<String>,
    #[serde(default)]
    forward: bool,
    #[serde(rename = "consumer-header")]
    consumer_header: Option<String>,
}

fn default_header() -> String {
    "x-api-key".to_owned()
}

struct ApiKey {
    keys: Keys,
    header: String,
    query: Option<String>,
    forward: bool,
    consumer_header: Option<String>,
}

#[plugin_sdk::plugin]
impl Plugin for ApiKey {
    type Config = Config;

    fn configure(config: Config) -> Result<Self, String> {
        let Config { keys, header, query, forward, consumer_header } = config;
        Ok(Self { keys: Keys::new(keys)?, header, query, forward, consumer_header })
    }

    fn on_request(&self) -> Result<Flow> {
        let key = request::header(&self.header).or_else(|| request::parameter(self.query.as_deref()?));
        let Some(consumer) = key.and_then(|key| self.keys.consumer(&key)) else {
            return Ok(refusal());
        };
        attribute::set(attribute::CONSUMER, consumer)?;
        if let Some(name) = &self.consumer_header {
            request::set_header(name, consumer)?;
        }
        if !self.forward {
            self.hide()?;
        }
        Ok(Flow::Next)
    }
}

impl ApiKey {
    /// Takes the key out of what the service gets.
    fn hide(&self) -> Result<()> {
        request::remove_header(&self.header)?;
        if let Some(name) = &self.query {
            let mut parameters = request::parameters();
            if parameters.remove(name) {
                request::set_query(&parameters.to_string())?;
            }
        }
        Ok(())
    }
}

/// The same for an absent and an unknown key: nobody learns which keys exist.
fn refusal() -> Flow {
    Response::problem(401, "A valid API key is required.").header("www-authenticate", "ApiKey").into()
}

#[cfg(test)]
mod tests;
