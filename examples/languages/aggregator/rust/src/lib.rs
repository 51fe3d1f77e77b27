//! The aggregator in Rust: several services in one answer.

use plugin_sdk::{Plugin, Response, Result, fetch, request};
use serde::Deserialize;
use std::collections::BTreeMap;

/// What may be written as `config`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    parts: BTreeMap<String, String>,
}

struct Aggregator {
    parts: BTreeMap<String, String>,
}

#[plugin_sdk::plugin]
impl Plugin for Aggregator {
    type Config = Config;

    fn configure(config: Config) -> Result<Self, String> {
        Ok(Self { parts: config.parts })
    }

    fn handle(&self, _body: Vec<u8>) -> Result<Response> {
        let path = request::path();
        let calls: Vec<_> = self.parts.values().map(|url| fetch::Request::get(url.replace("{path}", &path))).collect();
        let mut document = vec![b'{'];
        let mut missing = Vec::new();
        for (name, answer) in self.parts.keys().zip(fetch::all(&calls)) {
            if document.len() > 1 {
                document.push(b',');
            }
            document.extend_from_slice(format!("\"{name}\":").as_bytes());
            match answer {
                Ok(answer) if answer.is_success() => document.extend_from_slice(&answer.body),
                _ => {
                    document.extend_from_slice(b"null");
                    missing.push(name.as_str());
                }
            }
        }
        document.push(b'}');
        let mut response = Response::new(200).header("content-type", "application/json").body(document);
        if !missing.is_empty() {
            response = response.header("x-degraded", missing.join(", "));
        }
        Ok(response)
    }
}
