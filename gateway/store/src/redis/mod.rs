//! Budgets and values in a Redis (or Valkey) that several gateways share.

mod ahead;
mod link;
mod values;

use crate::memory::Memory;
use ahead::{Ahead, Attempt, Fill};
use gateway_core::clock;
use gateway_core::instruments::Instruments;
use gateway_core::limit::{Algorithm, Answer, Budget, Limiter, Slot, Standing, StoreError, Taken};
use link::Link;
use redis::{Client, IntoConnectionInfo as _, Script, TlsCertificates};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::runtime::Handle;
use values::Scripts;

/// How a Redis is reached and used.
#[derive(Clone, PartialEq, Eq)]
pub struct SharedOptions {
    /// What the configuration calls it.
    pub name: Arc<str>,
    /// `redis://host:port/database`, or `rediss://` for TLS; no password.
    pub url: String,
    /// Who to log in as; Redis's default user without it.
    pub username: Option<String>,
    /// Its password.
    pub password: Option<String>,
    /// Authorities for TLS, PEM; the system's without them.
    pub authorities: Option<Vec<u8>>,
    /// Before every key.
    pub prefix: String,
    /// For one command, and for a connection.
    pub timeout: Duration,
    /// What limits do while it does not answer.
    pub when_away: WhenAway,
    /// How much of a budget one gateway may take ahead, in percent; with 0, Redis is asked for each request.
    pub ahead: u64,
}

/// What limits do while their store does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenAway {
    /// Each gateway counts for itself, with whole budgets.
    Local,
    /// Nothing is allowed: whoever asks learns that the store does not answer.
    Deny,
    /// Everything is allowed.
    Allow,
}

/// Why there is no such store.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SharedError(String);

/// How often it is tried to give a place back, a second apart.
const GIVE_BACK: usize = 30;

/// One Redis. It is reached when it is first needed.
#[derive(Clone)]
pub struct Shared(Arc<Inner>);

struct Inner {
    options: SharedOptions,
    link: Arc<Link>,
    take: Script,
    renew: Script,
    values: Scripts,
    ahead: Ahead,
    local: Memory,
    /// Names of places taken in budgets of concurrency: this process's, and a number.
    process: u64,
    leases: AtomicU64,
}

impl Shared {
    /// A store that commands on this runtime, which must live as long as the process. While Redis is away and limits are to
    /// count for themselves, they do in `local`.
    ///
    /// # Errors
    /// The URL or the authorities are malformed.
    pub fn new(
        options: SharedOptions,
        local: Memory,
        runtime: Handle,
        instruments: &Instruments,
    ) -> Result<Self, SharedError> {
        let client = client(&options).map_err(|error| SharedError(error.to_string()))?;
        let link = Link::new(&options, client, runtime, instruments);
        Ok(Self(Arc::new(Inner {
            options,
            link: Arc::new(link),
            take: Script::new(include_str!("take.lua")),
            renew: Script::new(include_str!("renew.lua")),
            values: Scripts::default(),
            ahead: Ahead::default(),
            local,
            process: fastrand::u64(..),
            leases: AtomicU64::new(0),
        })))
    }

    /// How it was set up.
    #[must_use]
    pub fn options(&self) -> &SharedOptions {
        &self.0.options
    }
}

fn client(options: &SharedOptions) -> redis::RedisResult<Client> {
    let info = options.url.as_str().into_connection_info()?;
    let mut login = info.redis_settings().clone();
    if let Some(username) = &options.username {
        login = login.set_username(username);
    }
    if let Some(password) = &options.password {
        login = login.set_password(password);
    }
    let info = info.set_redis_settings(login);
    match &options.authorities {
        Some(authorities) => {
            Client::build_with_tls(info, TlsCertificates { client_tls: None, root_cert: Some(authorities.clone()) })
        }
        None => Client::open(info),
    }
}

/// What `take.lua` is asked for one budget.
struct Ask {
    key: String,
    budget: Budget,
    /// Below 0: `most` is taken, there or not.
    least: i64,
    most: u64,
    lease: String,
    /// Given back first: how much, and the number of the window in which it was taken.
    back: (u64, u64),
}

impl Ask {
    /// No more and no less than this.
    fn exactly(key: String, budget: &Budget, cost: u64, lease: &str) -> Self {
        let least = i64::try_from(cost).unwrap_or(i64::MAX);
        Self { key, budget: budget.clone(), least, most: cost, lease: lease.to_owned(), back: (0, 0) }
    }
}

/// What came of one.
struct Answered {
    /// None: not enough.
    taken: Option<u64>,
    standing: Standing,
    /// Of the window that it was taken in.
    number: u64,
}

impl Inner {
    fn key(&self, owner: &str, budget: &Budget) -> String {
        let window = budget.window.as_millis();
        format!("{}:{owner}:{}:{window}:{}", self.options.prefix, word(budget.algorithm), budget.key)
    }

