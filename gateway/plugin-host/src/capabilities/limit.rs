//! `limit`: budgets that requests take from, counted where the configuration says.

use super::invalid;
use super::kv::refusal;
use crate::abi::gateway::wit::limit::{self as wit, Host};
use crate::abi::gateway::wit::types::Error;
use crate::grant::Capability;
use crate::state::State;
use gateway_core::limit::{Algorithm, Answer, Budget, Limiter};
use std::sync::Arc;
use std::time::Duration;

/// Of one take.
const BUDGETS: usize = 16;

/// A key, in bytes.
const KEY: usize = 512;

/// Places of one take: a store keeps each.
const PLACES: u64 = 1_000;

/// The longest window, in milliseconds.
const WINDOW: u64 = 400 * 24 * 3_600 * 1_000;

/// What numbers of all stores hold exactly.
const MOST: u64 = 1 << 52;

impl Host for State {
    async fn take(&mut self, budgets: Vec<wit::Budget>, cost: u64) -> Result<Vec<wit::Standing>, Error> {
        let limiter = self.limiter()?;
        if budgets.len() > BUDGETS {
            return Err(Error::TooLarge(format!("at most {BUDGETS} budgets are taken from at once")));
        }
        let budgets = budgets.into_iter().map(budget).collect::<Result<Vec<_>, _>>()?;
        let cost = at_most(cost, "a cost")?;
        if cost > PLACES && budgets.iter().any(|budget| budget.algorithm == Algorithm::Concurrency) {
            return Err(Error::TooLarge(format!("at most {PLACES} places are taken at once")));
        }
        let name = Arc::clone(&self.settings.name);
        let taken = match limiter.take(&name, &budgets, cost) {
            Answer::Now(taken) => taken.map_err(refusal)?,
            Answer::Later(taken) => self.wait(taken).await?,
        };
        let has_room = taken.standings.iter().all(|standing| standing.allowed);
        let [allowed, refused] = &self.kept.limits;
        if has_room { allowed } else { refused }.increment();
        if let Some(exchange) = self.exchange.as_deref_mut() {
            exchange.slots.extend(taken.slots);
        }
        let milliseconds = |duration: Duration| u64::try_from(duration.as_micros().div_ceil(1000)).unwrap_or(u64::MAX);
        let standings = taken.standings.iter().map(|standing| wit::Standing {
            allowed: standing.allowed,
            remaining: standing.remaining,
            reset: milliseconds(standing.reset),
            retry_after: milliseconds(standing.retry_after),
        });
        Ok(standings.collect())
    }

    async fn charge(&mut self, charged: wit::Budget, cost: u64) -> Result<(), Error> {
        let limiter = self.limiter()?;
        let budget = budget(charged)?;
        if budget.algorithm == Algorithm::Concurrency {
            return Err(invalid("places cannot be charged"));
        }
        let cost = at_most(cost, "a cost")?;
        let name = Arc::clone(&self.settings.name);
        match limiter.charge(&name, &budget, cost) {
            Answer::Now(charged) => charged.map_err(refusal),
            Answer::Later(charged) => self.wait(charged).await,
        }
    }
}

impl State {
    /// Where budgets are counted, if that is granted, in a phase of an exchange.
    fn limiter(&self) -> Result<Arc<dyn Limiter>, Error> {
        if self.exchange.is_none() {
            return Err(Error::WrongPhase);
        }
        match &self.settings.grants.limit {
            Some(limiter) => Ok(Arc::clone(limiter)),
            None => Err(self.denied(Capability::Limit, "budgets")),
        }
    }
}

fn budget(written: wit::Budget) -> Result<Budget, Error> {
    let wit::Budget { key, algorithm, limit, window, burst } = written;
    if key.is_empty() || key.len() > KEY {
        return Err(invalid(format!("a budget's key has 1 to {KEY} bytes")));
    }
    if limit == 0 {
        return Err(invalid("a budget's limit is at least 1"));
    }
    if !(1..=WINDOW).contains(&window) {
        return Err(invalid("a budget's window has 1 millisecond to 400 days"));
    }
    let limit = at_most(limit, "a limit")?;
    Ok(Budget {
        key,
        algorithm: match algorithm {
            wit::Algorithm::TokenBucket => Algorithm::TokenBucket,
            wit::Algorithm::SlidingWindow => Algorithm::SlidingWindow,
            wit::Algorithm::FixedWindow => Algorithm::FixedWindow,
            wit::Algorithm::Concurrency => Algorithm::Concurrency,
        },
        limit,
        window: Duration::from_millis(window),
        burst: if burst == 0 { limit } else { at_most(burst, "a burst")? },
    })
}

fn at_most(number: u64, what: &str) -> Result<u64, Error> {
    if number > MOST { Err(Error::TooLarge(format!("{what} is at most {MOST}"))) } else { Ok(number) }
}
