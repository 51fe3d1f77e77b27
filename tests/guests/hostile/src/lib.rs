//! Does what no plugin should: what `x-do` of a request tells it, or the configuration where the request does not.
//! `x-do-later` is done in the response phase.

// Some of it cannot be written for another machine.
#![cfg(target_family = "wasm")]

mod misdeed;

use plugin_sdk::{BodyFlow, Flow, Plugin, Response, Result, request};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// What goes wrong at the start: `loop`, `panic` or `refuse`.
    configure: Option<String>,
    #[serde(rename = "do")]
    what: Option<String>,
}

struct Hostile {
    what: Option<String>,
}

#[plugin_sdk::plugin]
impl Plugin for Hostile {
    type Config = Config;

    fn configure(config: Config) -> Result<Self, String> {
        match config.configure.as_deref() {
            None => Ok(Self { what: config.what }),
            Some("loop") => misdeed::endless(),
            Some("panic") => panic!("as told"),
            Some(_) => Err("refused as told".to_owned()),
        }
    }

    fn on_request(&self) -> Result<Flow> {
        let what = request::header("x-do").or_else(|| self.what.clone());
        what.map_or(Ok(Flow::Next), |what| misdeed::commit(&what))
    }

    /// Says how long the body is.
    fn on_request_body(&self, body: Vec<u8>) -> Result<BodyFlow> {
        Ok(Response::text(200, body.len().to_string()).into())
    }

    fn handle(&self, _body: Vec<u8>) -> Result<Response> {
        match self.on_request()? {
            Flow::Respond(response) => Ok(response),
            Flow::Next | Flow::AwaitBody => Ok(Response::new(200)),
        }
    }

    fn on_response(&self) -> Result<Flow> {
        request::header("x-do-later").map_or(Ok(Flow::Next), |what| misdeed::commit(&what))
    }
}