    /// Takes in Redis. It must run on the link's runtime.
    async fn take_there(&self, asks: &[Ask]) -> Result<Vec<Answered>, StoreError> {
        let mut invocation = self.take.prepare_invoke();
        for Ask { key, budget, least, most, lease, back } in asks {
            invocation.key(key).arg(word(budget.algorithm)).arg(budget.limit).arg(micros(budget.window));
            invocation.arg(budget.burst).arg(*least).arg(*most).arg(lease).arg(back.0).arg(back.1);
        }
        let invocation = &invocation;
        let numbers: Vec<i64> =
            self.link.run(async move |mut manager| invocation.invoke_async(&mut manager).await).await?;
        let positive = |number: i64| u64::try_from(number).unwrap_or_default();
        let answered = |numbers: &[i64; 5]| {
            let [taken, remaining, reset, wait, number] = *numbers;
            let standing = Standing {
                allowed: taken >= 0,
                remaining: positive(remaining),
                reset: Duration::from_micros(positive(reset)),
                retry_after: Duration::from_micros(positive(wait)),
            };
            Answered { taken: u64::try_from(taken).ok(), standing, number: positive(number) }
        };
        let (answers, _) = numbers.as_chunks::<5>();
        Ok(answers.iter().map(answered).collect())
    }

    /// Takes in Redis, no more and no less than asked for. Where nobody waits for it any more, places are given back.
    async fn take_exactly(
        self: &Arc<Self>,
        keys: &[String],
        budgets: &[Budget],
        cost: u64,
    ) -> Result<Taken, StoreError> {
        let lease = format!("{:x}.{:x}", self.process, self.leases.fetch_add(1, Ordering::Relaxed));
        let pairs = keys.iter().zip(budgets);
        let asks: Vec<Ask> = pairs.map(|(key, budget)| Ask::exactly(key.clone(), budget, cost, &lease)).collect();
        let inner = Arc::clone(self);
        let task = self.link.runtime().spawn(async move {
            let answers = inner.take_there(&asks).await;
            let places = asks.iter().filter(|ask| cost > 0 && ask.budget.algorithm == Algorithm::Concurrency);
            let slots =
                || places.map(|ask| inner.slot(ask.key.clone(), ask.budget.window, ask.lease.clone(), cost)).collect();
            match answers {
                Ok(answers) => {
                    let standings: Vec<Standing> = answers.iter().map(|answered| answered.standing).collect();
                    let allowed = standings.iter().all(|standing| standing.allowed);
                    Ok(Taken { standings, slots: if allowed { slots() } else { Vec::new() } })
                }
                Err(error) => {
                    // It may have been done all the same.
                    drop::<Vec<Slot>>(slots());
                    Err(error)
                }
            }
        });
        task.await.unwrap_or_else(|_| Err(StoreError::Away(self.options.name.to_string())))
    }

