//! A route as the data plane holds it: everything looked up beforehand.

use crate::chain::Chain;
use crate::upstream::Upstream;
use gateway_config::{Allow, Compress, HostPolicy, Rewrite, Template};
use gateway_core::Plugin;
use gateway_core::exchange::Answer;
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
    /// Which answers are compressed.
    pub compress: Option<Compress>,
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
    pub upstream: Arc<Upstream>,
    /// How its path changes.
    pub rewrite: Rewrite,
    /// Which host the upstream sees.
    pub host: HostPolicy,
}
