//! Refuses requests past a rate, or past so many at once.

mod fields;
mod rate;

use fields::Fields;
use plugin_sdk::limit::{self, Algorithm, Budget, Standing};
use plugin_sdk::subject::Subject;
use plugin_sdk::{Error, Flow, Plugin, Response, Result, attribute, response};
use rate::Rate;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a place counts where the gateway that gave it died.
const PLACE: Duration = Duration::from_secs(600);

/// Limits of one configuration: what `limit.take` takes at once.
const LIMITS: usize = 16;

/// What a budget holds at most.
pub(crate) const MOST: u64 = 1 << 50;

/// Places at once, at most.
const PLACES: u64 = 1_000_000;

/// What may be written as `config`: one limit, or several under `limits`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    rate: Option<Rate>,
    burst: Option<u64>,
    concurrent: Option<u64>,
    per: Option<Subject>,
    algorithm: Option<Way>,
    consumers: Option<BTreeMap<String, Rate>>,
    limits: Option<Vec<Written>>,
    #[serde(default = "default_headers")]
    headers: bool,
}

fn default_headers() -> bool {
    true
}

/// One limit.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: Option<String>,
    rate: Option<Rate>,
    burst: Option<u64>,
    concurrent: Option<u64>,
    per: Option<Subject>,
    algorithm: Option<Way>,
    #[serde(default)]
    consumers: BTreeMap<String, Rate>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Way {
    TokenBucket,
    SlidingWindow,
    FixedWindow,
}

struct RateLimit {
    limits: Vec<Limit>,
    /// Where `on_request` leaves the fields of the answer, if it says how limits stand. The plugin may stand in a chain more than once:
    /// each use has a place of its own.
    fields: Option<String>,
}

/// A limit as it is kept.
pub(crate) struct Limit {
    name: String,
    algorithm: Algorithm,
    rate: Rate,
    burst: u64,
    per: Subject,
    /// Consumers that have rates of their own.
    consumers: BTreeMap<String, Rate>,
}

#[plugin_sdk::plugin]
impl Plugin for RateLimit {
    type Config = Config;

    fn configure(config: Config) -> Result<Self, String> {
        let Config { rate, burst, concurrent, per, algorithm, consumers, limits, headers } = config;
        let written = match limits {
            Some(limits) => {
                let beside = rate.is_some() || concurrent.is_some() || burst.is_some() || per.is_some();
                if beside || algorithm.is_some() || consumers.is_some() {
                    return Err("with `limits`, each limit says its rate itself".to_owned());
                }
                limits
            }
            None => vec![Written {
                name: None,
                rate,
                burst,
                concurrent,
                per,
                algorithm,
                consumers: consumers.unwrap_or_default(),
            }],
        };
        if written.is_empty() || written.len() > LIMITS {
            return Err(format!("`limits` has 1 to {LIMITS} limits"));
        }
        let limits = written.into_iter().enumerate().map(|(position, written)| Limit::new(written, position));
        let limits = limits.collect::<Result<Vec<_>, _>>()?;
        for (position, limit) in limits.iter().enumerate() {
            if limits.iter().take(position).any(|other| other.name == limit.name) {
                return Err(format!("two limits are called `{}`", limit.name));
            }
        }
        let named = |limit: &Limit| format!("{}.{}.{}", limit.name, limit.rate.limit, limit.rate.seconds);
        let fields = headers.then(|| limits.iter().map(named).collect::<Vec<_>>().join("+"));
        Ok(Self { limits, fields })
    }

    fn on_request(&self) -> Result<Flow> {
        let budgets: Vec<Budget> = self.limits.iter().map(Limit::budget).collect();
        let standings = match limit::take(&budgets, 1) {
            Ok(standings) => standings,
            // The configuration says that nothing is allowed while nobody counts.
            Err(Error::Failed(reason)) => {
                plugin_sdk::warn!("requests cannot be counted: {reason}");
                let refusal = Response::problem(503, "Requests cannot be counted at the moment.");
                return Ok(refusal.header("retry-after", "1").into());
            }
            Err(error) => return Err(error),
        };
        if let Some(place) = &self.fields {
            let fields = Fields::new(&self.limits, &budgets, &standings).to_string();
            // Others may have left no room for it: then answers say nothing.
            if let Err(error) = attribute::set(place, &fields) {
                plugin_sdk::debug!("answers say nothing of limits: {error}");
            }
        }
        let refusing =
            standings.iter().filter(|standing| !standing.allowed).max_by_key(|standing| standing.retry_after);
        Ok(refusing.map_or(Flow::Next, |standing| refusal(standing).into()))
    }

