//! One part of the answer: where it comes from, what of it is kept, and what happens without it.

use crate::pick::pick;
use crate::url::Url;
use plugin_sdk::fetch::Request;
use plugin_sdk::{Response, Result};
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

/// A part as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Written {
    url: String,
    pick: Option<Vec<String>>,
    timeout: Option<Value>,
    #[serde(default)]
    missing: WrittenMissing,
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
    url: Url,
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

impl Part {
    pub(crate) fn parse(name: String, written: Written) -> Result<Self, String> {
        let at = |error: String| format!("`parts.{name}`: {error}");
        let url = Url::parse(&written.url).map_err(at)?;
        let timeout = written.timeout.as_ref().map(timeout).transpose().map_err(at)?;
        let paths =
            |paths: Vec<String>| paths.iter().map(|path| path.split('.').map(str::to_owned).collect()).collect();
        let missing = match written.missing {
            WrittenMissing::Fail => Missing::Fail,
            WrittenMissing::Null => Missing::Default(Value::Null),
            WrittenMissing::Default(value) => Missing::Default(value),
        };
        Ok(Self { url, timeout, missing, pick: written.pick.map(paths), name })
    }

    /// The call that gets it.
    pub(crate) fn request(&self) -> Result<Request> {
        let request = Request::get(self.url.fill()?);
        Ok(match self.timeout {
            Some(timeout) => request.timeout(timeout),
            None => request,
        })
    }

    /// What the answer holds of it, or why it is missing.
    pub(crate) fn value(&self, answer: Result<Response>) -> Result<Value, String> {
        let answer = answer.map_err(|error| error.to_string())?;
        if !answer.is_success() {
            return Err(format!("its service answered {}", answer.status));
        }
        let value = answer.body_json::<Value>().map_err(|_| "its service did not answer with JSON".to_owned())?;
        Ok(match &self.pick {
            Some(paths) => pick(&value, paths),
            None => value,
        })
    }
}

/// `"200 ms"`, `"2 s"`, or a number of milliseconds.
fn timeout(written: &Value) -> Result<Duration, String> {
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
