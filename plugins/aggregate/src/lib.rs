//! Answers with what several services give, fetched in parallel and merged.

mod part;
mod pick;
mod url;

use part::{Missing, Part, Written};
use plugin_sdk::fetch::{self, Request};
use plugin_sdk::{Plugin, Response, Result, request};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// As many calls as the gateway makes at once.
const PARTS: usize = 32;

/// What may be written as `config`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    parts: BTreeMap<String, Written>,
    #[serde(default)]
    forward: Vec<String>,
}

struct Aggregate {
    parts: Vec<Part>,
    forward: Vec<String>,
}

#[plugin_sdk::plugin]
impl Plugin for Aggregate {
    type Config = Config;

    fn configure(config: Config) -> Result<Self, String> {
        if config.parts.is_empty() || config.parts.len() > PARTS {
            return Err(format!("`parts` has {} parts; 1 to {PARTS} can be merged", config.parts.len()));
        }
        let parts =
            config.parts.into_iter().map(|(name, written)| Part::parse(name, written)).collect::<Result<_, _>>()?;
        Ok(Self { parts, forward: config.forward })
    }

    fn handle(&self, _body: Vec<u8>) -> Result<Response> {
        let forwarded = self.forward.iter().filter_map(|name| Some((name, request::header(name)?)));
        let forwarded: Vec<_> = forwarded.collect();
        let requests = self.parts.iter().map(|part| {
            let request = part.request()?.header("accept", "application/json");
            Ok(forwarded.iter().fold(request, |request, (name, value)| request.header(name, value.as_str())))
        });
        let requests: Vec<Request> = requests.collect::<Result<_>>()?;
        Ok(self.merge(fetch::all(&requests)))
    }
}

impl Aggregate {
    fn merge(&self, answers: Vec<Result<Response>>) -> Response {
        let mut merged = Map::new();
        let mut degraded = Vec::new();
        for (part, answer) in self.parts.iter().zip(answers) {
            let value = part.value(answer).or_else(|reason| {
                plugin_sdk::warn!("the part `{}` is missing: {reason}", part.name);
                degraded.push(part.name.as_str());
                match &part.missing {
                    // The reason may name addresses, which the client must not learn; the log has it.
                    Missing::Fail => Err(Response::problem(502, &format!("The part `{}` is missing.", part.name))),
                    Missing::Default(value) => Ok(value.clone()),
                }
            });
            match value {
                Ok(value) => merged.insert(part.name.clone(), value),
                Err(failure) => return failure,
            };
        }
        let response =
            Response::new(200).header("content-type", "application/json").body(Value::Object(merged).to_string());
        if degraded.is_empty() {
            return response;
        }
        response.header("x-degraded", degraded.join(", ")).header("cache-control", "no-store")
    }
}

#[cfg(test)]
mod tests;
