//! Sets, adds, removes and renames header fields and query parameters, and changes method, path and status.

mod changes;
mod fields;

use changes::{Changes, Written, tolerate};
use fields::{RequestFields, ResponseFields};
use plugin_sdk::condition::Condition;
use plugin_sdk::http::Method;
use plugin_sdk::template::Template;
use plugin_sdk::{Flow, Plugin, Result, attribute, request, response};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// Set by `on_request` where the condition held, which may ask for what the request was before it was changed.
const HELD: &str = "held";

/// What may be written as `config`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    when: Option<Condition>,
    #[serde(default)]
    request: Written,
    #[serde(default)]
    response: Written,
    #[serde(default)]
    query: Written,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    method: Option<String>,
    path: Option<String>,
    status: Option<u16>,
}

struct Transform {
    when: Option<Condition>,
    /// Whether `when` is asked once there is a response.
    asks_response: bool,
    request: Changes,
    response: Changes,
    query: Changes,
    attributes: Vec<(String, Template)>,
    method: Option<Method>,
    path: Option<Template>,
    status: Option<u16>,
}

#[plugin_sdk::plugin]
impl Plugin for Transform {
    type Config = Config;

    fn configure(config: Config) -> Result<Self, String> {
        let Config { when, request, response, query, attributes, method, path, status } = config;
        let template = |place: &str, text: &str| Template::parse(text).map_err(|error| format!("`{place}`: {error}"));
        let attributes = attributes
            .into_iter()
            .map(|(name, text)| template(&format!("attributes.{name}"), &text).map(|template| (name, template)));
        let transform = Self {
            asks_response: when.as_ref().is_some_and(|when| when.uses("response")),
            when,
            request: Changes::parse(request, "request")?,
            response: Changes::parse(response, "response")?,
            query: Changes::parse(query, "query")?,
            attributes: attributes.collect::<Result<_, _>>()?,
            method: method.as_deref().map(parse_method).transpose()?,
            path: path.map(|path| template("path", &path)).transpose()?,
            status,
        };
        if status.is_some_and(|status| !(200..600).contains(&status)) {
            return Err("`status` is from 200 to 599".to_owned());
        }
        if transform.asks_response && transform.changes_request() {
            return Err("`when` asks for the response, which is not there while a request is changed: write the changes of the \
                        request in an entry of their own"
                .to_owned());
        }
        Ok(transform)
    }

    fn on_request(&self) -> Result<Flow> {
        if self.asks_response {
            return Ok(Flow::Next);
        }
        if let Some(when) = &self.when {
            if !when.holds() {
                return Ok(Flow::Next);
            }
            tolerate(attribute::set(&self.held(), "1"), "when")?;
        }
        // All values are taken from the request as it came, whatever is changed first.
        let fields = self.request.fill();
        let parameters = self.query.fill();
        let path = self.path.as_ref().and_then(Template::path);
        for (name, template) in &self.attributes {
            tolerate(attribute::set(name, &template.text().unwrap_or_default()), name)?;
        }
        fields.apply(&mut RequestFields)?;
        if !self.query.is_empty() {
            let mut query = request::parameters();
            parameters.apply(&mut query)?;
            tolerate(request::set_query(&query.to_string()), "query")?;
        }
        if let Some(path) = path {
            tolerate(request::set_path(&path), "path")?;
        }
        if let Some(method) = &self.method {
            request::set_method(method)?;
        }
        Ok(Flow::Next)
    }

    fn on_response(&self) -> Result<Flow> {
        let holds = match &self.when {
            None => true,
            Some(when) if self.asks_response => when.holds(),
            Some(_) => attribute::get(&self.held()).is_some(),
        };
        if !holds {
            return Ok(Flow::Next);
        }
        if !self.response.is_empty() {
            self.response.fill().apply(&mut ResponseFields)?;
        }
        if let Some(status) = self.status {
            response::set_status(status)?;
        }
        Ok(Flow::Next)
    }
}

impl Transform {
    fn changes_request(&self) -> bool {
        !self.request.is_empty()
            || !self.query.is_empty()
            || !self.attributes.is_empty()
            || self.method.is_some()
            || self.path.is_some()
    }

    /// The plugin may stand in a chain more than once, with conditions that differ.
    fn held(&self) -> String {
        let mut hasher = DefaultHasher::new();
        self.when.as_ref().map(Condition::text).hash(&mut hasher);
        format!("{HELD}.{:x}", hasher.finish())
    }
}

fn parse_method(text: &str) -> Result<Method, String> {
    match Method::from_bytes(text.as_bytes()) {
        Ok(Method::CONNECT) | Err(_) => Err(format!("`method`: `{text}` is no method that a request can have")),
        Ok(method) => Ok(method),
    }
}

#[cfg(test)]
mod tests;
