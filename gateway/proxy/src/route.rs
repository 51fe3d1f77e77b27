//! A route as the data plane holds it: everything looked up beforehand.

use crate::cache::RouteCache;
use crate::chain::Chain;
use crate::upstream::{Admission, Upstream, key};
use gateway_config::{Allow, Compress, HostPolicy, KeyBy, Retry, Rewrite, Template, WebSocket};
use gateway_core::Plugin;
use gateway_core::exchange::{Answer, Exchange};
use gateway_core::instruments::meters;
use http::StatusCode;
use std::sync::Arc;
use std::time::Duration;

/// What happens to a request that matched.
pub struct Route {
    /// As in the configuration.
    pub name: Arc<str>,
    /// The listener's chain and the route's own.
    pub chain: Chain,
    /// What answers.
    pub dispatch: Dispatch,
    /// For everything up to the head of the answer.
    pub deadline: Duration,
    /// Lenience against the path and field rules.
    pub allow: Allow,
    /// Bytes of a request body.
    pub body_limit: Option<u64>,
    /// Requests at once.
    pub admission: Option<Admission>,
    /// How answers are cached.
    pub cache: Option<RouteCache>,
    /// Which answers are compressed.
    pub compress: Option<Compress>,
    /// What is counted of it.
    pub meter: Arc<meters::Route>,
}

/// What answers a route.
pub enum Dispatch {
    /// A service.
    Upstream(Forward),
    /// A plugin's `handle`.
    Answer(Arc<dyn Plugin>),
    /// A redirect.
    Redirect {
        /// 3xx.
        status: StatusCode,
        /// Made for each request.
        location: Template,
    },
    /// The same answer each time.
    Respond(Answer),
}

/// How a request goes to its upstream.
pub struct Forward {
    /// Where to.
    pub targets: Targets,
    /// How its path changes.
    pub rewrite: Rewrite,
    /// Which host the upstream sees.
    pub host: HostPolicy,
    /// When it is sent once more.
    pub retry: Retry,
    /// None: no WebSocket connections.
    pub websocket: Option<WebSocket>,
    /// Calls of gRPC-Web become calls of gRPC.
    pub grpc_web: bool,
}

impl Route {
    /// How WebSocket connections are held, where there may be any.
    #[must_use]
    pub fn websocket(&self) -> Option<WebSocket> {
        match &self.dispatch {
            Dispatch::Upstream(forward) => forward.websocket,
            _ => None,
        }
    }

    /// Whether calls of gRPC-Web become calls of gRPC.
    #[must_use]
    pub fn takes_grpc_web(&self) -> bool {
        matches!(&self.dispatch, Dispatch::Upstream(forward) if forward.grpc_web)
    }
}

/// The upstreams of a route: one, or several that share.
pub struct Targets {
    /// Each with where its share ends, counted from the first's beginning.
    shares: Vec<(Arc<Upstream>, u64)>,
    /// What keeps a client with its target.
    by: Option<KeyBy>,
}

impl Targets {
    /// None where nobody gets anything.
    #[must_use]
    pub fn new(targets: impl IntoIterator<Item = (Arc<Upstream>, u32)>, by: Option<KeyBy>) -> Option<Self> {
        let mut end = 0;
        let with_share = targets.into_iter().filter(|(_, weight)| *weight > 0);
        let shares: Vec<_> = with_share
            .map(|(upstream, weight)| {
                end += u64::from(weight);
                (upstream, end)
            })
            .collect();
        (!shares.is_empty()).then_some(Self { shares, by })
    }

    /// Whether several share.
    #[must_use]
    pub fn are_several(&self) -> bool {
        self.shares.len() > 1
    }

    /// The upstream of this exchange.
    #[must_use]
    pub fn choose(&self, exchange: &Exchange) -> Option<&Arc<Upstream>> {
        if let [(only, _)] = self.shares.as_slice() {
            return Some(only);
        }
        let total = self.shares.last()?.1;
        let key = self.by.as_ref().and_then(|by| key::of(by, exchange));
        let drawn = key.map_or_else(|| fastrand::u64(..total), |key| key % total);
        self.shares.iter().find(|(_, end)| drawn < *end).map(|(upstream, _)| upstream)
    }
}
