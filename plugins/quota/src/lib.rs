//! Refuses requests once so many calls or bytes were used in a long window.

mod amount;

use amount::{Bytes, Window};
use plugin_sdk::attribute::Attribute;
use plugin_sdk::limit::{self, Algorithm, Budget};
use plugin_sdk::subject::Subject;
use plugin_sdk::{Error, Flow, Plugin, Response, Result, Summary, attribute, response};
use serde::Deserialize;

/// What a budget holds at most.
const MOST: u64 = 1 << 50;

/// The fields of the answer, as `on_request` leaves them: policy and state. The plugin may stand in a chain more than once: each use
/// adds its own, and the one that comes first on the way back writes them all.
const FIELDS: Attribute<Vec<(String, String)>> = Attribute::new("fields");

/// What may be written as `config`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    calls: Option<u64>,
    bytes: Option<Bytes>,
    window: Window,
    per: Option<Subject>,
    #[serde(default = "default_name")]
    name: String,
    #[serde(default = "default_headers")]
    headers: bool,
}

fn default_name() -> String {
    "quota".to_owned()
}

fn default_headers() -> bool {
    true
}

struct Quota {
    calls: Option<u64>,
    bytes: Option<u64>,
    window: Window,
    per: Subject,
    name: String,
    headers: bool,
}

#[plugin_sdk::plugin]
impl Plugin for Quota {
    type Config = Config;

    fn configure(config: Config) -> Result<Self, String> {
        let Config { calls, bytes, window, per, name, headers } = config;
        if calls.is_none() && bytes.is_none() {
            return Err("neither `calls` nor `bytes` is there: everything would be let in".to_owned());
        }
        if calls == Some(0) {
            return Err("`calls` is at least 1".to_owned());
        }
        if calls.or(bytes.map(|bytes| bytes.0)).is_some_and(|most| most > MOST)
            || bytes.is_some_and(|bytes| bytes.0 > MOST)
        {
            return Err(format!("a quota is at most {MOST}"));
        }
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
            return Err(format!("`{name}` is no name of a quota: letters, digits, `-`, `_` and `.`"));
        }
        let per = per.unwrap_or_else(Subject::consumer);
        Ok(Self { calls, bytes: bytes.map(|bytes| bytes.0), window, per, name, headers })
    }

    fn on_request(&self) -> Result<Flow> {
        let subject = self.per.key();
        // Bytes are known afterwards: one that is there is asked for, and what was used is charged.
        let mut standings = Vec::with_capacity(2);
        for (budget, cost) in [(self.bytes_budget(&subject), 0), (self.calls_budget(&subject), 1)] {
            let Some(budget) = budget else { continue };
            let taken = match limit::take(std::slice::from_ref(&budget), cost) {
                Ok(taken) => taken,
                // The configuration says that nothing is allowed while nobody counts.
                Err(Error::Failed(reason)) => {
                    plugin_sdk::warn!("requests cannot be counted: {reason}");
                    let refusal = Response::problem(503, "Requests cannot be counted at the moment.");
                    return Ok(refusal.header("retry-after", "1").into());
                }
                Err(error) => return Err(error),
            };
            let refused = taken.iter().find(|standing| !standing.allowed).map(|standing| standing.retry_after);
            let seconds = self.window.seconds();
            standings.extend(taken.into_iter().map(|standing| {
                let what = if cost == 0 { "bytes" } else { "calls" };
                let unit = if cost == 0 { ";qu=\"content-bytes\"" } else { "" };
                let (name, limit, left) = (&self.name, budget.limit, standing.remaining);
                let reset = standing.reset.div_ceil(1000);
                (
                    format!("\"{name}-{what}\";q={limit}{unit};w={seconds}"),
                    format!("\"{name}-{what}\";r={left};t={reset}"),
                )
            }));
            if let Some(wait) = refused {
                self.leave(&standings);
                let what = if cost == 0 { "bytes" } else { "calls" };
                let refusal = Response::problem(429, &format!("The quota of {what} is used up."));
                return Ok(refusal.header("retry-after", wait.div_ceil(1000).max(1).to_string()).into());
            }
        }
        self.leave(&standings);
        if self.bytes.is_some()
            && let Err(error) = attribute::set(&self.subject(), &subject)
        {
            // Nobody would be charged: others have left no room.
            plugin_sdk::warn!("a request cannot be charged: {error}");
            return Ok(Response::problem(431, "The request says too much of itself to be counted.").into());
        }
        Ok(Flow::Next)
    }

    fn on_response(&self) -> Result<Flow> {
        for (policy, state) in FIELDS.get()?.unwrap_or_default() {
            response::append_header("ratelimit-policy", &policy)?;
            response::append_header("ratelimit", &state)?;
        }
        FIELDS.remove()?;
        Ok(Flow::Next)
    }

    fn on_complete(&self, summary: Summary) {
        let Some(subject) = attribute::get(&self.subject()) else { return };
        let used = summary.request_bytes.saturating_add(summary.response_bytes);
        if let Some(budget) = self.bytes_budget(&subject)
            && let Err(error) = budget.charge(used)
        {
            plugin_sdk::warn!("{used} bytes could not be charged: {error}");
        }
    }
}

impl Quota {
    /// Where the exchange keeps whom it counts for: later phases may see other attributes.
    fn subject(&self) -> String {
        format!("subject.{}", self.name)
    }

    fn calls_budget(&self, subject: &str) -> Option<Budget> {
        let key = format!("{}/calls/{subject}", self.name);
        Some(Budget::new(key, Algorithm::FixedWindow, self.calls?, self.window.duration()))
    }

    fn bytes_budget(&self, subject: &str) -> Option<Budget> {
        let key = format!("{}/bytes/{subject}", self.name);
        Some(Budget::new(key, Algorithm::FixedWindow, self.bytes?, self.window.duration()))
    }

    fn leave(&self, standings: &[(String, String)]) {
        if !self.headers {
            return;
        }
        let mut fields = FIELDS.get().ok().flatten().unwrap_or_default();
        fields.extend_from_slice(standings);
        // Others may have left no room for it: then answers say nothing.
        if let Err(error) = FIELDS.set(&fields) {
            plugin_sdk::debug!("answers say nothing of the quota: {error}");
        }
    }
}

#[cfg(test)]
mod tests;
