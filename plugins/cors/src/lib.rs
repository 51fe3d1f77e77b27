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
    origins: Option<Vec<Origin>>,
    methods: String,
    /// None: what a page asks for.
    headers: Option<String>,
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
        let origins = config.origins.iter().filter(|origin| *origin != "*").map(|origin| Origin::parse(origin));
        let origins = origins.collect::<Result<Vec<_>, _>>()?;
        let every_header = config.headers.iter().any(|name| name == "*");
        Ok(Self {
            origins: (!any).then_some(origins),
            methods: config.methods.join(", "),
            headers: (!every_header).then(|| config.headers.join(", ")),
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
            Some(origins) => origins.iter().any(|one| one.is(&origin)).then_some(origin),
        }
    }

    /// What a page may do; the browser compares.
    fn preflight(&self) -> Response {
        let mut answer = Response::new(204)
            .header("access-control-allow-methods", self.methods.as_str())
            .header("access-control-max-age", self.max_age.as_str())
            .header("vary", "access-control-request-method, access-control-request-headers");
        // `*` does not mean everything where credentials are sent, nor `authorization` ever (Fetch 3.3.4): what is asked for is named.
        let headers = self.headers.clone().or_else(|| request::header("access-control-request-headers"));
        if let Some(headers) = headers.filter(|headers| !headers.is_empty()) {
            answer = answer.header("access-control-allow-headers", headers);
        }
        answer
    }
}

/// Who may call.
enum Origin {
    /// `https://shop.example`, as browsers write it; also `null`, which pages without an origin have.
    Exact(String),
    /// `https://*.shop.example`: scheme, and what a host ends with, its port included. The name itself is not among them.
    Below { scheme: String, ending: String },
}

impl Origin {
    /// Scheme, host and port, as browsers write them: in lower case, without a path.
    fn parse(text: &str) -> Result<Self, String> {
        let bad = || {
            format!("`origins`: `{text}` is not an origin such as `https://shop.example` or `https://*.shop.example`")
        };
        if text == "null" {
            return Ok(Self::Exact(text.to_owned()));
        }
        let (scheme, host) = text.split_once("://").ok_or_else(bad)?;
        let (is_below, rest) = match host.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, host),
        };
        let is_plain =
            !rest.is_empty() && !rest.contains(['/', '?', '#', '*', ' ']) && *text == text.to_ascii_lowercase();
        match (scheme, is_plain, is_below) {
            ("http" | "https", true, false) => Ok(Self::Exact(text.to_owned())),
            ("http" | "https", true, true) => {
                Ok(Self::Below { scheme: format!("{scheme}://"), ending: format!(".{rest}") })
            }
            _ => Err(bad()),
        }
    }

    fn is(&self, origin: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == origin,
            Self::Below { scheme, ending } => {
                let name = origin.strip_prefix(scheme.as_str()).and_then(|host| host.strip_suffix(ending.as_str()));
                name.is_some_and(|name| {
                    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
                })
            }
        }
    }
}

#[cfg(test)]
mod tests;
