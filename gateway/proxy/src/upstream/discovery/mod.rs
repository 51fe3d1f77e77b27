//! Where endpoints come from: found again and again, off the request path, for as long as somebody has the service.
//!
//! A way to find them is a [`Discovery`] in a file of its own, and a line in [`start`]. What it finds replaces the set of endpoints
//! only where it differs; who stays in it keeps connections, load and health. Nothing found, or no answer, changes nothing
//! (HARDENING F5): the last good answer serves until there is a new one.

mod consul;
mod dns;
mod file;
mod found;
mod names;
mod resolver;

pub use found::DiscoveryStatus;
pub(super) use found::{Found, Origins};

use super::Upstream;
use backon::{BackoffBuilder as _, ExponentialBuilder};
use gateway_config::Discover;
use gateway_core::{Error, Kind};
use names::Names;
use resolver::Resolver;
use std::future::{Future, pending};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// A way to find endpoints.
trait Discovery: Send + 'static {
    /// After a failure it is asked again in so long at the latest.
    const RETRY: Duration = Duration::from_secs(10);

    /// What there is now. The first call answers at once, each further one when there may be something new. What fails changes
    /// nothing, and neither does nothing.
    fn next(&mut self) -> impl Future<Output = Result<Vec<Found>, Error>> + Send;
}

/// After a first failure.
const FIRST_RETRY: Duration = Duration::from_millis(500);

/// Those that were written, once.
struct Fixed(Option<Vec<Found>>);

impl Discovery for Fixed {
    async fn next(&mut self) -> Result<Vec<Found>, Error> {
        match self.0.take() {
            Some(written) => Ok(written),
            None => pending().await,
        }
    }
}

/// Begins to look, where there is something to look for: endpoints, or the addresses of names.
pub(super) fn start(upstream: &Arc<Upstream>) {
    let settings = &upstream.settings;
    let weak = Arc::downgrade(upstream);
    let resolver = || Resolver::new(&settings.resolver);
    let names = Names::new(resolver());
    let task = match &settings.discover {
        None if upstream.endpoints.load().all().all(|endpoint| endpoint.pool().destination().fixed().is_some()) => None,
        None => {
            let written = settings.endpoints.iter().map(Found::written).collect();
            Some(tokio::spawn(run(weak, Fixed(Some(written)), names)))
        }
        Some(Discover::Dns { host, port }) => {
            Some(tokio::spawn(run(weak, dns::Addresses::new(host, *port, resolver()), names)))
        }
        Some(Discover::Srv(name)) => Some(tokio::spawn(run(weak, dns::Services::new(name, resolver()), names))),
        Some(Discover::File(path)) => Some(tokio::spawn(run(weak, file::File::new(path), names))),
        Some(Discover::Consul(consul)) => Some(tokio::spawn(run(weak, consul::Catalogue::new(consul), names))),
    };
    upstream.origins.replace(task);
}

/// Looks for as long as somebody has the service: whoever drops it ends this.
async fn run(upstream: Weak<Upstream>, mut discovery: impl Discovery, mut names: Names) {
    let mut pauses = None;
    loop {
        let found = tokio::select! {
            found = discovery.next() => found,
            () = names.keep(&upstream) => return,
        };
        let Some(upstream) = upstream.upgrade() else { return };
        let failed = found.is_err();
        let taken = match found {
            Ok(found) if found.is_empty() => Err(Error::new(Kind::DestinationUnavailable, "no endpoint was found")),
            Ok(found) => {
                upstream.take(found, &mut names).await;
                Ok(())
            }
            Err(error) => Err(error),
        };
        upstream.origins.note(&upstream.settings.name, taken);
        drop(upstream);
        if failed {
            let pauses = pauses.get_or_insert_with(|| retries(FIRST_RETRY).build());
            let pause = pauses.next().unwrap_or_default();
            tokio::time::sleep(pause.min(longest(&discovery))).await;
        } else {
            pauses = None;
        }
    }
}

fn longest<D: Discovery>(_: &D) -> Duration {
    D::RETRY
}

/// Longer and longer pauses, drawn, so that not everybody comes back at once.
fn retries(first: Duration) -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(first)
        .with_max_delay(Duration::from_secs(10))
        .with_jitter()
        .without_max_times()
}

impl Upstream {
    /// Serves by these endpoints from now on, where they are others than before. Their names are asked for first, so that no
    /// request has to.
    async fn take(&self, found: Vec<Found>, names: &mut Names) {
        let found = match self.settings.discover {
            Some(_) => found::in_order(found, self.settings.found_over_tls),
            None => found,
        };
        let before = self.endpoints.load_full();
        let changed = self.origins.differ(&found);
        let set = if changed { super::set(&self.settings, self.tls.as_ref(), &found, Some(&before)) } else { before };
        names.ask(&set, self).await;
        if changed {
            tracing::info!(upstream = %self.settings.name, endpoints = found.len(), "other endpoints");
            self.endpoints.store(set);
            self.origins.replaced(found);
        }
    }
}

#[cfg(test)]
mod tests;
