//! One generation of everything that serves requests. Pinned by each request, swapped as a whole.

use crate::cache::Caching;
use crate::chain::Chain;
use crate::router::Router;
use crate::tracing::Tracing;
use crate::upstream::{Authorities, Upstream};
use gateway_config::Network;
use gateway_core::instruments::{Counter, Instruments, Meters, meters};
use gateway_core::observe::Observer;
use gateway_core::pressure::Pressure;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// A generation.
pub struct Snapshot {
    /// Counts up from 1.
    pub generation: u64,
    /// What each listener serves, by name. They are few, and looked up for each request: to hash the name would take longer.
    pub tables: BTreeMap<Arc<str>, Arc<Table>>,
    /// By name; a plugin may call or choose them.
    pub upstreams: HashMap<Arc<str>, Arc<Upstream>>,
    /// Who may have signed the certificates of origins that plugins call; none where no plugin may call one over TLS.
    pub authorities: Option<Authorities>,
    /// What is stored, where a route has a cache.
    pub cache: Option<Caching>,
    /// Proxies whose forwarding fields are believed.
    pub trusted_proxies: Vec<Network>,
    /// What is counted of every request.
    pub counters: Counters,
    /// What is counted, traced and told of requests.
    pub telemetry: Telemetry,
    /// Whether nothing more is taken on (HARDENING F8).
    pub pressure: Pressure,
}

/// What is counted, traced and told of requests.
pub struct Telemetry {
    /// What is counted.
    pub meters: Meters,
    /// Has the requests that no route took.
    pub unmatched: Arc<meters::Route>,
    /// None: `traceparent` is a field like others.
    pub tracing: Option<Tracing>,
    /// Who is told of every exchange that is over.
    pub observer: Option<Arc<dyn Observer>>,
}

impl Telemetry {
    /// Who is told of every exchange, where somebody listens at present.
    pub(crate) fn watcher(&self) -> Option<&dyn Observer> {
        self.observer.as_deref().filter(|observer| observer.watches())
    }
}

/// What is counted of every request; made once, so that no name is looked up while one runs.
#[derive(Clone)]
pub struct Counters {
    /// By the first digit of the status; of the first class there is only the switch of protocols.
    classes: [Counter; 5],
}

impl Counters {
    /// The counters of the process under `requests.…`.
    #[must_use]
    pub fn new(instruments: &Instruments) -> Self {
        let class = |digit| instruments.counter(&format!("requests.{digit}xx"));
        Self { classes: [1, 2, 3, 4, 5].map(class) }
    }

    /// An answer with this status was sent.
    pub fn note(&self, status: u16) {
        if let Some(counter) = usize::from(status / 100).checked_sub(1).and_then(|class| self.classes.get(class)) {
            counter.increment();
        }
    }
}

/// What one listener serves.
pub struct Table {
    /// Its routes.
    pub router: Router,
    /// Runs for a request that no route matches.
    pub unmatched: Chain,
    /// Bytes of a target.
    pub target_limit: usize,
    /// Bytes of a request body where the route has no bound of its own.
    pub body_limit: Option<u64>,
    /// Whether any of them takes WebSocket connections: HTTP/2 has to be told before it asks.
    pub websocket: bool,
    /// Every request is sent to the same place by HTTPS, on this port.
    pub redirect_https: Option<u16>,
}

impl Snapshot {
    /// Whether a proxy at this address is believed.
    #[must_use]
    pub fn trusts(&self, address: std::net::IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.contains(address))
    }
}
