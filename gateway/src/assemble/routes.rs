//! The routes of each listener, with chains and targets looked up.

use super::plugins::Installed;
use gateway_config::{Compression, Config, Diagnostic, Dispatch, Listener, Route};
use gateway_core::exchange::Answer;
use gateway_core::instruments::Meters;
use gateway_core::{Phase, Plugin, problem};
use gateway_proxy::cache::RouteCache;
use gateway_proxy::chain::Chain;
use gateway_proxy::route;
use gateway_proxy::router::Router;
use gateway_proxy::snapshot::Table;
use gateway_proxy::upstream::{Admission, Upstream};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

type Upstreams = HashMap<Arc<str>, Arc<Upstream>>;

/// What each listener serves.
pub(super) fn tables(
    config: &Config,
    plugins: &[Installed],
    upstreams: &Upstreams,
    meters: &Meters,
) -> Result<BTreeMap<Arc<str>, Arc<Table>>, Vec<Diagnostic>> {
    let mut problems = Vec::new();
    let mut tables = BTreeMap::new();
    for listener in &config.listeners {
        let served =
            config.routes.iter().filter(|route| route.listeners.is_empty() || route.listeners.contains(&listener.name));
        let mut routes = Vec::new();
        for written in served {
            match build(listener, written, plugins, upstreams, meters) {
                Ok(route) => routes.push((written.matches.clone(), written.priority, Arc::new(route))),
                // A route on several listeners has its problem once.
                Err(problem) if problems.contains(&*problem) => {}
                Err(problem) => problems.push(*problem),
            }
        }
        let table = Table {
            websocket: routes.iter().any(|(_, _, route)| route.websocket().is_some()),
            router: Router::new(routes),
            unmatched: chain(listener, &[], plugins),
            target_limit: listener.limits.target,
            body_limit: listener.limits.body,
            redirect_https: listener.redirect_https,
        };
        tables.insert(Arc::clone(&listener.name), Arc::new(table));
    }
    if problems.is_empty() { Ok(tables) } else { Err(problems) }
}

fn build(
    listener: &Listener,
    written: &Route,
    plugins: &[Installed],
    upstreams: &Upstreams,
    meters: &Meters,
) -> Result<route::Route, Box<Diagnostic>> {
    let problem = |code, message: String| Box::new(Diagnostic::error(code, message).at(&written.place));
    if listener.chain.len() + written.chain.len() > Chain::LONGEST {
        let message = format!("route `{}` has more than {} plugins in its chain", written.name, Chain::LONGEST);
        return Err(problem("chain-too-long", message));
    }
    let mut links = listener.chain.iter().chain(&written.chain).filter_map(|position| plugins.get(*position));
    if let Some(service) = links.find(|installed| installed.plugin.phases().has(Phase::Service)) {
        let message = format!(
            "plugin `{}` in the chain of route `{}` is a service of `wasi:http`, which leaves nothing to what follows it",
            service.written.name, written.name
        );
        let mut problem = problem("not-a-link", message);
        problem.hint = Some("name it in `answer`; in a chain stands a middleware of `wasi:http` 0.3".into());
        return Err(problem);
    }
    let dispatch = match &written.dispatch {
        Dispatch::Upstream(forward) => {
            let known = forward
                .targets
                .iter()
                .filter_map(|target| Some((Arc::clone(upstreams.get(&target.upstream)?), target.weight)));
            // The configuration has checked that they exist and that one has a weight.
            let targets = route::Targets::new(known, forward.by.clone())
                .ok_or_else(|| problem("unknown-upstream", format!("route `{}` has no upstream", written.name)))?;
            route::Dispatch::Upstream(route::Forward {
                targets,
                rewrite: forward.rewrite.clone(),
                host: forward.host.clone(),
                retry: forward.retry.clone(),
                websocket: forward.websocket,
                grpc_web: forward.grpc_web,
            })
        }
        Dispatch::Answer(position) => {
            let plugin = plugins
                .get(*position)
                .filter(|installed| {
                    let phases = installed.plugin.phases();
                    phases.has(Phase::Handle) || phases.has(Phase::Service)
                })
                .ok_or_else(|| {
                    let message = format!(
                        "the plugin that answers route `{}` exports no `handle` and is no service of `wasi:http`",
                        written.name
                    );
                    let mut problem = problem("not-an-answer", message);
                    problem.hint = Some("name it in a `chain`, or take one that answers, such as `aggregate`".into());
                    problem
                })?;
            route::Dispatch::Answer(Arc::clone(&plugin.plugin) as Arc<dyn Plugin>)
        }
        Dispatch::Redirect { status, location } => {
            route::Dispatch::Redirect { status: status_of(*status), location: location.clone() }
        }
        Dispatch::Respond { status, headers, body } => {
            route::Dispatch::Respond(fixed(status_of(*status), headers, body.as_deref()))
        }
    };
    Ok(route::Route {
        name: Arc::clone(&written.name),
        chain: chain(listener, &written.chain, plugins),
        dispatch,
        deadline: written.deadline,
        allow: written.allow,
        body_limit: written.body_limit,
        admission: written.concurrency.map(|bound| Admission::new(bound.requests, bound.pending)),
        cache: written.cache.as_ref().map(|cache| RouteCache::new(cache.clone(), digest(listener, written, plugins))),
        compress: match written.compress.as_ref().unwrap_or(&listener.compress) {
            Compression::On(compress) => Some(compress.clone()),
            Compression::Off => None,
        },
        meter: meters.route(&written.name, &pattern(written)),
    })
}

