//! What may be stored, for how long it is fresh, and what a stored answer is good for (RFC 9111 3 and 4.2).

use super::control::{Asked, LONGEST, Said};
use super::vary;
use gateway_config::{Cache, Ttl};
use http::header::{AGE, DATE, ETAG, EXPIRES, HeaderMap, HeaderName, LAST_MODIFIED, SET_COOKIE};
use http::{HeaderValue, StatusCode};
use std::time::{Duration, Instant, SystemTime};

/// The rules of a cache. Those of RFC 9111 are the only ones that serve; another set would be another implementation.
pub(crate) trait Policy: Send + Sync {
    /// Whether an answer may be stored, and what is known of its life.
    ///
    /// # Errors
    /// Why it may not.
    fn store(&self, answered: &Answered<'_>) -> Result<Terms, Refusal>;

    /// What a stored answer is good for.
    fn reuse(&self, terms: &Terms, asked: &Asked, now: Instant) -> Reuse;
}

/// An answer that may come to be stored.
pub(crate) struct Answered<'a> {
    pub(crate) status: StatusCode,
    pub(crate) headers: &'a HeaderMap,
    /// Whether it was made for somebody whose answers nobody else gets, unless the service allows it (RFC 9111 3.5).
    pub(crate) is_restricted: bool,
    /// When it was asked for.
    pub(crate) requested: Instant,
    /// When its head came.
    pub(crate) received: Instant,
    /// The same by the calendar.
    pub(crate) date: SystemTime,
}

/// Why an answer is not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// A part, a validation, or no final answer.
    Status,
    /// The service forbids it.
    Forbidden,
    /// It is for one client only, and the service does not say otherwise.
    Identified,
    /// It sets a cookie.
    Cookie,
    /// It depends on everything, or on what nobody can compare.
    Vary,
    /// It is stale at once and cannot be validated.
    Useless,
}

/// What is known of a stored answer's life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Terms {
    /// When it came, or was last validated.
    received: Instant,
    /// How old it was then.
    initial_age: Duration,
    /// Up to which age it is fresh.
    lifetime: Duration,
    /// It is validated each time.
    no_cache: bool,
    /// For how long past its lifetime it is given while a new one is fetched.
    while_revalidate: Duration,
    /// For how long past its lifetime it is given in place of an error.
    if_error: Duration,
    /// No client's wish makes it be given stale.
    never_stale: bool,
    /// Fields that are not given again.
    pub(crate) withheld: Vec<HeaderName>,
}

/// What a stored answer is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reuse {
    /// It is given.
    Fresh,
    /// It is given, and a new one fetched.
    WhileRevalidate,
    /// The service is asked whether it still holds; where that fails, it may be given all the same.
    Validate { if_error: bool },
}

impl Terms {
    pub(crate) fn age(&self, now: Instant) -> Duration {
        self.initial_age.saturating_add(now.saturating_duration_since(self.received))
    }

    /// Whether it is validated whenever it is given.
    pub(crate) fn is_each_time(&self) -> bool {
        self.no_cache
    }

    /// How long it is still fresh, in seconds; negative once it is stale.
    pub(crate) fn left(&self, now: Instant) -> i64 {
        let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        seconds(self.lifetime).saturating_sub(seconds(self.age(now)))
    }
}

/// A shared cache by RFC 9111, with what a route adds.
pub(crate) struct Rfc9111(pub(crate) Cache);

/// Statuses whose answers may be stored where nothing is said of it (RFC 9110 15.1), but for 206: parts are not stored.
fn is_heuristic(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501)
}

/// Statuses that this cache has the rules of, for `must-understand`.
fn is_understood(status: StatusCode) -> bool {
    is_heuristic(status) || matches!(status.as_u16(), 302 | 303 | 307)
}

/// Statuses to which a time that the route gives applies: errors are not kept because a route is.
fn takes_ttl(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200 | 203 | 204 | 300 | 301 | 308)
}

/// Nothing is taken for fresh longer by a guess.
const LONGEST_GUESS: Duration = Duration::from_secs(24 * 3600);

