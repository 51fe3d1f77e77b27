//! One part of the answer: where it comes from, what of it is kept, and what happens without it.

use crate::pick::pick;
use crate::text::{Answers, Pattern, Reference, Text, at};
use plugin_sdk::fetch::Request;
use plugin_sdk::http::Method;
use plugin_sdk::{Field, Response, Result};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// Elements of a list that a part is asked for.
const ELEMENTS: usize = 100;

/// A part as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Written {
    url: String,
    method: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<Value>,
    each: Option<String>,
    pick: Option<Vec<String>>,
    timeout: Option<Value>,
    #[serde(default)]
    missing: WrittenMissing,
    #[serde(default)]
    keep: Vec<String>,
    #[serde(default = "default_forward")]
    forward: bool,
}

fn default_forward() -> bool {
    true
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WrittenMissing {
    #[default]
    Fail,
    Null,
    Default(Value),
}

/// A part.
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) missing: Missing,
    /// Fields of its answer that the client gets.
    pub(crate) keep: Vec<String>,
    url: Text,
    method: Method,
    headers: BTreeMap<String, String>,
    body: Option<Pattern>,
    /// Whether it gets the chosen fields and cookies of the client's request.
    forward: bool,
    /// The list, in another part's answer, for each element of which it is asked.
    each: Option<(String, Vec<String>)>,
    pick: Option<Vec<Vec<String>>>,
    timeout: Option<Duration>,
}

/// What happens without a part.
pub(crate) enum Missing {
    /// There is no answer.
    Fail,
    /// This stands in its place.
    Default(Value),
}

/// The calls of one part.
pub(crate) struct Calls {
    /// One, or one for each element; a reason where it cannot be made.
    pub(crate) requests: Vec<Result<Request, String>>,
    /// Whether there is one for each element.
    pub(crate) is_list: bool,
}

impl Part {
    /// `parts` are the names of all parts.
    pub(crate) fn parse(name: String, written: Written, parts: &[&str]) -> Result<Self, String> {
        let at = |error: String| format!("`parts.{name}`: {error}");
        let Written { url, method, headers, body, each, pick, timeout, missing, keep, forward } = written;
        if !["upstream://", "http://", "https://"].iter().any(|scheme| url.starts_with(scheme)) {
            return Err(at(format!("the url `{url}` does not begin with `upstream://`, `http://` or `https://`")));
        }
        let method = method.unwrap_or_else(|| if body.is_some() { "POST" } else { "GET" }.to_owned());
        let method = match Method::from_bytes(method.as_bytes()) {
            Ok(Method::CONNECT) | Err(_) => return Err(at(format!("`{method}` is no method that a request can have"))),
            Ok(method) => method,
        };
        let each = each.map(|text| match Reference::parse(&text, parts).map_err(at)? {
            Reference::Part(part, path) => Ok((part, path)),
            _ => Err(at(format!("`each`: `{text}` is no list in another part, as `order.items`"))),
        });
        let paths =
            |paths: Vec<String>| paths.iter().map(|path| path.split('.').map(str::to_owned).collect()).collect();
        let part = Self {
            url: Text::parse(&url, parts).map_err(at)?,
            body: body.map(|body| Pattern::parse(&body, parts)).transpose().map_err(at)?,
            each: each.transpose()?,
            timeout: timeout.as_ref().map(parse_timeout).transpose().map_err(at)?,
            missing: match missing {
                WrittenMissing::Fail => Missing::Fail,
                WrittenMissing::Null => Missing::Default(Value::Null),
                WrittenMissing::Default(value) => Missing::Default(value),
            },
            pick: pick.map(paths),
            keep: keep.iter().map(|name| name.to_ascii_lowercase()).collect(),
            method,
            headers: headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect(),
            forward,
            name: name.clone(),
        };
        if part.each.is_none() && part.references().any(|reference| matches!(reference, Reference::Item(_))) {
            return Err(at("`{each}` stands for nothing without `each`".to_owned()));
        }
        Ok(part)
    }