/// The paths of a route as one text, for whoever counts: `/orders/{id}`, `/static/{*}`.
pub(super) fn pattern(written: &Route) -> String {
    let path = &written.matches.path;
    match path.prefix {
        true => format!("{}/{{*}}", path.text.trim_end_matches('/')),
        false => path.text.clone(),
    }
}

/// What tells a route's stored answers from all others: the listener, the route, what answers it, and every plugin that its requests
/// meet. An upstream is known by its name: who makes it another service purges.
fn digest(listener: &Listener, written: &Route, plugins: &[Installed]) -> [u8; 32] {
    let mut digest = Sha256::new();
    let mut part = |bytes: &[u8]| {
        digest.update((bytes.len() as u64).to_le_bytes());
        digest.update(bytes);
    };
    part(listener.name.as_bytes());
    part(written.name.as_bytes());
    part(format!("{:?}", written.cache).as_bytes());
    let answer = match &written.dispatch {
        Dispatch::Answer(position) => Some(position),
        Dispatch::Upstream(forward) => {
            let names: Vec<_> = forward.targets.iter().map(|target| &target.upstream).collect();
            part(format!("{names:?}{:?}{:?}", forward.rewrite, forward.host).as_bytes());
            None
        }
        _ => None,
    };
    for position in listener.chain.iter().chain(&written.chain).chain(answer) {
        if let Some(installed) = plugins.get(*position) {
            part(installed.version.hash.as_bytes());
            part(installed.written.config.value().to_string().as_bytes());
        }
    }
    digest.finalize().into()
}

fn chain(listener: &Listener, own: &[usize], plugins: &[Installed]) -> Chain {
    let link =
        |position: &usize| plugins.get(*position).map(|installed| Arc::clone(&installed.plugin) as Arc<dyn Plugin>);
    Chain::new(listener.chain.iter().chain(own).filter_map(link).collect())
}

/// The configuration has checked its range.
fn status_of(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn fixed(status: StatusCode, fields: &[(String, String)], body: Option<&str>) -> Answer {
    let mut answer = match body {
        None if status.as_u16() >= 400 => problem::answer(status, None),
        _ => {
            Answer { status, headers: HeaderMap::new(), body: bytes::Bytes::from(body.unwrap_or_default().to_owned()) }
        }
    };
    for (name, value) in fields {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
            answer.headers.insert(name, value);
        }
    }
    answer
}
