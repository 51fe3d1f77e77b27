//! `gateway explain`: the way that a request would take.

use super::{failed, print, unusable};
use crate::assemble::Assembly;
use crate::cli::Explain;
use crate::reload::{self, Rollback};
use crate::server;
use anyhow::{Context as _, bail};
use gateway_config::{Cache, Dispatch, Listener, Place, QueryKey, Rewrite, Route, Share, Ttl, Verb};
use gateway_core::exchange::Request;
use gateway_core::instruments::Instruments;
use gateway_core::path::{Allow, normalize};
use gateway_plugin_host::HostOptions;
use gateway_proxy::router::{Captured, Matched};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use std::process::ExitCode;

pub(super) fn run(options: &Explain) -> ExitCode {
    match explain(options) {
        Ok(code) => code,
        Err(error) => failed(&error),
    }
}

fn explain(options: &Explain) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let assembler = server::assembler(HostOptions::default(), &Instruments::default(), runtime.handle().clone())?;
    let assembly = match reload::build(&options.config.config, &assembler, None, &Rollback::default()) {
        Ok(assembly) => assembly,
        Err(failure) => return Ok(unusable(&failure)),
    };
    let (request, port) = request(options)?;
    let on_port = |listener: &&Listener| port.is_none_or(|port| listener.address.port() == port);
    let mut listeners: Vec<_> = assembly.config.listeners.iter().filter(on_port).collect();
    if listeners.is_empty() {
        // A public name in front of the gateway has a port of its own.
        listeners = assembly.config.listeners.iter().collect();
    }
    print(format_args!("{} {}", request.method, options.url));
    let mut matched = false;
    for listener in listeners {
        print(format_args!("\nlistener    {} ({})    {}", listener.name, listener.address, at(&listener.place)));
        matched |= match listener.redirect_https {
            Some(port) => {
                print(format_args!("redirect    308 to the same place by HTTPS, port {port}"));
                true
            }
            None => on(&assembly, listener, &request),
        };
    }
    Ok(if matched { ExitCode::SUCCESS } else { ExitCode::from(super::FAILED) })
}

fn request(options: &Explain) -> anyhow::Result<(Request, Option<u16>)> {
    let uri: Uri = options.url.parse().with_context(|| format!("`{}` is not a URL", options.url))?;
    let method = Method::from_bytes(options.method.to_ascii_uppercase().as_bytes())
        .with_context(|| format!("`{}` is not a method", options.method))?;
    let mut headers = HeaderMap::new();
    for field in &options.headers {
        let Some((name, value)) = field.split_once(':') else { bail!("`{field}` is not a field; write `name: value`") };
        let name =
            HeaderName::from_bytes(name.trim().as_bytes()).with_context(|| format!("`{name}` is not a field name"))?;
        headers.append(
            name,
            HeaderValue::from_str(value.trim()).with_context(|| format!("`{value}` is not a field value"))?,
        );
    }
    let all = Allow { encoded_slash: true, backslash: true, encoded_nul: true };
    let path = match uri.path() {
        "" => "/".into(),
        path => normalize(path, all)?.into_owned(),
    };
    let request = Request {
        method,
        scheme: if uri.scheme_str() == Some("https") { "https" } else { "http" },
        authority: uri
            .authority()
            .map_or_else(|| "".into(), |authority| authority.as_str().to_ascii_lowercase().into()),
        path,
        query: uri.query().map(str::to_owned),
        headers,
    };
    Ok((request, uri.port_u16()))
}

