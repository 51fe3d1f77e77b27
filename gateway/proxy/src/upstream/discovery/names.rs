//! The addresses of endpoints that have a name, kept fresh so that no request has to ask for them.

use super::super::Upstream;
use super::super::endpoints::Endpoints;
use super::resolver::{Resolver, freshness};
use futures_util::future::join_all;
use gateway_core::Error;
use gateway_core::clock::now;
use std::collections::{HashMap, HashSet};
use std::future::pending;
use std::net::SocketAddr;
use std::sync::Weak;
use std::time::{Duration, Instant};

/// After a failure.
const RETRY: Duration = Duration::from_secs(2);

/// When which name is to be asked for again.
pub(super) struct Names {
    resolver: Resolver,
    due: HashMap<String, Instant>,
}

impl Names {
    pub(super) fn new(resolver: Resolver) -> Self {
        Self { resolver, due: HashMap::new() }
    }

    /// Asks for each name when its answer has expired. Returns when nobody has the service any more.
    pub(super) async fn keep(&mut self, upstream: &Weak<Upstream>) {
        loop {
            let Some(next) = self.due.values().min().copied() else { return pending().await };
            tokio::time::sleep_until(next.into()).await;
            let Some(upstream) = upstream.upgrade() else { return };
            self.ask(&upstream.endpoints.load_full(), &upstream).await;
        }
    }

    /// Asks for those names of a set that are new or whose answers have expired. One without an answer keeps the last good one.
    pub(super) async fn ask(&mut self, set: &Endpoints, upstream: &Upstream) {
        let destinations = || set.all().map(|endpoint| endpoint.pool().destination());
        let names: HashSet<&str> =
            destinations().filter(|known| known.fixed().is_none()).map(|known| known.host_and_port().0).collect();
        self.due.retain(|name, _| names.contains(name.as_str()));
        let start = now();
        let due = names.iter().copied().filter(|name| self.due.get(*name).is_none_or(|due| *due <= start));
        let due: Vec<&str> = due.collect();
        if due.is_empty() {
            return;
        }
        let resolver = &self.resolver;
        let answers = join_all(due.iter().map(|name| resolver.addresses(name))).await;
        let mut failed: Option<Error> = None;
        for (name, answer) in due.into_iter().zip(answers) {
            let alike = destinations().filter(|known| known.fixed().is_none() && known.host_and_port().0 == name);
            let next = match answer {
                Ok((addresses, until)) => {
                    alike.for_each(|known| {
                        let port = known.host_and_port().1;
                        known.resolved(addresses.iter().map(|address| SocketAddr::new(*address, port)).collect());
                    });
                    freshness(until)
                }
                Err(error) => {
                    alike.for_each(|known| known.unresolved());
                    failed = Some(error);
                    now() + RETRY.mul_f64(0.75 + fastrand::f64() / 2.0)
                }
            };
            self.due.insert(name.to_owned(), next);
        }
        upstream.origins.note_names(&upstream.settings.name, failed.map_or(Ok(()), Err));
    }
}
