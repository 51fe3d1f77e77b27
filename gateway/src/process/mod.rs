//! The process among others: what it inherits and hands on, what it tells its manager, when it is to stop.

pub(crate) mod descriptors;
mod inherited;
pub(crate) mod manager;
pub(crate) mod memory;
pub(crate) mod upgrade;

pub(crate) use inherited::{Inherited, Predecessor};
pub(crate) use upgrade::{Descriptor, Program};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What the process may be asked for.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    upgrade: Signal,
}

/// What it was asked for.
pub(crate) enum Asked {
    /// SIGTERM, or ctrl-C.
    Stop,
    /// SIGUSR2: to let a new process take over.
    Upgrade,
}

impl Signals {
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            upgrade: signal(SignalKind::user_defined2())?,
        })
    }

    pub(crate) async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::Stop,
            _ = self.interrupt.recv() => Asked::Stop,
            _ = self.upgrade.recv() => Asked::Upgrade,
        }
    }

    /// Returns once it is asked to stop, whatever else it is asked for.
    pub(crate) async fn stop(&mut self) {
        while !matches!(self.next().await, Asked::Stop) {
            tracing::warn!("a new process is being started already, or this one is stopping");
        }
    }
}