/// Whether a route of this listener takes it.
fn on(assembly: &Assembly, listener: &Listener, request: &Request) -> bool {
    let Some(table) = assembly.snapshot.tables.get(&listener.name) else { return false };
    let (found, captured) = match table.router.find(request) {
        Matched::Route(route, captured) => (route, captured),
        Matched::MethodNotAllowed(methods) => {
            let methods: Vec<_> = methods.iter().map(Method::as_str).collect();
            print(format_args!("no route    405: this path is known with {}", methods.join(", ")));
            return false;
        }
        Matched::NotFound => {
            print("no route    404: no route of this listener matches");
            return false;
        }
    };
    let Some(route) = assembly.config.routes.iter().find(|route| route.name == found.name) else { return false };
    print(format_args!("route       {}    {}", route.name, at(&route.place)));
    print(format_args!("matched     {}", conditions(route)));
    for (name, value) in &captured.decoded() {
        print(format_args!("captured    {name} = {value}"));
    }
    for position in listener.chain.iter().chain(&route.chain) {
        if let Some(installed) = assembly.plugins.get(*position) {
            let phases: Vec<_> =
                gateway_core::Plugin::phases(&*installed.plugin).iter().map(|phase| phase.name()).collect();
            let place = installed.written.places.first().map(at).unwrap_or_default();
            print(format_args!("plugin      {} ({})    {place}", installed.written.name, phases.join(", ")));
        }
    }
    dispatch(assembly, route, request, &captured);
    if let Some(cache) = &route.cache {
        print(format_args!("cache       {}", describe(cache)));
    }
    if let Some(compress) = &found.compress {
        let encodings: Vec<_> = compress.encodings.iter().map(|encoding| encoding.name()).collect();
        print(format_args!("compress    {}", encodings.join(", ")));
    }
    print(format_args!("deadline    {:?}", route.deadline));
    true
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

fn dispatch(assembly: &Assembly, route: &Route, request: &Request, captured: &Captured) {
    match &route.dispatch {
        Dispatch::Upstream(forward) => {
            let path = match &forward.rewrite {
                Rewrite::Keep => request.path.clone(),
                Rewrite::Prefix { strip, add } => format!("{} without `{strip}`, with `{add}` in front", request.path),
                Rewrite::Template(template) => gateway_proxy::forward::expand(template, captured),
            };
            print(format_args!("path        {path}"));
            let total: u32 = forward.targets.iter().map(|target| target.weight).sum();
            for target in &forward.targets {
                if let Some(upstream) = assembly.config.upstreams.get(&target.upstream) {
                    let share =
                        if target.weight == total { String::new() } else { format!(" ({} of {total})", target.weight) };
                    self::upstream(upstream, &share);
                }
            }
            if let Some(websocket) = &forward.websocket {
                print(format_args!("websocket   closed after {:?} without a byte", websocket.idle));
            }
            let retry = &forward.retry;
            print(format_args!(
                "retry       {} times, each try within {:?}",
                retry.times,
                retry.per_try.unwrap_or(route.deadline)
            ));
        }
        Dispatch::Answer(position) => {
            if let Some(installed) = assembly.plugins.get(*position) {
                let place = installed.written.places.first().map(at).unwrap_or_default();
                print(format_args!("answer      plugin {}    {place}", installed.written.name));
            }
        }
        Dispatch::Redirect { status, location } => {
            print(format_args!("redirect    {status} to {}", gateway_proxy::forward::expand(location, captured)));
        }
        Dispatch::Respond { status, .. } => print(format_args!("respond     {status}")),
    }
}

fn upstream(upstream: &gateway_config::Upstream, share: &str) {
    print(format_args!("upstream    {}{share}    {}", upstream.name, at(&upstream.place)));
    if let Some(discover) = &upstream.discover {
        print(format_args!("endpoints   {discover}"));
    }
    if let Some(bridge) = &upstream.bridge {
        for server in &bridge.servers {
            print(format_args!("server      {}:{}", server.host, server.port));
        }
        for operation in &bridge.operations {
            let methods = if operation.methods.is_empty() { "any".into() } else { operation.methods.join(",") };
            let verb = match operation.verb {
                Verb::Request => "request",
                Verb::Publish => "publish",
                Verb::Store => "store",
                Verb::Subscribe => "listen",
            };
            print(format_args!("operation   {methods} {} → {verb} {}", operation.path.text, operation.to));
        }
    }
    for endpoint in &upstream.endpoints {
        let weight = if endpoint.weight == 1 { String::new() } else { format!(", weight {}", endpoint.weight) };
        let priority = if endpoint.priority == 0 { String::new() } else { format!(", priority {}", endpoint.priority) };
        let scheme = if endpoint.tls { "https" } else { "http" };
        print(format_args!("endpoint    {scheme}://{}:{}{weight}{priority}", endpoint.host, endpoint.port));
    }
    print(format_args!(
        "limits      connect {:?}, first byte {:?}, {} requests at once",
        upstream.timeouts.connect,
        upstream.timeouts.first_byte,
        upstream.limits.requests.min(upstream.limits.connections)
    ));
}

fn conditions(route: &Route) -> String {
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

fn at(place: &Place) -> String {
    format!("{}:{}:{}", place.file.display(), place.line, place.column)
}
