//! One instance and its life: made when a request finds none with room, ended by uses, idleness, a deadline or a failure.

use super::budget::Budget;
use super::call::Call;
use super::state::{HttpState, view};
use crate::abi::Abi;
use crate::host::Host;
use crate::instance::{Failure, Permits};
use crate::kept::Kept;
use crate::limits::START_WALL;
use crate::plugin::PluginSettings;
use gateway_core::clock;
use gateway_core::plugin::FaultKind;
use parking_lot::Mutex;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::time::Sleep;
use wasmtime::component::GuestTaskId;
use wasmtime::{Store, StoreContextMut};
use wasmtime_wasi_http::handler::{
    HandlerState, Instance, ProxyPre, ShouldAccept, WorkerExpiration, WorkerState, WorkerStatus,
};

/// Requests that an instance of 0.3 serves before it is replaced.
const USES: usize = 128;

/// Requests that run in an instance of 0.3 at a time.
pub(crate) const AT_ONCE: usize = 16;

/// How long an instance stands idle, and how long a guest may go on for itself when all its requests are over.
const IDLE: Duration = Duration::from_secs(1);

/// How long a guest that has answered may go on while no body of its requests moves.
const STALL: Duration = Duration::from_secs(30);

/// The second look at deadlines comes this long after the first, which ends one request and not the instance.
const GRACE: Duration = Duration::from_millis(50);

/// What is known of an instance outside its store.
pub(crate) struct Life {
    pub(crate) budget: Arc<Budget>,
    born: Instant,
    /// When a piece of a body moved last or a request ended, in milliseconds after its birth.
    moved: AtomicU64,
    /// Requests without the head of an answer.
    unanswered: AtomicUsize,
    /// The latest deadline of its requests.
    deadline: Mutex<Instant>,
    failure: OnceLock<Failure>,
}

impl Life {
    fn new(budget: Arc<Budget>) -> Self {
        let now = clock::now();
        Self {
            budget,
            born: now,
            moved: AtomicU64::new(0),
            unanswered: AtomicUsize::new(0),
            deadline: Mutex::new(now),
            failure: OnceLock::new(),
        }
    }

    /// A request has come.
    pub(crate) fn begin(&self, deadline: Instant) {
        self.budget.begin();
        self.unanswered.fetch_add(1, Ordering::Relaxed);
        let mut latest = self.deadline.lock();
        *latest = deadline.max(*latest);
    }

    /// A request has the head of its answer.
    pub(crate) fn answered(&self) {
        self.unanswered.fetch_sub(1, Ordering::Relaxed);
    }

    /// A request is done.
    pub(crate) fn end(&self) {
        self.budget.end();
        self.progress();
    }

    /// A piece of a body has moved.
    pub(crate) fn moved(&self, bytes: usize) {
        self.budget.moved(bytes);
        self.progress();
    }

    fn progress(&self) {
        let since = u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.moved.store(since, Ordering::Relaxed);
    }

    /// Why it was stopped, if it was.
    pub(crate) fn failure(&self) -> Option<Failure> {
        self.failure.get().cloned()
    }

    fn fail(&self, failure: Failure) {
        let _ = self.failure.set(failure);
    }

    /// When it is to end, as things stand.
    fn end_of(&self, status: WorkerStatus, since: Instant) -> Instant {
        match status {
            WorkerStatus::Idle => since + IDLE,
            WorkerStatus::Requests if self.unanswered.load(Ordering::Relaxed) > 0 => *self.deadline.lock() + GRACE,
            // A guest of 0.2 returns when its body has ended.
            WorkerStatus::Requests | WorkerStatus::PostReturn => {
                let moved = self.born + Duration::from_millis(self.moved.load(Ordering::Relaxed));
                moved.max(since) + if self.budget.is_idle() { IDLE } else { STALL }
            }
        }
    }
}

/// What makes instances for one thread.
pub(crate) struct Maker {
    pub(crate) host: Arc<Host>,
    pub(crate) linked: Arc<ProxyPre<HttpState>>,
    pub(crate) abi: Abi,
    /// Places of the process that an instance takes.
    pub(crate) slots: u32,
    pub(crate) settings: Arc<PluginSettings>,
    pub(crate) kept: Arc<Kept>,
    /// Instances that this plugin may still have.
    pub(crate) permits: Arc<Semaphore>,
}

