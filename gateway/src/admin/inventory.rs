//! `/routes`, `/plugins`, `/upstreams`: what there is, with its state.

use super::status::{self, PluginStatus};
use crate::explain::{at, conditions};
use crate::server::Running;
use gateway_config::{Dispatch, Listener, Route};
use gateway_proxy::upstream::UpstreamStatus;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Serialize)]
pub(super) struct RouteEntry {
    name: Arc<str>,
    /// Those that serve it.
    listeners: Vec<Arc<str>>,
    /// What a request must be, in words.
    matches: String,
    /// Names of plugins in order; a listener's own stand before those.
    chain: Vec<Arc<str>>,
    /// What answers: `upstream a, b`, `plugin c`, `redirect 308`, `respond 403`.
    answers: String,
    place: String,
}

#[derive(Serialize)]
pub(super) struct UpstreamEntry {
    place: String,
    #[serde(flatten)]
    status: UpstreamStatus,
}

/// In the order in which they are written.
pub(super) fn routes(running: &Running) -> Vec<RouteEntry> {
    let current = Arc::clone(&running.current.lock());
    let name = |position: &usize| current.config.plugins.get(*position).map(|plugin| Arc::clone(&plugin.name));
    let serves =
        |listener: &&Listener, route: &Route| route.listeners.is_empty() || route.listeners.contains(&listener.name);
    let entry = |route: &Route| RouteEntry {
        name: Arc::clone(&route.name),
        listeners: current
            .config
            .listeners
            .iter()
            .filter(|listener| serves(listener, route))
            .map(|listener| Arc::clone(&listener.name))
            .collect(),
        matches: conditions(route),
        chain: route.chain.iter().filter_map(name).collect(),
        answers: match &route.dispatch {
            Dispatch::Upstream(forward) => {
                let names: Vec<_> = forward.targets.iter().map(|target| &*target.upstream).collect();
                format!("upstream {}", names.join(", "))
            }
            Dispatch::Answer(position) => format!("plugin {}", name(position).unwrap_or_default()),
            Dispatch::Redirect { status, .. } => format!("redirect {status}"),
            Dispatch::Respond { status, .. } => format!("respond {status}"),
        },
        place: at(&route.place),
    };
    current.config.routes.iter().map(entry).collect()
}

/// One for each use with a configuration of its own.
pub(super) fn plugins(running: &Running) -> Vec<PluginStatus> {
    let current = Arc::clone(&running.current.lock());
    current.plugins.iter().map(status::plugin).collect()
}

/// By name.
pub(super) fn upstreams(running: &Running) -> BTreeMap<Arc<str>, UpstreamEntry> {
    let current = Arc::clone(&running.current.lock());
    let entry = |(name, upstream): (&Arc<str>, &Arc<gateway_proxy::upstream::Upstream>)| {
        let entry = UpstreamEntry { place: at(&upstream.settings().place), status: upstream.status() };
        (Arc::clone(name), entry)
    };
    current.snapshot.upstreams.iter().map(entry).collect()
}
