//! The keys of an issuer: written in the configuration, or fetched from its JWKS URL.
//!
//! Fetched ones are kept in `kv` for all instances, and each instance holds the number of the set that it took from there. One
//! request at a time fetches, all others go on with the keys that are there; only who has none, or a token whose key is not
//! among them, waits for it.

use plugin_sdk::crypto::{self, Algorithm, Refusal, Verified};
use plugin_sdk::fetch::Request;
use plugin_sdk::{Error, Result, clock, kv, metrics};
use serde::{Deserialize, Serialize};
use std::cell::{Cell, RefCell};
use std::time::Duration;

/// One fetch, for a request that cannot be answered without it.
const TIMEOUT: Duration = Duration::from_secs(3);

/// One fetch, for a request that could be answered with the keys that are there.
const SHORT: Duration = Duration::from_secs(1);

/// Between two looks at whether another one's fetch is done: at first, and after a while.
const LOOK: Duration = Duration::from_millis(5);
const LOOK_LATER: Duration = Duration::from_millis(160);

/// Requests that wait for another one's fetch although there are keys. They hold instances; the others are for those whose keys
/// are known.
const WAITING: i64 = 24;

/// What stands in `kv` while somebody fetches, and until somebody may again.
const RUNNING: &[u8] = b"running";
const DONE: &[u8] = b"done";

/// How keys are refreshed.
#[derive(Clone, Copy)]
pub(crate) struct Rhythm {
    /// Then they are fetched again.
    pub(crate) refresh: Duration,
    /// Between two fetches at least, whatever tokens say.
    pub(crate) cooldown: Duration,
    /// For so long the last good ones serve when the issuer does not answer.
    pub(crate) keep: Duration,
}

/// Where keys come from.
pub(crate) enum Source {
    Fixed { text: String, set: Cell<u32> },
    Url(Fetched),
}

impl Source {
    /// Keys that are written. Fails where none is of use.
    pub(crate) fn fixed(text: String) -> Result<Self, String> {
        let set = crypto::import_keys(&text)?;
        if let Some(refused) = set.refused.first() {
            return Err(format!("a key that cannot be used: {refused}"));
        }
        Ok(Self::Fixed { text, set: Cell::new(set.id) })
    }

    pub(crate) fn url(url: String, rhythm: Rhythm) -> Self {
        Self::Url(Fetched {
            keys: format!("keys {url}"),
            turn: format!("turn {url}"),
            waiting: format!("waiting {url}"),
            url,
            rhythm,
            held: RefCell::default(),
        })
    }

    /// Verifies a token. None: there are no keys.
    pub(crate) fn verify(&self, token: &str, algorithms: &[Algorithm]) -> Result<Verified, Option<Refusal>> {
        match self {
            Self::Fixed { text, set } => {
                let verified = crypto::verify_jws(token, set.get(), algorithms);
                if !is_forgotten(&verified) {
                    return verified.map_err(Some);
                }
                set.set(crypto::import_keys(text).map_err(|error| Some(Refusal::Failed(error)))?.id);
                crypto::verify_jws(token, set.get(), algorithms).map_err(Some)
            }
            Self::Url(fetched) => fetched.verify(token, algorithms),
        }
    }
}

/// Whether the gateway has forgotten the set: other ones were used more lately.
fn is_forgotten<T>(verified: &Result<T, Refusal>) -> bool {
    matches!(verified, Err(Refusal::Failed(Error::Invalid(_))))
}

/// Keys of a URL.
pub(crate) struct Fetched {
    url: String,
    /// The names in `kv` of the keys, of whose turn it is to fetch them, and of how many wait.
    keys: String,
    turn: String,
    waiting: String,
    rhythm: Rhythm,
    held: RefCell<Option<Held>>,
}

/// The set that this instance uses.
#[derive(Clone, Copy)]
struct Held {
    set: u32,
    /// By the monotonic clock.
    fetched: Duration,
}

/// What all instances have.
#[derive(Serialize, Deserialize)]
struct Kept {
    fetched: Duration,
    text: String,
}

impl Fetched {
    fn verify(&self, token: &str, algorithms: &[Algorithm]) -> Result<Verified, Option<Refusal>> {
        let mut held = self.current().ok_or(None)?;
        let verify = |held: &Held| crypto::verify_jws(token, held.set, algorithms);
        let mut verified = verify(&held);
        if is_forgotten(&verified) {
            held = self.kept(None).ok_or(None)?;
            verified = verify(&held);
        }
        // Perhaps there are newer keys: first those that another instance has fetched, then the issuer's.
        for newer in [Self::kept_after, Self::fetched_after] {
            if !matches!(verified, Err(Refusal::Key)) {
                break;
            }
            if let Some(newer) = newer(self, held) {
                held = newer;
                verified = verify(&held);
            }
        }
        verified.map_err(Some)
    }