impl Maker {
    fn permits(&self) -> wasmtime::Result<Permits> {
        let full = |text: &'static str| move || wasmtime::Error::from(Full(text));
        let own =
            Arc::clone(&self.permits).try_acquire_owned().map_err(|_| full("the plugin has all its instances")())?;
        let common = self.host.shared.room(self.slots);
        Ok((own, common.ok_or_else(full("all instances of the process are in use"))?))
    }
}

/// There is no room for one more instance.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Full(&'static str);

impl HandlerState for Maker {
    type StoreData = HttpState;
    type WorkerExpiration = Expiration;
    type WorkerState = Worker;

    async fn instantiate(&self) -> wasmtime::Result<Instance<HttpState, Expiration, Worker>> {
        let permits = self.permits()?;
        let limits = &self.settings.limits;
        let pulse = Arc::clone(&self.host.shared.pulse);
        let state = HttpState::new(&self.settings, &self.kept, Arc::clone(&pulse));
        let budget = Arc::new(Budget::new(limits.start, limits.cpu, pulse));
        let life = Arc::new(Life::new(Arc::clone(&budget)));
        let concurrent = self.host.concurrent()?;
        let mut store = Store::new(&concurrent.engine, state);
        store.limiter(|state| &mut state.room);
        store.set_hostcall_fuel(limits.transfer());
        store.epoch_deadline_callback(move |_| budget.tick());
        store.set_epoch_deadline(1);
        let started = tokio::time::timeout(START_WALL, self.linked.instantiate_async(&mut store)).await;
        let proxy = started.map_err(|_| crate::meter::Stop::Wall)??;
        life.budget.started();
        let uses = match (self.abi, self.settings.isolate) {
            (Abi::WasiHttp03, false) => USES.min(limits.reuse as usize),
            // What guests of 0.2 leave in their memory, other hosts throw away with each request; so they are written.
            _ => 1,
        };
        let sleep = Box::pin(tokio::time::sleep(IDLE));
        Ok(Instance {
            store,
            proxy,
            view,
            expiration: Expiration { life: Arc::clone(&life), sleep },
            state: Worker { life, uses, _permits: permits },
        })
    }
}

/// What the pool asks of one instance.
pub(crate) struct Worker {
    life: Arc<Life>,
    uses: usize,
    /// Given back when the store has been dropped.
    _permits: Permits,
}

impl WorkerState for Worker {
    type StoreData = HttpState;
    type RequestData = Arc<Call>;

    fn should_accept_request(&self, concurrent: usize, total: usize) -> ShouldAccept {
        match (total >= self.uses, concurrent >= AT_ONCE.min(self.uses)) {
            (true, _) => ShouldAccept::Never,
            (false, true) => ShouldAccept::No,
            (false, false) => ShouldAccept::Yes,
        }
    }

    fn on_request_start(
        &self,
        mut store: StoreContextMut<'_, HttpState>,
        call: Arc<Call>,
        task: GuestTaskId,
    ) -> Pin<Box<dyn Future<Output = ()> + 'static + Send + Sync>> {
        call.taken(&self.life);
        store.data_mut().begin(task, &call);
        store.set_epoch_deadline(1);
        Box::pin(async move {
            tokio::select! {
                () = tokio::time::sleep_until(call.deadline.into()) => {}
                () = call.abandoned.notified() => {}
            }
        })
    }

    fn drop(&self, store: Store<HttpState>, result: wasmtime::Result<()>) {
        // First why, then what its bodies end with.
        if let Err(error) = result {
            self.life.fail(Failure::from(&error));
        }
        drop(store);
    }
}

/// Looks at the deadlines of an instance from outside its event loop, which a guest that does not return holds up.
pub(crate) struct Expiration {
    life: Arc<Life>,
    sleep: Pin<Box<Sleep>>,
}

impl WorkerExpiration for Expiration {
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>, status: WorkerStatus, since: Instant) -> Poll<()> {
        let this = &mut *self;
        // It is polled whenever the store's task has nothing to run, or lets others run.
        this.life.budget.rest();
        let end = this.life.end_of(status, since);
        if this.sleep.deadline().into_std() != end {
            this.sleep.as_mut().reset(end.into());
        }
        std::task::ready!(this.sleep.as_mut().poll(context));
        if status != WorkerStatus::Idle {
            // Nobody is told when there is no request any more.
            let text = match this.life.unanswered.load(Ordering::Relaxed) {
                0 => "it went on after its answers while nothing moved",
                _ => "it was not done in time (`limits.wall`, or the deadline of the exchange)",
            };
            this.life.fail(Failure::Stopped(FaultKind::Wall, text.to_owned()));
        }
        Poll::Ready(())
    }
}