    fn on_response(&self) -> Result<Flow> {
        let fields = self.fields.as_deref().and_then(attribute::get);
        if let Some((policy, state)) = fields.as_deref().and_then(Fields::parts) {
            response::append_header("ratelimit-policy", policy)?;
            response::append_header("ratelimit", state)?;
        }
        Ok(Flow::Next)
    }
}

/// RFC 6585 4, with the wait in whole seconds (RFC 9110 10.2.3).
fn refusal(standing: &Standing) -> Response {
    let refusal = Response::problem(429, "Too many requests: try again later.");
    refusal.header("retry-after", standing.retry_after.div_ceil(1000).max(1).to_string())
}

impl Limit {
    fn new(written: Written, position: usize) -> Result<Self, String> {
        let Written { name, rate, burst, concurrent, per, algorithm, consumers } = written;
        let name =
            name.unwrap_or_else(|| if position == 0 { "default".to_owned() } else { format!("limit-{position}") });
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
            return Err(format!("`{name}` is no name of a limit: letters, digits, `-`, `_` and `.`"));
        }
        let per = per.unwrap_or_else(Subject::consumer);
        let (algorithm, rate) = match (rate, concurrent) {
            (Some(rate), None) => (algorithm.unwrap_or(Way::TokenBucket).algorithm(), rate),
            (None, Some(limit @ 1..=PLACES)) if algorithm.is_none() && consumers.is_empty() && burst.is_none() => {
                (Algorithm::Concurrency, Rate { limit, seconds: PLACE.as_secs() })
            }
            (None, Some(0)) => return Err("`concurrent` is at least 1".to_owned()),
            (None, Some(limit)) if limit > PLACES => return Err(format!("`concurrent` is at most {PLACES}")),
            (None, Some(_)) => {
                return Err("`concurrent` has no `burst`, `algorithm` or `consumers`".to_owned());
            }
            _ => return Err(format!("the limit `{name}` has either `rate` or `concurrent`")),
        };
        match burst {
            Some(_) if algorithm != Algorithm::TokenBucket => Err("only a token bucket has a `burst`".to_owned()),
            Some(0) => Err("`burst` is at least 1".to_owned()),
            Some(burst) if burst > MOST => Err(format!("`burst` is at most {MOST}")),
            _ => Ok(Self { name, algorithm, rate, burst: burst.unwrap_or(0), per, consumers }),
        }
    }

    /// What the present request takes from.
    fn budget(&self) -> Budget {
        let own = match self.consumers.is_empty() {
            true => None,
            false => attribute::get(attribute::CONSUMER).and_then(|consumer| self.consumers.get(&consumer)),
        };
        // Who has a rate of their own has a burst in proportion.
        let rate = own.unwrap_or(&self.rate);
        let burst = match own {
            Some(own) if self.burst > 0 => (self.burst.saturating_mul(own.limit) / self.rate.limit).max(1),
            _ => self.burst,
        };
        // The same limit counts wherever it stands; another one of the same name does not meet it.
        let key = format!("{}/{}.{burst}/{}", self.name, rate.limit, self.per.key());
        Budget::new(key, self.algorithm, rate.limit, Duration::from_secs(rate.seconds)).burst(burst)
    }
}

impl Way {
    fn algorithm(self) -> Algorithm {
        match self {
            Self::TokenBucket => Algorithm::TokenBucket,
            Self::SlidingWindow => Algorithm::SlidingWindow,
            Self::FixedWindow => Algorithm::FixedWindow,
        }
    }
}

#[cfg(test)]
mod tests;
