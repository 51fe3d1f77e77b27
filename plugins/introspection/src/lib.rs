//! Asks the issuer of a token whether it is active (RFC 7662), and tells who asks by those that are.

mod answer;
mod endpoint;

use answer::Answer;
use endpoint::Endpoint;
use plugin_sdk::claims::Names;
use plugin_sdk::{Flow, Plugin, Response, Result, attribute, request};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// Bytes of a token, as for those that are verified here.
const TOKEN: usize = 16 << 10;

/// What may be written as `config`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Config {
    endpoint: String,
    client_id: String,
    client_secret: String,
    #[serde(default)]
    audiences: Vec<String>,
    consumer: Option<String>,
    #[serde(default = "groups")]
    groups: String,
    #[serde(default = "a_minute")]
    cache: u64,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default = "yes")]
    forward: bool,
    #[serde(default = "gateway")]
    realm: String,
}

fn groups() -> String {
    "groups".to_owned()
}

fn a_minute() -> u64 {
    60
}

fn yes() -> bool {
    true
}

fn gateway() -> String {
    "gateway".to_owned()
}

struct Introspection {
    endpoint: Endpoint,
    audiences: Vec<String>,
    /// The first one that is there names the consumer.
    consumer: Vec<String>,
    groups: String,
    headers: BTreeMap<String, String>,
    forward: bool,
    realm: String,
}

#[plugin_sdk::plugin]
impl Plugin for Introspection {
    type Config = Config;

    fn configure(config: Config) -> Result<Self, String> {
        if config.realm.contains(['"', '\\']) || config.realm.contains(char::is_control) {
            return Err("`realm` has a quote, a backslash or a control character".to_owned());
        }
        let usual = || ["sub", "username", "client_id"].map(str::to_owned).to_vec();
        let consumer = config.consumer.map_or_else(usual, |claim| vec![claim]);
        let told = config.headers.values().chain(&consumer).map(String::as_str);
        let names = Names::new(answer::MEMBERS.into_iter().chain(told).chain([config.groups.as_str()]));
        Ok(Self {
            endpoint: Endpoint::new(
                config.endpoint,
                &config.client_id,
                &config.client_secret,
                Duration::from_secs(config.cache),
                names,
            ),
            audiences: config.audiences,
            consumer,
            groups: config.groups,
            headers: config.headers,
            forward: config.forward,
            realm: config.realm,
        })
    }

    fn on_request(&self) -> Result<Flow> {
        // What the service is told of the consumer is never what a client wrote there.
        for field in self.headers.keys() {
            request::remove_header(field)?;
        }
        let Some(token) = token() else {
            return Ok(self.refusal(None));
        };
        if token.len() > TOKEN || !token.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',') {
            return Ok(self.refusal(Some("it is no token")));
        }
        let Some(answer) = self.endpoint.ask(&token) else {
            return Ok(unavailable());
        };
        match self.admit(&answer) {
            Ok(consumer) => self.tell(&answer, &consumer),
            Err(problem) => Ok(self.refusal(Some(problem))),
        }
    }
}

/// `Bearer TOKEN` (RFC 6750 2.1).
fn token() -> Option<String> {
    let header = request::header("authorization")?;
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then(|| token.trim_start_matches(' ').to_owned())
}

impl Introspection {
    /// The consumer, if the token is good here.
    fn admit(&self, answer: &Answer) -> Result<String, &'static str> {
        answer.in_force()?;
        if !self.audiences.is_empty() && !answer.is_meant_for(&self.audiences) {
            return Err("it is meant for another audience");
        }
        let named =
            self.consumer.iter().find_map(|claim| answer.claims.text(claim)).filter(|consumer| !consumer.is_empty());
        named.ok_or("it does not name anybody")
    }

    fn tell(&self, answer: &Answer, consumer: &str) -> Result<Flow> {
        for (field, claim) in &self.headers {
            if let Some(value) = answer.claims.text(claim)
                && request::set_header(field, value).is_err()
            {
                return Ok(self.refusal(Some("what it says cannot be a header field")));
            }
        }
        attribute::identify(consumer, &answer.text, &answer.claims.list(&self.groups))?;
        if !self.forward {
            request::remove_header("authorization")?;
        }
        Ok(Flow::Next)
    }

    /// 401 as RFC 6750 section 3 has it: who sent no token is told no error.
    fn refusal(&self, problem: Option<&str>) -> Flow {
        let realm = &self.realm;
        let (detail, challenge) = match problem {
            None => ("A token is required.".to_owned(), format!("Bearer realm=\"{realm}\"")),
            Some(problem) => (
                format!("The token is not valid: {problem}."),
                format!("Bearer realm=\"{realm}\", error=\"invalid_token\", error_description=\"{problem}\""),
            ),
        };
        Response::problem(401, &detail).header("www-authenticate", challenge).into()
    }
}

/// Nobody can say whether a token is good as long as its issuer does not answer.
fn unavailable() -> Flow {
    Response::problem(503, "The token's issuer cannot be asked.").header("retry-after", "5").into()
}

#[cfg(test)]
mod tests;
