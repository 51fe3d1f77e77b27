//! So many at once, and so many that wait; the next one is refused at once.

use gateway_core::dispatch::BoxFuture;
use gateway_core::places::Places;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A bound on what is under way at once.
pub struct Admission {
    permits: Arc<Semaphore>,
    waiting: Places,
}

/// Why there is no permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// As many as may wait do.
    Full,
    /// None came free in time.
    Late,
}

impl Admission {
    /// At most `limit` under way and `pending` waiting.
    #[must_use]
    pub fn new(limit: usize, pending: usize) -> Self {
        let permits = Arc::new(Semaphore::new(limit.min(Semaphore::MAX_PERMITS)));
        Self { permits, waiting: Places::new(pending) }
    }

    /// A permit, held for as long as it is under way.
    ///
    /// # Errors
    /// As many wait as may, or it waited until the deadline.
    pub async fn enter(&self, deadline: Instant) -> Result<OwnedSemaphorePermit, Refused> {
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            return Ok(permit);
        }
        self.wait(deadline).await
    }

    /// On the heap: hardly any request waits.
    #[cold]
    #[inline(never)]
    fn wait(&self, deadline: Instant) -> BoxFuture<'_, Result<OwnedSemaphorePermit, Refused>> {
        Box::pin(async move {
            let waiting = self.waiting.take().ok_or(Refused::Full)?;
            let permit = tokio::time::timeout_at(deadline.into(), Arc::clone(&self.permits).acquire_owned()).await;
            drop(waiting);
            permit.ok().and_then(Result::ok).ok_or(Refused::Late)
        })
    }
}
