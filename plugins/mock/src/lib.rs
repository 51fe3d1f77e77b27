//! Answers in place of a service that is not there yet.

use plugin_sdk::condition::Condition;
use plugin_sdk::http::{HeaderName, HeaderValue};
use plugin_sdk::template::Template;
use plugin_sdk::{Flow, Plugin, Response, Result};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// What may be written as `config`: one answer, or several cases.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    status: Option<u16>,
    headers: Option<BTreeMap<String, String>>,
    body: Option<Value>,
    cases: Option<Vec<Written>>,
}

/// One case.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    when: Option<Condition>,
    status: Option<u16>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<Value>,
}

struct Mock(Vec<Case>);

/// An answer, and when it is given.
struct Case {
    when: Option<Condition>,
    status: u16,
    headers: Vec<(String, Template)>,
    body: Option<Body>,
}

enum Body {
    Text(Template),
    Json(Template),
}

#[plugin_sdk::plugin]
impl Plugin for Mock {
    type Config = Config;

    fn configure(config: Config) -> Result<Self, String> {
        let Config { status, headers, body, cases } = config;
        let written = match cases {
            Some(cases) => {
                if status.is_some() || headers.is_some() || body.is_some() {
                    return Err("with `cases`, each case says its answer itself".to_owned());
                }
                cases
            }
            None => vec![Written { when: None, status, headers: headers.unwrap_or_default(), body }],
        };
        if written.is_empty() {
            return Err("`cases` is empty: there would be no answer".to_owned());
        }
        let cases = written.into_iter().enumerate().map(|(position, written)| Case::new(position, written));
        Ok(Self(cases.collect::<Result<_, _>>()?))
    }

    /// In a chain, it answers where a case holds, and the service everything else.
    fn on_request(&self) -> Result<Flow> {
        Ok(self.answer().map_or(Flow::Next, Flow::from))
    }

    /// Where it is a route's answer, nobody else is there.
    fn handle(&self, _body: Vec<u8>) -> Result<Response> {
        Ok(self.answer().unwrap_or_else(|| Response::problem(404, "There is no such example.")))
    }
}

impl Mock {
    fn answer(&self) -> Option<Response> {
        let case = self.0.iter().find(|case| case.when.as_ref().is_none_or(Condition::holds))?;
        Some(case.answer())
    }
}

impl Case {
    fn new(position: usize, written: Written) -> Result<Self, String> {
        let Written { when, status, headers, body } = written;
        let place = |name: &str| format!("`{name}` of case {}", position + 1);
        let status = status.unwrap_or(200);
        if !(200..600).contains(&status) {
            return Err(format!("{} is from 200 to 599", place("status")));
        }
        let template =
            |name: &str, text: &str| Template::parse(text).map_err(|error| format!("{}: {error}", place(name)));
        let headers = headers.into_iter().map(|(name, text)| match HeaderName::try_from(name.as_str()) {
            Ok(_) => template("headers", &text).map(|template| (name, template)),
            Err(_) => Err(format!("{}: `{name}` is no name of a field", place("headers"))),
        });
        Ok(Self {
            when,
            status,
            headers: headers.collect::<Result<_, _>>()?,
            body: match body {
                None => None,
                Some(Value::String(text)) => Some(Body::Text(template("body", &text)?)),
                Some(value) => Some(Body::Json(template("body", &value.to_string())?)),
            },
        })
    }

    fn answer(&self) -> Response {
        let mut answer = Response::new(self.status);
        for (name, template) in &self.headers {
            match template.text().map(HeaderValue::try_from) {
                Some(Ok(value)) => answer = answer.header(name, value.as_bytes()),
                Some(Err(_)) => plugin_sdk::warn!("`{name}` is left out: its value cannot be that of a field"),
                None => {}
            }
        }
        let (content_type, body) = match &self.body {
            None => return answer,
            Some(Body::Text(text)) => ("text/plain; charset=utf-8", text.text()),
            Some(Body::Json(text)) => ("application/json", text.json()),
        };
        if answer.header_value("content-type").is_none() {
            answer = answer.header("content-type", content_type);
        }
        match body {
            Some(body) => answer.body(body),
            None => Response::problem(404, "There is no example for such a request."),
        }
    }
}

#[cfg(test)]
mod tests;
