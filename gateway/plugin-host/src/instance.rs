//! One instance of a plugin: a store, the guest in it, and the permits that it counts against.

use crate::abi::gateway::{Asked, Calls, Said};
use crate::capabilities::log::printable;
use crate::limits::{AGE, GROWTH, START_WALL};
use crate::meter::Stop;
use crate::pool::Pool;
use crate::state::State;
use gateway_core::plugin::FaultKind;
use gateway_core::{Exchange, clock};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use wasmtime::{PoolConcurrencyLimitError, Store};

/// A guest that is configured and waits for calls. Dropping it gives everything back, whatever it was doing.
pub(crate) struct Instance {
    store: Store<State>,
    guest: Calls,
    calls: u32,
    /// By the host's coarse clock, in milliseconds.
    born: u64,
    idle_since: u64,
    /// Linear memory after `configure`.
    memory: usize,
    /// See [`Pool::take`].
    pub(crate) slot: u8,
    /// Dropped last, when the store has given its memory back.
    _permits: Permits,
}

/// One of the plugin's and one of the process's.
pub(crate) type Permits = (OwnedSemaphorePermit, OwnedSemaphorePermit);

/// What came of a call.
pub(crate) type Called = (Box<Exchange>, Result<Said, Failure>);

/// Why there is no instance, or no answer of one.
#[derive(Debug, Clone)]
pub(crate) enum Failure {
    /// The guest or the engine: a trap, a limit.
    Stopped(FaultKind, String),
    /// The guest's own words in `configure`.
    Refused(String),
}

impl Instance {
    /// Starts a guest and runs its `configure`.
    pub(crate) async fn start(pool: &Pool, slot: u8, permits: Permits) -> Result<Box<Self>, Failure> {
        let mut state =
            State::new(Arc::clone(&pool.settings), Arc::clone(&pool.kept), Arc::clone(&pool.host.shared.pulse));
        state.meter.begin(pool.settings.limits.start, clock::now() + START_WALL);
        let mut store = Store::new(&pool.host.engine, state);
        store.limiter(|state| &mut state.room);
        store.set_hostcall_fuel(pool.settings.limits.transfer());
        store.epoch_deadline_callback(|mut context| context.data_mut().tick());
        store.set_epoch_deadline(1);
        let guest = Calls::start(&pool.component, &mut store).await.map_err(Failure::of)?;
        let configured = guest.call(&mut store, Asked::Configure).await.map_err(Failure::of)?;
        if let Some(Said::Configured(Err(text))) = configured {
            return Err(Failure::Refused(printable(&text)));
        }
        let (now, memory) = (pool.host.shared.now(), store.data().room.used);
        Ok(Box::new(Self { store, guest, calls: 0, born: now, idle_since: now, memory, slot, _permits: permits }))
    }

    /// Calls one phase. After a failure the instance is good for nothing more.
    pub(crate) async fn call(&mut self, exchange: Box<Exchange>, asked: Asked) -> Called {
        self.begin(exchange);
        let called = self.guest.call(&mut self.store, asked).await;
        self.end(called)
    }

    /// The same without a stack for the guest, where [`Self::is_prompt`].
    pub(crate) fn call_here(&mut self, exchange: Box<Exchange>, asked: Asked) -> Called {
        self.begin(exchange);
        let called = self.guest.call_here(&mut self.store, asked);
        self.end(called)
    }

    /// Whether the next call is so short that nobody needs a turn meanwhile.
    pub(crate) fn is_prompt(&self) -> bool {
        self.guest.is_callable_here() && self.store.data().is_prompt()
    }

    fn begin(&mut self, exchange: Box<Exchange>) {
        let limits = &self.store.data().settings.limits;
        // The clock is asked only where a limit of the plugin's own says so.
        let deadline = limits.wall.map_or(exchange.deadline, |wall| exchange.deadline.min(clock::now() + wall));
        let cpu = limits.cpu;
        self.store.data_mut().begin(exchange, cpu, deadline);
        self.store.set_epoch_deadline(1);
        self.calls += 1;
    }

    fn end(&mut self, called: wasmtime::Result<Option<Said>>) -> Called {
        let result = match called {
            Ok(Some(said)) => Ok(said),
            Ok(None) => Err(Failure::Stopped(FaultKind::Trap, "the plugin does not export this phase".to_owned())),
            Err(error) => Err(Failure::of(error)),
        };
        #[expect(clippy::expect_used, reason = "`begin` put it there, and nothing but this line takes it")]
        let exchange = self.store.data_mut().exchange.take().expect("the exchange that was lent");
        (exchange, result)
    }

    /// How long the guest waited for the host in its last call.
    pub(crate) fn waited(&self) -> Duration {
        self.store.data().meter.waited()
    }

    /// Whether it may serve another call, as of `now`.
    pub(crate) fn is_good(&self, now: u64) -> bool {
        let data = self.store.data();
        self.calls < data.settings.limits.reuse
            && data.room.used <= self.memory.saturating_add(GROWTH)
            && now.saturating_sub(self.born) < u64::try_from(AGE.as_millis()).unwrap_or(u64::MAX)
    }

    /// It stands idle from now on.
    pub(crate) fn rest(&mut self, now: u64) {
        self.idle_since = now;
    }

    /// For how long it has been idle, in milliseconds.
    pub(crate) fn idle(&self, now: u64) -> u64 {
        now.saturating_sub(self.idle_since)
    }

    /// Linear memory at present, in bytes.
    pub(crate) fn memory(&self) -> usize {
        self.store.data().room.used
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self::Stopped(_, text) | Self::Refused(text)) = self;
        formatter.write_str(text)
    }
}

impl Failure {
    fn of(error: wasmtime::Error) -> Self {
        Self::from(&error)
    }
}

impl From<&wasmtime::Error> for Failure {
    fn from(error: &wasmtime::Error) -> Self {
        // In a backtrace stand the names of the guest's functions, which are any text.
        let text = || printable(&format!("{error:#}").lines().map(str::trim).collect::<Vec<_>>().join(" | "));
        if error.is::<PoolConcurrencyLimitError>() {
            return Self::Stopped(FaultKind::Full, text());
        }
        match error.downcast_ref::<Stop>() {
            Some(stop @ Stop::Cpu(_)) => Self::Stopped(FaultKind::Cpu, stop.to_string()),
            Some(stop @ Stop::Wall) => Self::Stopped(FaultKind::Wall, stop.to_string()),
            Some(stop) => Self::Stopped(FaultKind::Trap, stop.to_string()),
            None => Self::Stopped(FaultKind::Trap, text()),
        }
    }
}
