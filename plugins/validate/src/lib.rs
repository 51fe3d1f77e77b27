//! Checks JSON bodies against a JSON Schema.

#[cfg(target_family = "wasm")]
mod entropy;

use jsonschema::Validator;
use plugin_sdk::{BodyFlow, Flow, Plugin, Response, Result, metrics, request, response};
use serde::Deserialize;
use serde_json::{Value, json};

/// Problems that an answer names.
const NAMED: usize = 20;

/// What may be written as `config`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    request: Option<Value>,
    response: Option<Value>,
    #[serde(default, rename = "report-only")]
    report_only: bool,
    #[serde(default)]
    required: bool,
}

struct Validate {
    request: Option<Validator>,
    response: Option<Validator>,
    report_only: bool,
    required: bool,
}

#[plugin_sdk::plugin]
impl Plugin for Validate {
    type Config = Config;

    fn configure(config: Config) -> Result<Self, String> {
        let validator = |schema: Option<Value>, place: &str| {
            let schema = schema.map(|schema| match &schema {
                // TOML has no way to write a long schema well.
                Value::String(text) => {
                    serde_json::from_str(text).map_err(|error| format!("`{place}` is no JSON: {error}"))
                }
                _ => Ok(schema),
            });
            let Some(schema) = schema.transpose()? else { return Ok(None) };
            jsonschema::validator_for(&schema)
                .map(Some)
                .map_err(|error| format!("`{place}` is no JSON Schema: {error}"))
        };
        let Config { request, response, report_only, required } = config;
        let validate = Self {
            request: validator(request, "request")?,
            response: validator(response, "response")?,
            report_only,
            required,
        };
        if validate.request.is_none() && validate.response.is_none() {
            return Err("neither `request` nor `response` is there: nothing would be checked".to_owned());
        }
        Ok(validate)
    }

    fn on_request(&self) -> Result<Flow> {
        // A part of what a service has would pass unread.
        if self.response.is_some() && !self.report_only {
            request::remove_header("range")?;
            request::remove_header("if-range")?;
        }
        if self.request.is_none() {
            return Ok(Flow::Next);
        }
        if is_json(request::header("content-type")) {
            return Ok(Flow::AwaitBody);
        }
        let missing = self.required && !self.reports("the request's body is no JSON");
        Ok(if missing {
            Response::problem(415, "A body of type application/json is required.").into()
        } else {
            Flow::Next
        })
    }

    fn on_request_body(&self, body: Vec<u8>) -> Result<BodyFlow> {
        let Some(validator) = &self.request else { return Ok(BodyFlow::Next) };
        match problems(validator, &body) {
            Ok(()) => Ok(BodyFlow::Next),
            Err(problems) if self.reports(&format!("the request does not fit: {}", told(&problems))) => {
                Ok(BodyFlow::Next)
            }
            Err(problems) => Ok(refusal(&problems).into()),
        }
    }

    fn on_response(&self) -> Result<Flow> {
        if self.response.is_some()
            && response::status() == 206
            && !self.reports("the service answered with a part, which cannot be checked")
        {
            return Ok(Response::problem(502, "The service did not answer with the whole.").into());
        }
        let checks = self.response.is_some()
            && (200..300).contains(&response::status())
            && !matches!(response::status(), 204 | 206)
            && is_json(response::header("content-type"));
        Ok(if checks { Flow::AwaitBody } else { Flow::Next })
    }

    fn on_response_body(&self, body: Vec<u8>) -> Result<BodyFlow> {
        let Some(validator) = &self.response else { return Ok(BodyFlow::Next) };
        let Err(problems) = problems(validator, &body) else { return Ok(BodyFlow::Next) };
        let told = format!("the service's answer does not fit: {}", told(&problems));
        if self.reports(&told) {
            return Ok(BodyFlow::Next);
        }
        plugin_sdk::warn!("{told}");
        // What the service said is not the client's business.
        Ok(Response::problem(502, "The service's answer is not as it should be.").into())
    }
}

impl Validate {
    /// Whether a problem is only to be told of.
    fn reports(&self, problem: &str) -> bool {
        metrics::count("problems", 1);
        if self.report_only {
            plugin_sdk::warn!("{problem}");
        }
        self.report_only
    }
}

/// One problem: where, as a JSON pointer (RFC 6901), and what.
struct Problem {
    pointer: String,
    detail: String,
}

fn problems(validator: &Validator, body: &[u8]) -> std::result::Result<(), Vec<Problem>> {
    let value: Value = match serde_json::from_slice(body) {
        Ok(value) => value,
        Err(error) => return Err(vec![Problem { pointer: String::new(), detail: format!("it is no JSON: {error}") }]),
    };
    let problem = |error: jsonschema::ValidationError<'_>| Problem {
        pointer: error.instance_path().to_string(),
        // Without the values, which may be large or secret.
        detail: error.masked().to_string(),
    };
    let problems: Vec<Problem> = validator.iter_errors(&value).take(NAMED).map(problem).collect();
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

fn told(problems: &[Problem]) -> String {
    let told: Vec<String> =
        problems.iter().map(|problem| format!("`{}`: {}", problem.pointer, problem.detail)).collect();
    told.join("; ")
}

/// Problem details (RFC 9457) with the member `errors`, as its section 3 shows it.
fn refusal(problems: &[Problem]) -> Response {
    let errors: Vec<Value> = problems
        .iter()
        .map(|problem| json!({ "detail": problem.detail, "pointer": format!("#{}", problem.pointer) }))
        .collect();
    let document = json!({
        "type": "about:blank",
        "title": "Bad Request",
        "status": 400,
        "detail": "The body is not as it should be.",
        "errors": errors,
    });
    Response::new(400).header("content-type", "application/problem+json").body(document.to_string())
}

/// `application/json`, or anything that ends with `+json` (RFC 6839 3.1).
fn is_json(content_type: Option<String>) -> bool {
    let Some(content_type) = content_type else { return false };
    let media = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    media == "application/json" || media.ends_with("+json")
}

#[cfg(test)]
mod tests;
