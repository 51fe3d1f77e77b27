//! Sets, adds, removes and renames header fields and query parameters, and changes the path.

mod changes;
mod fields;
mod template;

use changes::{Changes, Written, tolerate};
use fields::{RequestFields, ResponseFields};
use plugin_sdk::{Flow, Plugin, Result, request};
use serde::Deserialize;
use template::Template;

/// What may be written as `config`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    #[serde(default)]
    request: Written,
    #[serde(default)]
    response: Written,
    #[serde(default)]
    query: Written,
    path: Option<String>,
}

struct Transform {
    request: Changes,
    response: Changes,
    query: Changes,
    path: Option<Template>,
}

#[plugin_sdk::plugin]
impl Plugin for Transform {
    type Config = Config;

    fn configure(config: Config) -> Result<Self, String> {
        Ok(Self {
            request: Changes::parse(config.request, "request")?,
            response: Changes::parse(config.response, "response")?,
            query: Changes::parse(config.query, "query")?,
            path: config
                .path
                .map(|path| Template::parse(&path).map_err(|error| format!("`path`: {error}")))
                .transpose()?,
        })
    }

    fn on_request(&self) -> Result<Flow> {
        // All values are taken from the request as it came, whatever is changed first.
        let fields = self.request.fill();
        let parameters = self.query.fill();
        let path = self.path.as_ref().and_then(Template::path);
        fields.apply(&mut RequestFields)?;
        if !self.query.is_empty() {
            let mut query = request::parameters();
            parameters.apply(&mut query)?;
            request::set_query(&query.to_string())?;
        }
        if let Some(path) = path {
            tolerate(request::set_path(&path), "path")?;
        }
        Ok(Flow::Next)
    }

    fn on_response(&self) -> Result<Flow> {
        if !self.response.is_empty() {
            self.response.fill().apply(&mut ResponseFields)?;
        }
        Ok(Flow::Next)
    }
}

#[cfg(test)]
mod tests;