    fn references(&self) -> impl Iterator<Item = &Reference> {
        self.url.references().chain(self.body.iter().flat_map(Pattern::references))
    }

    /// The parts whose answers it needs.
    pub(crate) fn needs(&self) -> impl Iterator<Item = &str> {
        let named = self.references().filter_map(|reference| match reference {
            Reference::Part(name, _) => Some(name.as_str()),
            _ => None,
        });
        named.chain(self.each.iter().map(|(name, _)| name.as_str()))
    }

    /// The calls that get it, when the answers that it needs are there.
    pub(crate) fn calls(&self, answers: &Answers, forwarded: &[Field]) -> Calls {
        let Some((name, path)) = &self.each else {
            return Calls { requests: vec![self.request(answers, None, forwarded)], is_list: false };
        };
        match answers.get(name).and_then(|answer| at(answer, path)) {
            Some(Value::Array(elements)) if elements.len() <= ELEMENTS => Calls {
                requests: elements.iter().map(|item| self.request(answers, Some(item), forwarded)).collect(),
                is_list: true,
            },
            // Of nothing there is nothing.
            None | Some(Value::Null) => Calls { requests: Vec::new(), is_list: true },
            Some(Value::Array(elements)) => {
                let reason = format!("`{name}` has {} elements, more than {ELEMENTS}", elements.len());
                Calls { requests: vec![Err(reason)], is_list: false }
            }
            Some(_) => {
                Calls { requests: vec![Err(format!("what `each` names in `{name}` is no list"))], is_list: false }
            }
        }
    }

    fn request(&self, answers: &Answers, item: Option<&Value>, forwarded: &[Field]) -> Result<Request, String> {
        let mut request = Request::new(&self.method, self.url.url(answers, item)?);
        if !self.headers.contains_key("accept") {
            request = request.header("accept", "application/json");
        }
        // What is written here stands in the place of what the client sent, not beside it.
        let passes = |field: &&Field| self.forward && field.name != "accept" && !self.headers.contains_key(&field.name);
        for field in forwarded.iter().filter(passes) {
            request = request.header(&field.name, field.value.clone());
        }
        for (name, value) in &self.headers {
            request = request.header(name, value.as_str());
        }
        if let Some(body) = &self.body {
            request = request.json(&body.fill(answers, item)).map_err(|error| error.to_string())?;
        }
        Ok(match self.timeout {
            Some(timeout) => request.timeout(timeout),
            None => request,
        })
    }

    /// What an answer holds of it, or why it is missing.
    pub(crate) fn value(&self, answer: &Result<Response>) -> Result<Value, String> {
        let answer = answer.as_ref().map_err(ToString::to_string)?;
        if !answer.is_success() {
            return Err(format!("its service answered {}", answer.status));
        }
        // Nothing was to be said (RFC 9110 15.3.5).
        if answer.status == 204 {
            return Ok(Value::Null);
        }
        let value = answer.body_json::<Value>().map_err(|_| "its service did not answer with JSON".to_owned())?;
        Ok(match &self.pick {
            Some(paths) => pick(&value, paths),
            None => value,
        })
    }
}

/// `"200 ms"`, `"2 s"`, or a number of milliseconds.
fn parse_timeout(written: &Value) -> Result<Duration, String> {
    let milliseconds = match written {
        Value::String(text) => amount(text),
        number => number.as_u64(),
    };
    let milliseconds = milliseconds.filter(|milliseconds| *milliseconds > 0);
    milliseconds
        .map(Duration::from_millis)
        .ok_or_else(|| format!("the timeout {written} is not as \"200 ms\" or \"2 s\""))
}

fn amount(text: &str) -> Option<u64> {
    let (number, factor) = match text.strip_suffix("ms") {
        Some(number) => (number, 1),
        None => (text.strip_suffix('s')?, 1000),
    };
    number.trim().parse::<u64>().ok()?.checked_mul(factor)
}