    /// The keys to use now.
    fn current(&self) -> Option<Held> {
        let held = *self.held.borrow();
        let now = monotonic();
        let is_within = |held: &Held, time: Duration| now.saturating_sub(held.fetched) < time;
        if held.is_some_and(|held| is_within(&held, self.rhythm.refresh)) {
            return held;
        }
        // Perhaps another instance was here already.
        let held = self.kept(held.map(|held| held.fetched)).or(held);
        if held.is_some_and(|held| is_within(&held, self.rhythm.refresh)) {
            return held;
        }
        let held = held.filter(|held| is_within(held, self.rhythm.keep));
        match held {
            // Somebody else fetches already, or the issuer was asked just now: these will do.
            Some(_) if !self.take_turn() => held,
            Some(_) => self.fetch(SHORT).or(held),
            None => self.fetch_or_await(None),
        }
    }

    /// Keys that are there and were fetched after these.
    fn kept_after(&self, held: Held) -> Option<Held> {
        self.kept(Some(held.fetched))
    }

    /// Keys that are fetched now, for a token whose key is not among these.
    fn fetched_after(&self, held: Held) -> Option<Held> {
        let waiting = kv::increment(&self.waiting, 1, Some(TIMEOUT + SHORT)).unwrap_or(i64::MAX);
        let newer = if waiting <= WAITING { self.fetch_or_await(Some(held.fetched)) } else { None };
        if let Err(error) = kv::increment(&self.waiting, -1, Some(TIMEOUT + SHORT)) {
            plugin_sdk::warn!("{error}");
        }
        newer
    }

    /// Fetches, or waits for whoever does. Should that one have been given up, it is this one's turn.
    fn fetch_or_await(&self, after: Option<Duration>) -> Option<Held> {
        let end = monotonic() + TIMEOUT + SHORT;
        let mut look = LOOK;
        loop {
            if self.take_turn() {
                return self.fetch(TIMEOUT);
            }
            match kv::get_bytes(&self.turn).ok().flatten().as_deref() {
                Some(RUNNING) if monotonic() < end => {
                    clock::wait(look);
                    look = LOOK_LATER.min(look * 2);
                }
                // It has expired this very moment.
                None if monotonic() < end => {}
                _ => return self.kept(after),
            }
        }
    }

    /// The keys that all instances have, if they were fetched after this; held from now on.
    fn kept(&self, after: Option<Duration>) -> Option<Held> {
        let kept: Kept = kv::get(&self.keys).ok()??;
        if after.is_some_and(|after| kept.fetched <= after) {
            return None;
        }
        let set = crypto::import_keys(&kept.text).ok()?;
        Some(self.hold(Held { set: set.id, fetched: kept.fetched }))
    }

    fn hold(&self, held: Held) -> Held {
        *self.held.borrow_mut() = Some(held);
        held
    }

    /// Whether this request is the one that fetches: nobody else does, and nobody did just now.
    fn take_turn(&self) -> bool {
        // Longer than a fetch takes, so that there are never two; and not for ever, should this request be given up.
        kv::compare_and_swap(&self.turn, None, RUNNING, Some(TIMEOUT + LOOK_LATER)).unwrap_or(false)
    }

    fn fetch(&self, timeout: Duration) -> Option<Held> {
        let fetched = self.try_fetch(timeout);
        // Without any keys everybody is refused: then the issuer is asked again soon.
        let rest = if self.held.borrow().is_some() { self.rhythm.cooldown } else { SHORT.min(self.rhythm.cooldown) };
        // After the keys, so that whoever waits finds them.
        if let Err(error) = kv::set_bytes(&self.turn, DONE, Some(rest)) {
            plugin_sdk::warn!("{error}");
        }
        match fetched {
            Ok(held) => {
                metrics::count("keys-fetched", 1);
                Some(held)
            }
            Err(reason) => {
                metrics::count("keys-failed", 1);
                plugin_sdk::warn!("keys could not be fetched from {}: {reason}", self.url);
                None
            }
        }
    }

    fn try_fetch(&self, timeout: Duration) -> Result<Held, String> {
        let request = Request::get(&self.url).header("accept", "application/jwk-set+json, application/json");
        let answer = request.timeout(timeout).send()?;
        if answer.status != 200 {
            return Err(format!("the answer is {}", answer.status));
        }
        let text = String::from_utf8(answer.body).map_err(|_| "the answer is not UTF-8".to_owned())?;
        let set = crypto::import_keys(&text)?;
        for refused in &set.refused {
            plugin_sdk::debug!("of {} is not used: {refused}", self.url);
        }
        let fetched = monotonic();
        kv::set(&self.keys, &Kept { fetched, text }, Some(self.rhythm.keep))?;
        Ok(self.hold(Held { set: set.id, fetched }))
    }
}

fn monotonic() -> Duration {
    Duration::from_nanos(clock::monotonic())
}
