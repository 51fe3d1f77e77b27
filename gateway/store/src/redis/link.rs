//! The connection to one Redis: one for all workers, made anew when it breaks. While Redis is away nobody waits for it, but one
//! command from time to time that finds out.

use super::SharedOptions;
use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use gateway_core::clock;
use gateway_core::instruments::{Counter, Instruments};
use gateway_core::limit::StoreError;
use parking_lot::Mutex;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, ErrorKind, RedisError, RedisResult, ServerErrorKind};
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::time::error::Elapsed;

/// Between commands that find out whether it is back.
const PAUSES: ExponentialBuilder = ExponentialBuilder::new()
    .with_min_delay(Duration::from_millis(50))
    .with_max_delay(Duration::from_secs(1))
    .without_max_times()
    .with_jitter();

/// The way to one Redis.
pub(super) struct Link {
    name: Arc<str>,
    client: Client,
    timeout: Duration,
    /// Where the connection lives. Workers have runtimes of their own, and may end before it does.
    runtime: Handle,
    state: Mutex<State>,
    commands: Counter,
    failures: Counter,
}

struct State {
    manager: Option<ConnectionManager>,
    /// Counts connections, so that what failed on an old one says nothing of the present one.
    number: u64,
    /// It said no the last time, which was told.
    refusing: bool,
    /// Set while it does not answer.
    away: Option<Away>,
}

struct Away {
    pauses: ExponentialBackoff,
    /// When the next command finds out.
    probe: Instant,
}

impl Link {
    pub(super) fn new(options: &SharedOptions, client: Client, runtime: Handle, instruments: &Instruments) -> Self {
        let counter = |name: &str| instruments.counter(&format!("store.{}.{name}", options.name));
        Self {
            name: Arc::clone(&options.name),
            client,
            timeout: options.timeout,
            runtime,
            state: Mutex::new(State { manager: None, number: 0, refusing: false, away: None }),
            commands: counter("commands"),
            failures: counter("failures"),
        }
    }

    pub(super) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Runs a command for at most the store's time-out, from any runtime. What was begun is done also where nobody waits for it
    /// any more.
    pub(super) async fn ask<T, F>(
        self: &Arc<Self>,
        command: impl FnOnce(ConnectionManager) -> F + Send + 'static,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = RedisResult<T>> + Send,
    {
        let link = Arc::clone(self);
        let task = self.runtime.spawn(async move { link.run(command).await });
        task.await.unwrap_or_else(|_| Err(self.away()))
    }

    /// The same, on [`Link::runtime`].
    pub(super) async fn run<T, F>(&self, command: impl FnOnce(ConnectionManager) -> F) -> Result<T, StoreError>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let (manager, number) = self.manager()?;
        self.commands.increment();
        let answer = tokio::time::timeout(self.timeout, command(manager)).await;
        self.note(&answer, number);
        match answer {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) if refused(&error) => Err(StoreError::Refused(self.name.to_string(), error.to_string())),
            Ok(Err(_)) | Err(_) => Err(self.away()),
        }
    }

    fn away(&self) -> StoreError {
        StoreError::Away(self.name.to_string())
    }

    /// The connection, unless nobody should wait for it now.
    fn manager(&self) -> Result<(ConnectionManager, u64), StoreError> {
        let mut state = self.state.lock();
        if let Some(away) = &mut state.away {
            let now = clock::now();
            if now < away.probe {
                return Err(self.away());
            }
            away.probe = now + away.pauses.next().unwrap_or(Duration::from_secs(1));
        }
        if let Some(manager) = &state.manager {
            return Ok((manager.clone(), state.number));
        }
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(self.timeout))
            .set_response_timeout(Some(self.timeout))
            // Whether to try again is decided here.
            .set_number_of_retries(0);
        let manager = ConnectionManager::new_lazy_with_config(self.client.clone(), config).map_err(|_| self.away())?;
        state.manager = Some(manager.clone());
        Ok((manager, state.number))
    }

    fn note<T>(&self, answer: &Result<RedisResult<T>, Elapsed>, number: u64) {
        let failure = match answer {
            Ok(Ok(_)) => None,
            Ok(Err(error)) if refused(error) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some("it did not answer in time".to_owned()),
        };
        let mut state = self.state.lock();
        if state.number != number {
            return;
        }
        let refusal = answer.as_ref().ok().and_then(|answer| answer.as_ref().err()).filter(|error| refused(error));
        match (refusal, state.refusing) {
            (Some(error), false) => tracing::warn!(store = %self.name, %error, "the store refuses commands"),
            (None, true) => tracing::info!(store = %self.name, "the store takes commands again"),
            _ => {}
        }
        state.refusing = refusal.is_some();
        match failure {
            None => {
                if state.away.take().is_some() {
                    tracing::info!(store = %self.name, "the store answers again");
                }
            }
            Some(failure) => {
                self.failures.increment();
                // A connection that says nothing may be dead for a long time before anybody is told.
                state.manager = None;
                state.number += 1;
                if state.away.is_none() {
                    tracing::warn!(store = %self.name, failure, "the store does not answer");
                    let mut pauses = PAUSES.build();
                    let probe = clock::now() + pauses.next().unwrap_or_default();
                    state.away = Some(Away { pauses, probe });
                }
            }
        }
    }
}

/// Whether Redis is there and says no. One that reads its files, or lost its master, is not there.
fn refused(error: &RedisError) -> bool {
    match error.kind() {
        ErrorKind::Server(kind) => !matches!(
            kind,
            ServerErrorKind::BusyLoading
                | ServerErrorKind::MasterDown
                | ServerErrorKind::ReadOnly
                | ServerErrorKind::TryAgain
        ),
        ErrorKind::Extension | ErrorKind::UnexpectedReturnType | ErrorKind::Parse => true,
        _ => false,
    }
}