    /// A place that counts until it is dropped, and a window longer where the gateway dies.
    fn slot(self: &Arc<Self>, key: String, window: Duration, lease: String, cost: u64) -> Slot {
        let places: Vec<String> = (1..=cost).map(|place| format!("{lease}:{place}")).collect();
        let renewal = {
            let (inner, key, places) = (Arc::clone(self), key.clone(), places.clone());
            self.link.runtime().spawn(async move {
                loop {
                    tokio::time::sleep((window / 3).max(Duration::from_millis(100))).await;
                    let mut invocation = inner.renew.key(&key);
                    invocation.arg(micros(window)).arg(&places);
                    let invocation = &invocation;
                    let renewed: Result<i64, _> =
                        inner.link.run(async move |mut manager| invocation.invoke_async(&mut manager).await).await;
                    if let Err(error) = renewed {
                        tracing::debug!("a place could not be renewed: {error}");
                    }
                }
            })
        };
        let inner = Arc::clone(self);
        Slot::new(move || {
            renewal.abort();
            let link = Arc::clone(&inner.link);
            inner.link.runtime().spawn(async move {
                // Where Redis stays away, the place comes back when its window is over.
                for _ in 0..GIVE_BACK {
                    let (key, places) = (&key, &places);
                    let removed = link.run(async move |mut manager| {
                        redis::cmd("ZREM").arg(key).arg(places).query_async::<i64>(&mut manager).await
                    });
                    match removed.await {
                        Ok(_) => return,
                        Err(error) => tracing::debug!("a place could not be given back: {error}"),
                    }
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            });
        })
    }

    /// Takes from what was taken ahead, and asks Redis for more where that is not enough.
    async fn take_ahead(
        self: &Arc<Self>,
        keys: &[String],
        budgets: &[Budget],
        cost: u64,
        first: (Vec<Fill>, Vec<ahead::Filled>),
    ) -> Result<Taken, StoreError> {
        // For as long as this waits, a fill is meant for it as well.
        let _waiting = self.ahead.wait(keys);
        let (mut mine, mut waits) = first;
        loop {
            for fill in mine {
                self.fill(keys, budgets, fill);
            }
            for mut filled in waits {
                let outcome = filled.wait_for(Option::is_some).await.ok().and_then(|outcome| outcome.clone());
                outcome.unwrap_or_else(|| Err(StoreError::Away(self.options.name.to_string())))?;
            }
            match self.ahead.take(keys, budgets, cost, self.options.ahead, clock::now()) {
                Attempt::Decided(taken) => return Ok(taken),
                Attempt::Fill(more, others) => (mine, waits) = (more, others),
            }
        }
    }

    /// Asks Redis for one share. Whoever waits for it may go: the share is there all the same.
    fn fill(self: &Arc<Self>, keys: &[String], budgets: &[Budget], fill: Fill) {
        let Fill { position, least, most, back, done } = fill;
        let (Some(key), Some(budget)) = (keys.get(position).cloned(), budgets.get(position).cloned()) else { return };
        let inner = Arc::clone(self);
        self.link.runtime().spawn(async move {
            let asked = i64::try_from(least).unwrap_or(i64::MAX);
            let ask = Ask { key: key.clone(), budget: budget.clone(), least: asked, most, lease: String::new(), back };
            let outcome = match inner.take_there(&[ask]).await {
                Ok(answers) => match answers.first() {
                    Some(Answered { taken, standing, number }) => {
                        inner.ahead.fill(&key, &budget, least, (*taken, *number), *standing, clock::now());
                        Ok(())
                    }
                    None => Err(StoreError::Refused(inner.options.name.to_string(), "an empty answer".to_owned())),
                },
                Err(error) => Err(error),
            };
            if outcome.is_err() {
                inner.ahead.unfilled(&key);
            }
            done.send_replace(Some(outcome));
        });
    }

    /// What is done without Redis.
    fn without(&self, owner: &str, budgets: &[Budget], cost: u64, error: StoreError) -> Result<Taken, StoreError> {
        match self.options.when_away {
            WhenAway::Local => Ok(self.local.take_now(owner, budgets, cost)),
            WhenAway::Allow => {
                let whole = |budget: &Budget| Standing {
                    allowed: true,
                    remaining: budget.size(),
                    reset: Duration::ZERO,
                    retry_after: Duration::ZERO,
                };
                Ok(Taken { standings: budgets.iter().map(whole).collect(), slots: Vec::new() })
            }
            WhenAway::Deny => Err(error),
        }
    }
}

impl Limiter for Shared {
    fn take<'a>(&'a self, owner: &'a str, budgets: &'a [Budget], cost: u64) -> Answer<'a, Taken> {
        let inner = &self.0;
        let keys: Vec<String> = budgets.iter().map(|budget| inner.key(owner, budget)).collect();
        let percent = inner.options.ahead;
        if percent == 0 || budgets.iter().any(|budget| budget.algorithm == Algorithm::Concurrency) {
            return Answer::Later(Box::pin(async move {
                let taken = inner.take_exactly(&keys, budgets, cost).await;
                taken.or_else(|error| inner.without(owner, budgets, cost, error))
            }));
        }
        match inner.ahead.take(&keys, budgets, cost, percent, clock::now()) {
            Attempt::Decided(taken) => Answer::Now(Ok(taken)),
            Attempt::Fill(mine, waits) => Answer::Later(Box::pin(async move {
                let taken = inner.take_ahead(&keys, budgets, cost, (mine, waits));
                let taken = match tokio::time::timeout(inner.options.timeout * 2, taken).await {
                    Ok(taken) => taken,
                    // Others were always quicker.
                    Err(_) => inner.take_exactly(&keys, budgets, cost).await,
                };
                taken.or_else(|error| inner.without(owner, budgets, cost, error))
            })),
        }
    }

    fn charge<'a>(&'a self, owner: &'a str, budget: &'a Budget, cost: u64) -> Answer<'a, ()> {
        let inner = &self.0;
        let key = inner.key(owner, budget);
        if inner.options.ahead > 0 && inner.ahead.charge(&key, cost, clock::now()) {
            return Answer::Now(Ok(()));
        }
        let ask = Ask { least: -1, ..Ask::exactly(key, budget, cost, "") };
        let there = Arc::clone(inner);
        Answer::Later(Box::pin(async move {
            let task = inner.link.runtime().spawn(async move { there.take_there(&[ask]).await });
            let charged = task.await.unwrap_or_else(|_| Err(StoreError::Away(inner.options.name.to_string())));
            match charged {
                Ok(_) => Ok(()),
                Err(error) => match inner.options.when_away {
                    WhenAway::Local => {
                        inner.local.charge_now(owner, budget, cost);
                        Ok(())
                    }
                    WhenAway::Allow => Ok(()),
                    WhenAway::Deny => Err(error),
                },
            }
        }))
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// As keys and `take.lua` have it.
fn word(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::TokenBucket => "bucket",
        Algorithm::SlidingWindow => "sliding",
        Algorithm::FixedWindow => "fixed",
        Algorithm::Concurrency => "slots",
    }
}

impl fmt::Debug for SharedOptions {
    /// Without the password.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SharedOptions")
            .field("name", &self.name)
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}
