//! Refuses requests without a known key, and names the consumer of the others.

mod cookie;
mod groups;
mod keys;

use keys::Keys;
use plugin_sdk::{Flow, Plugin, Response, Result, attribute, request};
use serde::Deserialize;
use std::collections::BTreeMap;

/// What may be written as `config`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    keys: keys::Written,
    #[serde(default = "default_header")]
    header: Headers,
    query: Option<String>,
    cookie: Option<String>,
    #[serde(default)]
    groups: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    forward: bool,
    #[serde(rename = "consumer-header")]
    consumer_header: Option<String>,
}

fn default_header() -> Headers {
    Headers(vec!["x-api-key".to_owned()])
}

/// A name of a field, or several.
struct Headers(Vec<String>);

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(name) => vec![name],
            other => {
                serde_json::from_value(other).map_err(|_| serde::de::Error::custom("a name, or a list of names"))?
            }
        };
        Ok(Self(names))
    }
}

struct ApiKey {
    keys: Keys,
    headers: Vec<String>,
    query: Option<String>,
    cookie: Option<String>,
    /// A JSON list for each consumer that is in a group.
    groups: BTreeMap<String, String>,
    forward: bool,
    consumer_header: Option<String>,
}

#[plugin_sdk::plugin]
impl Plugin for ApiKey {
    type Config = Config;

    fn configure(config: Config) -> Result<Self, String> {
        let Config { keys, header: Headers(headers), query, cookie, groups, forward, consumer_header } = config;
        if headers.is_empty() && query.is_none() && cookie.is_none() {
            return Err("no `header`, `query` or `cookie` could carry a key".to_owned());
        }
        let keys = Keys::new(keys)?;
        if let Some((group, stranger)) = groups
            .iter()
            .flat_map(|(group, names)| names.iter().map(move |name| (group, name)))
            .find(|(_, name)| !keys.names(name))
        {
            return Err(format!("`groups.{group}`: `{stranger}` has no key"));
        }
        let groups = groups::by_name(&groups);
        Ok(Self { keys, headers, query, cookie, groups, forward, consumer_header })
    }

    fn on_request(&self) -> Result<Flow> {
        let Some(consumer) = self.key()?.and_then(|key| self.keys.consumer(&key)) else {
            return Ok(refusal());
        };
        let groups = self.groups.get(consumer).map(String::as_str).unwrap_or_default();
        attribute::identify(consumer, "", groups)?;
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
    /// What was sent as key: the first place that has something counts.
    fn key(&self) -> Result<Option<String>> {
        let mut in_headers = None;
        for name in &self.headers {
            let value = if self.forward { request::header(name) } else { request::take_header(name)? };
            in_headers = in_headers.or(value);
        }
        let in_query = || request::parameter(self.query.as_deref()?);
        let in_cookie = || cookie::value(&request::header("cookie")?, self.cookie.as_deref()?).map(str::to_owned);
        Ok(in_headers.or_else(in_query).or_else(in_cookie))
    }

    /// Takes the key out of what the service gets, where it is in no header.
    fn hide(&self) -> Result<()> {
        if let Some(name) = &self.cookie
            && let Some(header) = request::header("cookie")
            && cookie::value(&header, name).is_some()
        {
            match cookie::without(&header, name) {
                others if others.is_empty() => request::remove_header("cookie")?,
                others => request::set_header("cookie", others)?,
            }
        }
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
