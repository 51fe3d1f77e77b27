//! The threads that serve, each with a runtime of its own.
//!
//! A connection stays on the thread that it was given to, with the upstream connections and the plugin instances that its requests
//! use: nothing on a request's way wakes another thread or touches what another thread writes. A listener accepts on the main
//! runtime and gives each connection to the thread that has the fewest.

use crate::turns;
use crate::wire::send_together;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;
use tokio::runtime::{Builder, Handle};
use tokio::sync::watch;

/// Tasks that a thread runs before it takes a connection that was given to it, however much it has to do.
const GIVEN: u32 = 8;

/// For so long what is to be sent waits while the tasks that are ready run. Those of a turn of short requests take less; beside plugins that
/// compute, nothing waits for more than one of them.
const PATIENCE: Duration = Duration::from_micros(250);

/// All threads that serve. They end, and what they still do is cut, when this is dropped.
pub struct Workers {
    workers: Vec<Worker>,
    /// Which of several with equally few is next.
    next: AtomicUsize,
    _running: watch::Sender<()>,
}

struct Worker {
    runtime: Handle,
    connections: Arc<AtomicUsize>,
}

/// A connection counted with its worker; not any more when dropped.
pub(crate) struct Seat(Arc<AtomicUsize>);

impl Workers {
    /// Starts so many threads.
    ///
    /// # Errors
    /// The system gives no more threads or descriptors.
    pub fn start(threads: usize) -> io::Result<Self> {
        let (running, stopped) = watch::channel(());
        let worker = |number: usize| {
            let mut builder = Builder::new_current_thread();
            let runtime = builder.enable_all().global_queue_interval(GIVEN).on_thread_park(turns::rest).build()?;
            let handle = runtime.handle().clone();
            runtime.spawn(send_together(PATIENCE));
            let mut stopped = stopped.clone();
            thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
                // Only ever an error: the sender is gone.
                let _ = runtime.block_on(stopped.changed());
                runtime.shutdown_background();
            })?;
            Ok(Worker { runtime: handle, connections: Arc::default() })
        };
        let workers = (0..threads.max(1)).map(worker).collect::<io::Result<_>>()?;
        Ok(Self { workers, next: AtomicUsize::new(0), _running: running })
    }

    /// Returns when each thread has come to something new: none of them hangs.
    pub async fn look(&self) {
        for worker in &self.workers {
            // Only ever an error while the thread ends.
            let _ = worker.runtime.spawn(async {}).await;
        }
    }

    /// Serves a connection on the thread with the fewest.
    pub(crate) fn spawn<F: Future<Output = ()> + Send + 'static>(&self, serve: impl FnOnce(Seat) -> F) {
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let next = (0..self.workers.len()).filter_map(|offset| self.workers.get((first + offset) % self.workers.len()));
        if let Some(worker) = next.min_by_key(|worker| worker.connections.load(Ordering::Relaxed)) {
            worker.connections.fetch_add(1, Ordering::Relaxed);
            worker.runtime.spawn(serve(Seat(Arc::clone(&worker.connections))));
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[tokio::test]
    async fn a_thread_that_hangs_is_noticed() {
        let workers = Workers::start(2).unwrap();
        workers.look().await;
        let (release, released) = mpsc::channel::<()>();
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        workers.spawn(|_seat| async move {
            begun.send(()).unwrap();
            let _ = released.recv();
        });
        has_begun.await.unwrap();
        let looked = tokio::time::timeout(Duration::from_millis(50), workers.look()).await;
        assert!(looked.is_err());
        release.send(()).unwrap();
        workers.look().await;
    }
}
