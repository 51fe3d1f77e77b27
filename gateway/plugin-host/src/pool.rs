//! The instances of one plugin with one configuration.
//!
//! An instance is idle on the shelf of the thread that used it last, or held by one call. It carries its permits with it,
//! so a call that finds one on its own shelf touches nothing that threads share. What bounds them: a permit of the
//! plugin's (`threads + limits.waiting`) and one of the process's (`HostOptions::instances`) for each; what ends them: a
//! failure, ten thousand calls, growth, age, idleness, and another plugin that needs the room.

use crate::abi::gateway::Component;
use crate::host::Host;
use crate::instance::{Failure, Instance, Permits};
use crate::kept::Kept;
use crate::limits::{IDLE, PATIENCE};
use crate::load::LoadError;
use crate::plugin::PluginSettings;
use crate::shelves::Shelves;
use gateway_core::Phase;
use gateway_core::dispatch::BoxFuture;
use gateway_core::places::Places;
use gateway_core::plugin::FaultKind;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};

/// How often a waiting call looks for room that another plugin gave back: nobody tells it of that.
pub(crate) const LOOK: Duration = Duration::from_millis(5);

/// The instances of one plugin, and what new ones are made of.
pub(crate) struct Pool {
    pub(crate) host: Arc<Host>,
    pub(crate) component: Component,
    pub(crate) settings: Arc<PluginSettings>,
    pub(crate) kept: Arc<Kept>,
    /// Those that stand idle.
    shelves: Shelves<Instance>,
    /// Places of the process that an instance takes.
    slots: u32,
    capacity: usize,
    permits: Arc<Semaphore>,
    /// Calls that wait for an instance.
    queued: Places,
    returned: Notify,
}

/// What a call that needs an instance got.
enum Place {
    Used(Box<Instance>),
    New(Permits),
}

impl Pool {
    pub(crate) fn new(
        host: &Arc<Host>,
        component: Component,
        slots: u32,
        settings: Arc<PluginSettings>,
        kept: Arc<Kept>,
    ) -> Arc<Self> {
        let capacity = host.threads.saturating_add(settings.limits.waiting).clamp(1, Semaphore::MAX_PERMITS);
        Arc::new(Self {
            host: Arc::clone(host),
            component,
            slots,
            settings,
            kept,
            shelves: Shelves::default(),
            capacity,
            permits: Arc::new(Semaphore::new(capacity)),
            queued: Places::new(capacity),
            returned: Notify::new(),
        })
    }

    /// The first instance, which shows whether the plugin starts and takes its configuration.
    pub(crate) async fn first(&self) -> Result<Box<Instance>, LoadError> {
        let permits =
            self.permits().ok_or_else(|| LoadError::Full("all instances of the process are in use".to_owned()))?;
        Instance::start(self, slot(Phase::OnRequest), permits).await.map_err(|failure| match failure {
            Failure::Refused(text) => LoadError::Configure(text),
            Failure::Stopped(FaultKind::Full, text) => LoadError::Full(text),
            Failure::Stopped(_, text) => LoadError::Start(text),
        })
    }

    /// An idle instance for a call of this phase, one of this thread's where there is one.
    ///
    /// In debug builds each phase has instances of its own, so that a guest which keeps the state of an exchange in its
    /// memory from one phase to the next fails in the first test.
    pub(crate) fn take(&self, phase: Phase) -> Option<Box<Instance>> {
        if self.settings.isolate {
            return None;
        }
        let slot = slot(phase);
        self.shelves.take(|instance| instance.slot == slot)
    }

    /// An instance where none is idle: a new one, or the next that comes back. Not what most calls do, so they do not carry
    /// its state: it is boxed.
    pub(crate) fn obtain(&self, phase: Phase) -> BoxFuture<'_, Result<Box<Instance>, Failure>> {
        Box::pin(async move {
            let place = match self.permits() {
                Some(permits) => Place::New(permits),
                None => self.wait(phase).await?,
            };
            match place {
                Place::Used(instance) => Ok(instance),
                Place::New(permits) => Instance::start(self, slot(phase), permits).await,
            }
        })
    }

    /// Takes an instance back after a call that went well.
    pub(crate) fn put(&self, mut instance: Box<Instance>) {
        let now = self.host.shared.now();
        if instance.is_good(now) && !self.settings.isolate {
            instance.rest(now);
            self.shelves.put(instance);
        } else {
            drop(instance);
        }
        if self.queued.taken() > 0 {
            self.returned.notify_one();
        }
    }

    fn permits(&self) -> Option<Permits> {
        let own = Arc::clone(&self.permits).try_acquire_owned().ok().or_else(|| {
            // All of them may be idle and kept for other phases.
            self.shed().then(|| Arc::clone(&self.permits).try_acquire_owned().ok()).flatten()
        })?;
        Some((own, self.host.shared.room(self.slots)?))
    }

    /// Waits, not long and not with many others.
    async fn wait(&self, phase: Phase) -> Result<Place, Failure> {
        let full = |text: &str| Failure::Stopped(FaultKind::Full, text.to_owned());
        let _queued = self.queued.take().ok_or_else(|| full("too many calls wait for an instance"))?;
        let look = async {
            loop {
                let _ = tokio::time::timeout(LOOK, self.returned.notified()).await;
                if let Some(instance) = self.take(phase) {
                    return Place::Used(instance);
                }
                if let Some(permits) = self.permits() {
                    return Place::New(permits);
                }
            }
        };
        tokio::time::timeout(PATIENCE, look).await.map_err(|_| full("no instance came free in time"))
    }

    /// Drops what has been idle for long.
    pub(crate) fn sweep(&self) {
        let now = self.host.shared.now();
        let limit = u64::try_from(IDLE.as_millis()).unwrap_or(u64::MAX);
        self.shelves.sweep(|instance| instance.idle(now) >= limit);
    }

    /// Drops one idle instance, where there is one.
    pub(crate) fn shed(&self) -> bool {
        self.shelves.shed()
    }

    /// Idle instances.
    pub(crate) fn idle(&self) -> usize {
        self.shelves.sum(|_| 1)
    }

    /// All instances.
    pub(crate) fn live(&self) -> usize {
        self.capacity.saturating_sub(self.permits.available_permits())
    }

    /// Linear memory of the idle instances, in bytes.
    pub(crate) fn memory(&self) -> usize {
        self.shelves.sum(Instance::memory)
    }
}

fn slot(phase: Phase) -> u8 {
    if cfg!(debug_assertions) { phase as u8 } else { 0 }
}
