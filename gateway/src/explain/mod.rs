//! Which way a request would take, where each part of it was written, and why it takes no other one: for `gateway explain`, and for
//! `/explain` on the administration address.

mod others;
mod way;

pub(crate) use way::conditions;

use crate::assemble::Assembly;
use anyhow::{Context as _, bail};
use gateway_config::{Listener, Place};
use gateway_core::exchange::Request;
use gateway_core::path::{Allow, normalize};
use gateway_proxy::router::Matched;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use serde::Serialize;

/// A request that is asked about.
pub(crate) struct Question {
    request: Request,
    port: Option<u16>,
}

/// What each listener that may take it would do.
#[derive(Serialize)]
pub(crate) struct Explanation {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) listeners: Vec<OnListener>,
}

/// What one listener would do.
#[derive(Serialize)]
pub(crate) struct OnListener {
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) place: String,
    /// 404 or 405 where no route takes it.
    pub(crate) refused: Option<u16>,
    /// The route that takes it.
    pub(crate) route: Option<String>,
    pub(crate) way: Vec<Line>,
    /// The nearest other routes.
    pub(crate) others: Vec<Other>,
}

/// One thing that a request meets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Line {
    /// `route`, `plugin`, `upstream`, …
    pub(crate) what: &'static str,
    pub(crate) text: String,
    /// `FILE:LINE:COLUMN`
    pub(crate) place: Option<String>,
}

/// A route that does not take it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Other {
    pub(crate) route: String,
    /// What it asks for.
    pub(crate) matches: String,
    /// What does not hold, or what is better about the other one.
    pub(crate) why: String,
    pub(crate) place: String,
}

/// Lines while they are gathered.
#[derive(Default)]
struct Way(Vec<Line>);

impl Way {
    fn say(&mut self, what: &'static str, text: impl Into<String>) {
        self.maybe_at(what, text, None);
    }

    fn at(&mut self, what: &'static str, text: impl Into<String>, place: &Place) {
        self.maybe_at(what, text, Some(place));
    }

    fn maybe_at(&mut self, what: &'static str, text: impl Into<String>, place: Option<&Place>) {
        self.0.push(Line { what, text: text.into(), place: place.map(at) });
    }
}

impl Question {
    /// Reads what was asked.
    ///
    /// # Errors
    /// It is no method, no URL or no field.
    pub(crate) fn new<'f>(
        method: &str,
        url: &str,
        fields: impl IntoIterator<Item = (&'f str, &'f str)>,
    ) -> anyhow::Result<Self> {
        let uri: Uri = url.parse().with_context(|| format!("`{url}` is not a URL"))?;
        let method = Method::from_bytes(method.to_ascii_uppercase().as_bytes())
            .with_context(|| format!("`{method}` is not a method"))?;
        if uri.scheme().is_some() && uri.authority().is_none_or(|authority| authority.host().is_empty()) {
            bail!("`{url}` has no host");
        }
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            let name = HeaderName::from_bytes(name.trim().as_bytes())
                .with_context(|| format!("`{name}` is not a field name"))?;
            let value =
                HeaderValue::from_str(value.trim()).with_context(|| format!("`{value}` is not a field value"))?;
            headers.try_append(name, value).context("these are too many fields")?;
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
        Ok(Self { request, port: uri.port_u16() })
    }
}

/// What a generation would do with a request.
pub(crate) fn explain(assembly: &Assembly, question: &Question, url: &str) -> Explanation {
    let Question { request, port } = question;
    let on_port = |listener: &&Listener| port.is_none_or(|port| listener.address.port() == port);
    let mut listeners: Vec<_> = assembly.config.listeners.iter().filter(on_port).collect();
    if listeners.is_empty() {
        // A public name in front of the gateway has a port of its own.
        listeners = assembly.config.listeners.iter().collect();
    }
    let on = |listener: &Listener| {
        let mut said = on(assembly, listener, request);
        said.way.splice(0..0, reached(listener, question, url));
        said
    };
    let listeners = listeners.into_iter().map(on).collect();
    Explanation { method: request.method.to_string(), url: url.to_owned(), listeners }
}

/// Why a request to this URL would not come to the listener as it is, where that can be told.
fn reached(listener: &Listener, question: &Question, url: &str) -> Option<Line> {
    let mut way = Way::default();
    let is_https = url.split_once("://").map(|(scheme, _)| scheme.eq_ignore_ascii_case("https"));
    match (question.port?, is_https, &listener.tls) {
        // Port 0 is whichever the system gives.
        (port, ..) if ![port, 0].contains(&listener.address.port()) => {
            way.say("port", format!("no listener has port {port}: so it goes on if something in front hands it on"));
        }
        (_, Some(false), Some(_)) => {
            way.say("scheme", "plain HTTP is refused here with 400: this listener takes HTTPS")
        }
        (_, Some(true), None) => way.say("scheme", "no TLS handshake succeeds here: this listener takes plain HTTP"),
        _ => {}
    }
    way.0.pop()
}

impl Explanation {
    /// Whether something takes it.
    pub(crate) fn is_taken(&self) -> bool {
        self.listeners.iter().any(|listener| listener.refused.is_none())
    }
}

fn on(assembly: &Assembly, listener: &Listener, request: &Request) -> OnListener {
    let mut said = OnListener {
        name: listener.name.to_string(),
        address: listener.address.to_string(),
        place: at(&listener.place),
        refused: None,
        route: None,
        way: Vec::new(),
        others: Vec::new(),
    };
    let mut way = Way::default();
    if let Some(port) = listener.redirect_https {
        way.say("redirect", format!("308 to the same place by HTTPS, port {port}"));
        return OnListener { way: way.0, ..said };
    }
    let Some(table) = assembly.snapshot.tables.get(&listener.name) else { return said };
    match table.router.find(request) {
        Matched::Route(found, captured) => {
            if let Some(route) = assembly.config.routes.iter().find(|route| route.name == found.name) {
                said.way = way::of(assembly, (listener, route), request, (&found, &captured));
                said.route = Some(found.name.to_string());
            }
        }
        Matched::MethodNotAllowed(methods) => {
            let methods: Vec<_> = methods.iter().map(Method::as_str).collect();
            way.say("no route", format!("405: this path is known with {}", methods.join(", ")));
            (said.way, said.refused) = (way.0, Some(405));
        }
        Matched::NotFound => {
            way.say("no route", "404: no route of this listener matches");
            (said.way, said.refused) = (way.0, Some(404));
        }
    }
    said.others = others::of(assembly, listener, request, said.route.as_deref());
    said
}

/// `FILE:LINE:COLUMN`
pub(crate) fn at(place: &Place) -> String {
    format!("{}:{}:{}", place.file.display(), place.line, place.column)
}
