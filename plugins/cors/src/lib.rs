//! Lets pages of other origins call: answers preflights and marks responses.

use plugin_sdk::http::Method;
use plugin_sdk::{Flow, Plugin, Response, Result, request, response};
use serde::Deserialize;

/// What may be written as `config`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    origins: Vec<String>,
    #[serde(default = "simple_methods")]
    methods: Vec<String>,
    #[serde(default)]
    headers: Vec<String>,
    #[serde(default)]
    expose: Vec<String>,
    #[serde(default)]
    credentials: bool,
    #[serde(default = "ten_minutes")]
    max_age: u32,
}

fn simple_methods() -> Vec<String> {
    ["GET", "HEAD", "POST"].map(str::to_owned).to_vec()
}

fn ten_minutes() -> u32 {
    600
}

struct Cors {
    /// None: every origin.
    origins: Option<Vec<String>>,
    methods: String,
    headers: String,
    expose: String,
    credentials: bool,
    max_age: String,
}

#[plugin_sdk::plugin]
impl Plugin for Cors {
    type Config = Config;

    fn configure(config: Config) -> Result<Self, String> {
        let any = config.origins.iter().any(|origin| origin == "*");
        if any && config.credentials {
            return Err("`credentials` cannot be allowed to every origin; list the `origins` that need them".to_owned());
        }
        if let Some(bad) = config.origins.iter().find(|origin| *origin != "*" && !is_origin(origin)) {
            return Err(format!("`origins`: `{bad}` is not an origin such as `https://shop.example`"));
        }
        Ok(Self {
            origins: (!any).then_some(config.origins),
            methods: config.methods.join(", "),
            headers: config.headers.join(", "),
            expose: config.expose.join(", "),
            credentials: config.credentials,
            max_age: config.max_age.to_string(),
        })
    }

    fn on_request(&self) -> Result<Flow> {
        let is_preflight = request::method() == Method::OPTIONS
            && request::header("origin").is_some()
            && request::header("access-control-request-method").is_some();
        Ok(if is_preflight { self.preflight().into() } else { Flow::Next })
    }

    /// Also marks the answer to a preflight, as any other.
    fn on_response(&self) -> Result<Flow> {
        for name in ["access-control-allow-origin", "access-control-allow-credentials", "access-control-expose-headers"]
        {
            response::remove_header(name)?;
        }
        if self.origins.is_some() {
            response::append_header("vary", "origin")?;
        }
        let Some(allowed) = request::header("origin").and_then(|origin| self.allowed(origin)) else {
            return Ok(Flow::Next);
        };
        response::set_header("access-control-allow-origin", allowed)?;
        if self.credentials {
            response::set_header("access-control-allow-credentials", "true")?;
        }
        if !self.expose.is_empty() {
            response::set_header("access-control-expose-headers", &self.expose)?;
        }
        Ok(Flow::Next)
    }
}

impl Cors {
    /// How the response names the origin that may read it.
    fn allowed(&self, origin: String) -> Option<String> {
        match &self.origins {
            None => Some("*".to_owned()),
            Some(origins) => origins.contains(&origin).then_some(origin),
        }
    }

    /// What a page may do; the browser compares.
    fn preflight(&self) -> Response {
        let mut answer = Response::new(204)
            .header("access-control-allow-methods", self.methods.as_str())
            .header("access-control-max-age", self.max_age.as_str())
            .header("vary", "access-control-request-method, access-control-request-headers");
        if !self.headers.is_empty() {
            answer = answer.header("access-control-allow-headers", self.headers.as_str());
        }
        answer
    }
}

/// Scheme, host and port, as browsers write them: in lower case, without a path.
fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    host.is_some_and(|host| {
        !host.is_empty() && !host.contains(['/', '?', '#', '*', ' ']) && *text == text.to_ascii_lowercase()
    })
}

#[cfg(test)]
mod tests;
