//! Two plain threads beside the runtime, so that no guest can hold them up: one ticks, one sweeps.

use crate::host::Shared;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::Duration;
use wasmtime::Engine;

/// How often idle instances are looked at.
const SWEEP: Duration = Duration::from_secs(5);

/// The threads. They end soon after this is dropped.
pub(crate) struct Threads {
    shared: Arc<Shared>,
    sweeper: JoinHandle<()>,
}

impl Threads {
    pub(crate) fn start(engine: &Engine, shared: &Arc<Shared>) -> std::io::Result<Self> {
        let (engine, ticked, swept) = (engine.clone(), Arc::clone(shared), Arc::clone(shared));
        thread::Builder::new().name("plugin-tick".to_owned()).spawn(move || {
            let stopped = || ticked.stopped.load(Ordering::Relaxed);
            let tick = || {
                engine.increment_epoch();
                if let Some(concurrent) = ticked.concurrent.get() {
                    concurrent.increment_epoch();
                }
            };
            ticked.pulse.run(tick, stopped);
        })?;
        let sweeper = thread::Builder::new().name("plugin-sweep".to_owned()).spawn(move || sweep(&swept))?;
        Ok(Self { shared: Arc::clone(shared), sweeper })
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        self.shared.pulse.wake();
        self.sweeper.thread().unpark();
    }
}

fn sweep(shared: &Shared) {
    while !shared.stopped.load(Ordering::Relaxed) {
        thread::park_timeout(SWEEP);
        shared.pulse.set_clock();
        for pool in shared.pools() {
            pool.sweep();
        }
    }
}