impl Policy for Rfc9111 {
    fn store(&self, answered: &Answered<'_>) -> Result<Terms, Refusal> {
        let Answered { status, headers, is_restricted, .. } = *answered;
        if matches!(status.as_u16(), ..200 | 206 | 304) {
            return Err(Refusal::Status);
        }
        let said = Said::of(headers);
        let is_forbidden = match said.must_understand {
            true => !is_understood(status),
            false => said.no_store,
        };
        if is_forbidden || said.private || said.is_unreadable {
            return Err(Refusal::Forbidden);
        }
        if vary::is_endless(headers) {
            return Err(Refusal::Vary);
        }
        let is_shared = said.public || said.s_maxage.is_some();
        if is_restricted && !is_shared && !said.must_revalidate {
            return Err(Refusal::Identified);
        }
        let sets_cookie = headers.contains_key(SET_COOKIE) && !said.withheld.contains(&SET_COOKIE);
        if sets_cookie && !is_shared && !said.is_targeted {
            return Err(Refusal::Cookie);
        }
        let initial_age = initial_age(answered);
        let is_guessed = is_heuristic(status) || said.public;
        let told = told_lifetime(&said, answered);
        let lifetime = match self.0.ttl {
            Ttl::Fixed(ttl) if takes_ttl(status) => Some(initial_age.saturating_add(ttl)),
            Ttl::Default(ttl) if takes_ttl(status) && told.is_none() => Some(initial_age.saturating_add(ttl)),
            _ => told.or_else(|| guessed_lifetime(answered).filter(|_| is_guessed)),
        };
        let is_bound = said.must_revalidate || said.proxy_revalidate || said.no_cache;
        // `s-maxage` is as good as `proxy-revalidate`, unless the same service says for how long it is not.
        let usual = |route: Duration| if said.s_maxage.is_some() { Duration::ZERO } else { route };
        let stale = |told: Option<Duration>, route| match is_bound {
            true => Duration::ZERO,
            false => told.unwrap_or_else(|| usual(route)),
        };
        let terms = Terms {
            received: answered.received,
            initial_age,
            lifetime: lifetime.unwrap_or_default(),
            no_cache: said.no_cache,
            while_revalidate: stale(said.stale_while_revalidate, self.0.stale_while_revalidate),
            if_error: stale(said.stale_if_error, self.0.stale_if_error),
            never_stale: is_bound || said.s_maxage.is_some(),
            withheld: said.withheld,
        };
        let is_allowed = lifetime.is_some() || is_guessed;
        let is_fresh = !terms.no_cache && terms.lifetime > terms.initial_age;
        let outlives = terms.while_revalidate.max(terms.if_error).saturating_add(terms.lifetime) > terms.initial_age;
        let is_valid = [ETAG, LAST_MODIFIED].iter().any(|name| headers.contains_key(name));
        match is_allowed && (is_fresh || is_valid || (outlives && !terms.no_cache)) {
            true => Ok(terms),
            false => Err(Refusal::Useless),
        }
    }

    fn reuse(&self, terms: &Terms, asked: &Asked, now: Instant) -> Reuse {
        let age = terms.age(now);
        let (fresh, stale) = (terms.lifetime.saturating_sub(age), age.saturating_sub(terms.lifetime));
        let is_fresh = age < terms.lifetime;
        if terms.no_cache || asked.no_cache {
            return Reuse::Validate { if_error: false };
        }
        // An error is worse than what is fresh but not as fresh as asked.
        let if_error = is_fresh || stale < terms.if_error;
        let is_too_old = asked.max_age.is_some_and(|most| age > most);
        if is_too_old || asked.min_fresh.is_some_and(|least| fresh < least) {
            return Reuse::Validate { if_error };
        }
        if is_fresh || (!terms.never_stale && asked.max_stale.is_some_and(|most| stale <= most)) {
            return Reuse::Fresh;
        }
        match stale < terms.while_revalidate {
            true => Reuse::WhileRevalidate,
            false => Reuse::Validate { if_error },
        }
    }
}

/// How long an answer is fresh by its own words (RFC 9111 4.2.1).
fn told_lifetime(said: &Said, answered: &Answered<'_>) -> Option<Duration> {
    let told = said.s_maxage.or(said.max_age);
    if told.is_some() || said.is_targeted {
        return told;
    }
    let mut lines = answered.headers.get_all(EXPIRES).iter();
    let line = lines.next()?;
    // What is no date is in the past (RFC 9111 5.3); of two nobody knows which holds.
    let expires = date(line).filter(|_| lines.next().is_none());
    Some(expires.and_then(|expires| expires.duration_since(sent(answered)).ok()).unwrap_or_default())
}

/// A tenth of the time that it had not changed for (RFC 9111 4.2.2).
fn guessed_lifetime(answered: &Answered<'_>) -> Option<Duration> {
    let modified = answered.headers.get(LAST_MODIFIED).and_then(date)?;
    let unchanged = sent(answered).duration_since(modified).ok()?;
    Some((unchanged / 10).min(LONGEST_GUESS))
}

/// How old an answer was when it came (RFC 9111 4.2.3).
fn initial_age(answered: &Answered<'_>) -> Duration {
    let apparent = answered.date.duration_since(sent(answered)).unwrap_or_default();
    let delay = answered.received.saturating_duration_since(answered.requested);
    told_age(answered.headers).saturating_add(delay).max(apparent)
}

/// The first of a list counts; what is no number is ignored (RFC 9111 5.1), and none is greater than all others (1.2.2).
fn told_age(headers: &HeaderMap) -> Duration {
    let first = headers.get(AGE).and_then(|line| line.to_str().ok()?.split(',').next());
    let digits = first.map(str::trim).filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()));
    digits.map_or(Duration::ZERO, |digits| Duration::from_secs(digits.parse().unwrap_or(LONGEST).min(LONGEST)))
}

/// When it was made, by its own word; by ours where it says nothing that can be read.
fn sent(answered: &Answered<'_>) -> SystemTime {
    answered.headers.get(DATE).and_then(date).unwrap_or(answered.date)
}

pub(super) fn date(value: &HeaderValue) -> Option<SystemTime> {
    httpdate::parse_http_date(value.to_str().ok()?).ok()
}
