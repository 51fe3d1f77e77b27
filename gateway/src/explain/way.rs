//! The way of a request on a route, line by line.

use super::{Line, Way};
use crate::assemble::Assembly;
use gateway_config::{Cache, Dispatch, Listener, QueryKey, Rewrite, Route, Share, Ttl, Verb};
use gateway_core::exchange::Request;
use gateway_proxy::route;
use gateway_proxy::router::Captured;

/// Everything that the request meets, in the order in which it meets it.
pub(super) fn of(
    assembly: &Assembly,
    (listener, route): (&Listener, &Route),
    request: &Request,
    (found, captured): (&route::Route, &Captured),
) -> Vec<Line> {
    let mut way = Way::default();
    way.at("route", &*route.name, &route.place);
    way.say("matched", conditions(route));
    for (name, value) in &captured.decoded() {
        way.say("captured", format!("{name} = {value}"));
    }
    for position in listener.chain.iter().chain(&route.chain) {
        if let Some(installed) = assembly.plugins.get(*position) {
            let phases: Vec<_> =
                gateway_core::Plugin::phases(&*installed.plugin).iter().map(|phase| phase.name()).collect();
            let text = format!("{} ({})", installed.written.name, phases.join(", "));
            way.maybe_at("plugin", text, installed.written.places.first());
        }
    }
    dispatch(&mut way, assembly, route, request, captured);
    if let Some(cache) = &route.cache {
        way.say("cache", describe(cache));
    }
    if let Some(compress) = &found.compress {
        let encodings: Vec<_> = compress.encodings.iter().map(|encoding| encoding.name()).collect();
        way.say("compress", encodings.join(", "));
    }
    way.say("deadline", format!("{:?}", route.deadline));
    way.0
}

fn dispatch(way: &mut Way, assembly: &Assembly, route: &Route, request: &Request, captured: &Captured) {
    match &route.dispatch {
        Dispatch::Upstream(forward) => {
            way.say(
                "path",
                match &forward.rewrite {
                    Rewrite::Keep => request.path.clone(),
                    Rewrite::Prefix { strip, add } => {
                        format!("{} without `{strip}`, with `{add}` in front", request.path)
                    }
                    Rewrite::Template(template) => gateway_proxy::forward::expand(template, captured),
                },
            );
            let path = gateway_proxy::forward::rewritten(&request.path, captured, &forward.rewrite);
            let total: u32 = forward.targets.iter().map(|target| target.weight).sum();
            for target in &forward.targets {
                if let Some(upstream) = assembly.config.upstreams.get(&target.upstream) {
                    let share =
                        if target.weight == total { String::new() } else { format!(" ({} of {total})", target.weight) };
                    self::upstream(way, upstream, &share);
                    let serving = assembly.snapshot.upstreams.get(&target.upstream);
                    if let (Some(transcoder), Ok(path)) = (serving.and_then(|upstream| upstream.transcoder()), &path) {
                        way.say("call", transcoder.explain(&request.method, path));
                    }
                }
            }
            if let Some(websocket) = &forward.websocket {
                way.say("websocket", format!("closed after {:?} without a byte", websocket.idle));
            }
            let within = forward.retry.per_try.unwrap_or(route.deadline);
            let times =
                if forward.retry.times == 1 { "once".to_owned() } else { format!("{} times", forward.retry.times) };
            way.say("retry", format!("{times}, each try within {within:?}"));
        }
        Dispatch::Answer(position) => {
            if let Some(installed) = assembly.plugins.get(*position) {
                let text = format!("plugin {}", installed.written.name);
                way.maybe_at("answer", text, installed.written.places.first());
            }
        }
        Dispatch::Redirect { status, location } => {
            way.say("redirect", format!("{status} to {}", gateway_proxy::forward::expand(location, captured)));
        }
        Dispatch::Respond { status, .. } => way.say("respond", status.to_string()),
    }
}

fn upstream(way: &mut Way, upstream: &gateway_config::Upstream, share: &str) {
    way.at("upstream", format!("{}{share}", upstream.name), &upstream.place);
    if let Some(discover) = &upstream.discover {
        way.say("endpoints", discover.to_string());
    }
    if let Some(bridge) = &upstream.bridge {
        for server in &bridge.servers {
            way.say("server", format!("{}:{}", server.host, server.port));
        }
        for operation in &bridge.operations {
            let methods = if operation.methods.is_empty() { "any".into() } else { operation.methods.join(",") };
            let verb = match operation.verb {
                Verb::Request => "request",
                Verb::Publish => "publish",
                Verb::Store => "store",
                Verb::Subscribe => "listen",
            };
            way.say("operation", format!("{methods} {} → {verb} {}", operation.path.text, operation.to));
        }
    }
    for endpoint in &upstream.endpoints {
        let weight = if endpoint.weight == 1 { String::new() } else { format!(", weight {}", endpoint.weight) };
        let priority = if endpoint.priority == 0 { String::new() } else { format!(", priority {}", endpoint.priority) };
        let scheme = if endpoint.tls { "https" } else { "http" };
        way.say("endpoint", format!("{scheme}://{}:{}{weight}{priority}", endpoint.host, endpoint.port));
    }
    way.say(
        "limits",
        format!(
            "connect {:?}, first byte {:?}, {} requests at once",
            upstream.timeouts.connect,
            upstream.timeouts.first_byte,
            upstream.limits.requests.min(upstream.limits.connections)
        ),
    );
}

/// How a route caches, in one line.
fn describe(cache: &Cache) -> String {
    let mut parts = Vec::new();
    parts.push(match cache.ttl {
        Ttl::Told => "as answers say".to_owned(),
        Ttl::Default(ttl) => format!("as answers say, else {ttl:?}"),
        Ttl::Fixed(ttl) => format!("for {ttl:?}"),
    });
    match &cache.key.query {
        QueryKey::Whole => {}
        QueryKey::Only(names) if names.is_empty() => parts.push("without query".to_owned()),
        QueryKey::Only(names) => parts.push(format!("by query {}", names.join(", "))),
    }
    for (what, names) in [("field", &cache.key.headers), ("cookie", &cache.key.cookies)] {
        parts.extend(names.iter().map(|name| format!("by {what} {name}")));
    }
    match cache.share {
        Share::Standard => {}
        Share::Consumer => parts.push("by consumer".to_owned()),
        Share::All => parts.push("for all consumers".to_owned()),
    }
    parts.join(", ")
}

/// What a request must be, in one line.
pub(crate) fn conditions(route: &Route) -> String {
    let matches = &route.matches;
    let mut parts = Vec::new();
    match &matches.host {
        Some(gateway_config::Host::Exact(host)) => parts.push(format!("host {host}")),
        Some(gateway_config::Host::Wildcard(host)) => parts.push(format!("host *.{host}")),
        None => {}
    }
    parts.push(format!("{} {}", if matches.path.prefix { "prefix" } else { "path" }, matches.path.text));
    if !matches.methods.is_empty() {
        parts.push(format!("method {}", matches.methods.join(" or ")));
    }
    parts.extend(matches.headers.iter().map(|(name, _)| format!("header {name}")));
    parts.extend(matches.query.iter().map(|(name, _)| format!("query {name}")));
    if route.priority != 0 {
        parts.push(format!("priority {}", route.priority));
    }
    parts.join(", ")
}
