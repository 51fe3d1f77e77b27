//! Picks, drops, renames and flattens fields of JSON bodies.

mod shape;

use plugin_sdk::condition::Condition;
use plugin_sdk::{BodyFlow, Flow, Plugin, Response, Result, request, response};
use serde::Deserialize;
use serde_json::Value;
use shape::{Shape, Written};

/// What may be written as `config`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    when: Option<Condition>,
    request: Option<Written>,
    response: Option<Written>,
}

struct Json {
    when: Option<Condition>,
    request: Option<Shape>,
    response: Option<Shape>,
}

#[plugin_sdk::plugin]
impl Plugin for Json {
    type Config = Config;

    fn configure(config: Config) -> Result<Self, String> {
        let Config { when, request, response } = config;
        let json =
            Self { when, request: Shape::parse(request, "request")?, response: Shape::parse(response, "response")? };
        if json.request.is_none() && json.response.is_none() {
            return Err("neither `request` nor `response` is there: nothing would change".to_owned());
        }
        Ok(json)
    }

    fn on_request(&self) -> Result<Flow> {
        // A part of what a service has would pass unread.
        if self.response.is_some() {
            request::remove_header("range")?;
            request::remove_header("if-range")?;
        }
        let applies = self.request.is_some() && is_json(request::header("content-type")) && self.holds();
        Ok(if applies { Flow::AwaitBody } else { Flow::Next })
    }

    fn on_request_body(&self, body: Vec<u8>) -> Result<BodyFlow> {
        let Some(shape) = &self.request else { return Ok(BodyFlow::Next) };
        // Of no body nothing can be made.
        if body.is_empty() {
            return Ok(BodyFlow::Next);
        }
        match serde_json::from_slice::<Value>(&body) {
            Ok(value) => Ok(BodyFlow::Replace(serde_json::to_vec(&shape.apply(value))?)),
            Err(error) => Ok(Response::problem(400, &format!("The body is no JSON: {error}.")).into()),
        }
    }

    fn on_response(&self) -> Result<Flow> {
        if self.response.is_some() && response::status() == 206 && self.holds() {
            plugin_sdk::warn!("the service answered with a part that nobody asked for");
            return Ok(Response::problem(502, "The service did not answer with the whole.").into());
        }
        let content_type = response::header("content-type");
        // There are answers without a body (RFC 9110 15.3.5, 15.4.5), and what tells of a failure has a form of its own (RFC 9457).
        let applies = self.response.is_some()
            && !matches!(response::status(), 204 | 304)
            && !(response::status() >= 400 && is_problem(content_type.as_deref()))
            && is_json(content_type)
            && self.holds();
        Ok(if applies { Flow::AwaitBody } else { Flow::Next })
    }

    fn on_response_body(&self, body: Vec<u8>) -> Result<BodyFlow> {
        let Some(shape) = &self.response else { return Ok(BodyFlow::Next) };
        if body.is_empty() {
            return Ok(BodyFlow::Next);
        }
        match serde_json::from_slice::<Value>(&body) {
            Ok(value) => {
                // They stood for the body as it was (RFC 9110 8.8.3, RFC 9530).
                for name in ["etag", "content-md5", "content-digest", "repr-digest", "accept-ranges"] {
                    response::remove_header(name)?;
                }
                Ok(BodyFlow::Replace(serde_json::to_vec(&shape.apply(value))?))
            }
            Err(error) => {
                plugin_sdk::warn!("the service's body is no JSON: {error}");
                // What should not be seen may be in it.
                Ok(Response::problem(502, "The service did not answer with JSON.").into())
            }
        }
    }
}

impl Json {
    fn holds(&self) -> bool {
        self.when.as_ref().is_none_or(Condition::holds)
    }
}

fn is_problem(content_type: Option<&str>) -> bool {
    media_type(content_type.unwrap_or_default()) == "application/problem+json"
}

fn media_type(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// `application/json`, or anything that ends with `+json` (RFC 6839 3.1).
fn is_json(content_type: Option<String>) -> bool {
    let Some(content_type) = content_type else { return false };
    let media = media_type(&content_type);
    media == "application/json" || media.ends_with("+json")
}

#[cfg(test)]
mod tests;
