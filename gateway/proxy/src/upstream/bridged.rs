//! An upstream that a bridge speaks for: the same bounds, breaker and figures as for one with endpoints.

use super::{EndpointStatus, Upstream};
use gateway_core::bridge::{Bridge, Transcoder};
use gateway_core::clock::now;
use gateway_core::{Error, Kind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;
use tokio::sync::OwnedSemaphorePermit;

/// A request that a bridge has; counted and bounded until this is dropped.
pub struct Crossing {
    upstream: Arc<Counted>,
    _permit: OwnedSemaphorePermit,
}

/// Requests that a bridge has.
#[derive(Default)]
pub(super) struct Counted(std::sync::atomic::AtomicUsize);

impl Drop for Crossing {
    fn drop(&mut self) {
        self.upstream.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Upstream {
    /// The same, with what answers in the place of endpoints.
    #[must_use]
    pub fn bridged(mut self, bridge: Option<Arc<dyn Bridge>>) -> Self {
        self.bridge = bridge;
        self
    }

    /// The same, with what makes calls of requests in front of its endpoints.
    #[must_use]
    pub fn transcoded(mut self, transcoder: Option<Arc<dyn Transcoder>>) -> Self {
        self.transcoder = transcoder;
        self
    }

    /// What makes calls of requests in front of its endpoints.
    #[must_use]
    pub fn transcoder(&self) -> Option<&Arc<dyn Transcoder>> {
        self.transcoder.as_ref()
    }

    /// What answers in the place of endpoints.
    #[must_use]
    pub fn bridge(&self) -> Option<&Arc<dyn Bridge>> {
        self.bridge.as_ref()
    }

    /// A place for a request that the bridge gets.
    ///
    /// # Errors
    /// The service is full, or nothing is asked of it for a while.
    pub async fn cross(&self, deadline: Instant) -> Result<Crossing, Error> {
        if self.breaker.as_ref().is_some_and(|breaker| !breaker.admits(now)) {
            let detail =
                format!("upstream `{}` failed too often lately and is not asked for a while", self.settings.name);
            return Err(Error::new(Kind::DestinationUnavailable, detail));
        }
        let permit = self.admission.enter(deadline).await.map_err(|refused| self.full(refused))?;
        self.tries.add(1);
        self.crossing.0.fetch_add(1, Ordering::Relaxed);
        Ok(Crossing { upstream: Arc::clone(&self.crossing), _permit: permit })
    }

    /// What the bridge made of a request.
    pub fn crossed(&self, good: bool) {
        let Some(breaker) = &self.breaker else { return };
        if good {
            breaker.succeeded();
        } else if breaker.failed(self.tries.value(), now()) {
            self.opened.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(upstream = %self.settings.name, "fails too often and is not asked for a while");
        }
    }

    /// The broker's servers, as endpoints are told. They share one connection, and what is under way.
    pub(super) fn servers(&self, bridge: &dyn Bridge) -> Vec<EndpointStatus> {
        let servers = bridge.servers().into_iter();
        let status = servers.map(|server| EndpointStatus {
            endpoint: server.name,
            state: if server.is_up { "up" } else { "down" },
            active: self.crossing.0.load(Ordering::Relaxed),
            failures: 0,
            ejections: 0,
            idle: 0,
        });
        status.collect()
    }
}
