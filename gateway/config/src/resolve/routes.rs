//! Routes: what they match, what answers them, and that both fit together.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::cache;
use super::chains::Chains;
use super::compress;
use super::names::Names;
use super::upstreams;
use crate::document::decode::{Checked, Spanned};
use crate::document::reports::Reports;
use crate::document::sections::{self, Document, KeyBy, Leniency, Respond};
use crate::document::value::{
    ExactPath, FieldName, FieldValue, HostPattern, LocationTemplate, MethodName, PathTemplate, PlainPath, PrefixPath,
};
use crate::suggest::did_you_mean;
use crate::{
    Allow, Concurrency, Diagnostic, Dispatch, Forward, HostPolicy, Match, PathPattern, Place, Protocol, Rewrite, Route,
    Segment, Target, Template, TemplatePart, WebSocket,
};

/// The routes in the order written, without the broken ones: nothing can be concluded about those.
pub(crate) fn resolve(
    document: &Document,
    names: &Names<'_>,
    chains: &mut Chains<'_>,
    reports: &mut Reports,
) -> Vec<Route> {
    let mut routes = Vec::new();
    for Spanned { value: written, place } in &document.routes {
        let route = route(written, place, names, chains, reports);
        routes.extend(route.filter(|_| !written.is_broken));
    }
    routes
}

fn route(
    written: &Checked<sections::Route>,
    place: &Place,
    names: &Names<'_>,
    chains: &mut Chains<'_>,
    reports: &mut Reports,
) -> Option<Route> {
    let Checked { value: written, is_broken } = written;
    let allow = allow(&written.allow);
    let listeners = listeners(written, names, reports);
    let matches = matches(&written.matches, allow, reports);
    let chain = chains.resolve(&written.chain, reports);
    let captured = (!is_broken).then(|| captured(&matches.path));
    let dispatch = dispatch(written, captured.as_ref(), names, chains, reports);
    Some(Route {
        name: Arc::clone(&written.name.as_ref()?.value.0),
        listeners,
        priority: written.priority().0,
        chain,
        dispatch: dispatch?,
        matches,
        deadline: written.deadline().duration(),
        allow,
        body_limit: written.limits.body.map(|body| body.bytes()),
        concurrency: written.limits.requests.map(|requests| Concurrency {
            requests: requests.in_memory(),
            pending: written.limits.pending().in_memory(),
        }),
        cache: written.cache.as_ref().and_then(cache::resolve),
        compress: written.compress.as_ref().map(compress::resolve),
        place: place.clone(),
    })
}

fn allow(written: &[Leniency]) -> Allow {
    Allow {
        encoded_slash: written.contains(&Leniency::EncodedSlash),
        backslash: written.contains(&Leniency::Backslash),
        encoded_nul: written.contains(&Leniency::EncodedNul),
        underscore: written.contains(&Leniency::Underscore),
    }
}

fn listeners(written: &sections::Route, names: &Names<'_>, reports: &mut Reports) -> Vec<Arc<str>> {
    let each = written.listener.iter().chain(&written.listeners.0);
    each.map(|name| {
        names.listeners.find(name, reports);
        Arc::clone(&name.value.0)
    })
    .collect()
}

/// The conditions; without a path, any path.
fn matches(written: &sections::Match, allow: Allow, reports: &mut Reports) -> Match {
    let path = match (&written.path, &written.prefix) {
        (Some(Spanned { value: ExactPath(pattern), place }), _)
        | (_, Some(Spanned { value: PrefixPath(pattern), place })) => {
            report_refused_escapes(pattern, place, allow, reports);
            pattern.clone()
        }
        (None, None) => PathPattern { text: "/".to_owned(), segments: Vec::new(), prefix: true },
    };
    let headers = written.headers.0.iter();
    let query = written.query.0.iter();
    Match {
        host: written.host.as_ref().map(|HostPattern(host)| host.clone()),
        path,
        methods: written.methods.0.iter().map(|MethodName(method)| method.clone()).collect(),
        headers: headers.filter_map(|(name, value)| Some((name.value.0.clone(), value.clone()?))).collect(),
        query: query.filter_map(|(name, value)| Some((name.value.0.clone(), value.clone()?))).collect(),
    }
}

/// A literal with an escape that is refused before routing would never match.
fn report_refused_escapes(pattern: &PathPattern, place: &Place, allow: Allow, reports: &mut Reports) {
    let refused = [
        ("%2F", allow.encoded_slash, "encoded-slash"),
        ("%5C", allow.backslash, "backslash"),
        ("%00", allow.encoded_nul, "encoded-nul"),
    ];
    for (escape, is_allowed, word) in refused {
        let is_used = |segment: &Segment| matches!(segment, Segment::Literal(literal) if literal.contains(escape));
        if !is_allowed && pattern.segments.iter().any(is_used) {
            let message = format!("requests with `{escape}` are refused, so this path never matches");
            let diagnostic = Diagnostic::error("refused-path", message).at(place);
            reports.add(diagnostic.hint(format!("let this route accept them: `allow = [\"{word}\"]`")));
        }
    }
}

/// The names that a path captures.
pub(super) fn captured(pattern: &PathPattern) -> BTreeSet<&str> {
    let names = pattern.segments.iter().filter_map(|segment| match segment {
        Segment::Parameter(name) | Segment::Rest(name) => Some(&**name),
        Segment::Literal(_) => None,
    });
    names.collect()
}

fn dispatch(
    written: &sections::Route,
    captured: Option<&BTreeSet<&str>>,
    names: &Names<'_>,
    chains: &mut Chains<'_>,
    reports: &mut Reports,
) -> Option<Dispatch> {
    if written.upstream.is_some() || !written.split.0.is_empty() {
        let host = written.host_header.as_ref().map(|header| header.0.clone());
        return Some(Dispatch::Upstream(Forward {
            targets: targets(written, names, reports),
            by: written.split_by.as_ref().and_then(KeyBy::key),
            rewrite: rewrite(written.rewrite.as_ref(), captured, reports),
            host: host.unwrap_or(HostPolicy::Endpoint),
            retry: upstreams::retry(&written.retry),
            websocket: written.websocket.as_ref().and_then(websocket),
            grpc_web: written.grpc_web(),
        }));
    }
    if let Some(answer) = &written.answer {
        return chains.plugin(answer, reports).map(Dispatch::Answer);
    }
    if let Some(redirect) = &written.redirect {
        let Spanned { value: LocationTemplate(location), place } = redirect.to.as_ref()?;
        report_uncaptured(location, place, captured, reports);
        return Some(Dispatch::Redirect { status: redirect.status().0, location: location.clone() });
    }
    written.respond.as_ref().and_then(|respond| fixed_response(respond, reports))
}

fn websocket(written: &sections::WebSocketSwitch) -> Option<WebSocket> {
    match written {
        sections::WebSocketSwitch::Off => None,
        sections::WebSocketSwitch::On(written) => Some(WebSocket { idle: written.idle().duration() }),
    }
}

/// The one upstream, or those that share.
fn targets(written: &sections::Route, names: &Names<'_>, reports: &mut Reports) -> Vec<Target> {
    let one = written.upstream.iter().map(|name| (name, 1));
    let several = written.split.0.iter().filter_map(|(name, weight)| Some((name, weight.as_ref()?.number())));
    let has_websocket = written.websocket.as_ref().and_then(websocket).is_some();
    let targets = one.chain(several).map(|(name, weight)| {
        let upstream = names.upstreams.find(name, reports).and_then(|definition| definition.value);
        if has_websocket && upstream.is_some_and(|upstream| upstream.spoken() == Protocol::Http2) {
            let message = format!("`{}` is spoken to by HTTP/2, and a WebSocket needs HTTP/1.1", name.value);
            let diagnostic = Diagnostic::error("websocket-over-http2", message).at(&name.place);
            reports.add(diagnostic.hint("give these requests an upstream of their own without `protocol = \"http2\"`"));
        }
        if has_websocket && upstream.is_some_and(|upstream| upstream.nats.is_some() || upstream.amqp.is_some()) {
            let message = format!("`{}` is behind a broker, which speaks no WebSocket", name.value);
            reports.add(Diagnostic::error("websocket-over-bridge", message).at(&name.place));
        }
        if written.grpc_web() && upstream.is_some_and(|upstream| upstream.spoken() == Protocol::Http1) {
            let message = format!("`{}` is not spoken to by HTTP/2, which gRPC needs", name.value);
            let diagnostic = Diagnostic::error("grpc-web-over-http1", message).at(&name.place);
            reports.add(diagnostic.hint("write `protocol = \"http2\"` there, or leave `grpc-web` out"));
        }
        Target { upstream: Arc::clone(&name.value.0), weight }
    });
    let targets: Vec<_> = targets.collect();
    if let Some((first, _)) = written.split.0.first()
        && targets.iter().all(|target| target.weight == 0)
    {
        let diagnostic = Diagnostic::error("nothing-to-split", "every part of this split has the weight 0");
        reports.add_absent(diagnostic.at(&first.place).hint("give at least one a weight"));
    }
    targets
}

fn rewrite(written: Option<&sections::Rewrite>, captured: Option<&BTreeSet<&str>>, reports: &mut Reports) -> Rewrite {
    let Some(written) = written else {
        return Rewrite::Keep;
    };
    if let Some(Spanned { value: PathTemplate(template), place }) = &written.path {
        report_uncaptured(template, place, captured, reports);
        return Rewrite::Template(template.clone());
    }
    let text = |path: &Option<PlainPath>| path.as_ref().map(|PlainPath(path)| path.clone()).unwrap_or_default();
    match (text(&written.strip), text(&written.add)) {
        (strip, add) if strip.is_empty() && add.is_empty() => Rewrite::Keep,
        (strip, add) => Rewrite::Prefix { strip, add },
    }
}

/// A template can only use what the path captures.
fn report_uncaptured(template: &Template, place: &Place, captured: Option<&BTreeSet<&str>>, reports: &mut Reports) {
    let Some(captured) = captured else {
        return;
    };
    for part in &template.parts {
        if let TemplatePart::Parameter(name) = part
            && !captured.contains(&**name)
        {
            let message = format!("the path of this route captures no `{{{name}}}`");
            let hint = did_you_mean(name, captured.iter().copied());
            reports.add_absent(Diagnostic::error("unknown-parameter", message).at(place).maybe_hint(hint));
        }
    }
}

/// Fields that frame a message or concern one connection: the gateway writes them itself.
const OWN_FIELDS: [&str; 6] = ["connection", "content-length", "keep-alive", "te", "transfer-encoding", "upgrade"];

fn fixed_response(written: &Respond, reports: &mut Reports) -> Option<Dispatch> {
    let status = written.status.as_ref()?;
    let number = u16::try_from(status.value.number()).ok()?;
    if let Some(body) = written.body.as_ref().filter(|_| matches!(number, 204 | 205 | 304)) {
        let diagnostic = Diagnostic::error("body-not-allowed", format!("a response with status {number} has no body"));
        reports.add(diagnostic.at(&body.place).label(&status.place, "because of this status"));
    }
    let mut headers = Vec::new();
    for (name, value) in &written.headers.0 {
        let FieldName(text) = &name.value;
        if OWN_FIELDS.contains(&text.as_str()) {
            let message = format!("the gateway itself writes the field `{text}`");
            reports.add(Diagnostic::error("reserved-field", message).at(&name.place));
        }
        headers.extend(value.as_ref().map(|FieldValue(value)| (text.clone(), value.clone())));
    }
    Some(Dispatch::Respond { status: number, headers, body: written.body.as_ref().map(|body| body.value.0.clone()) })
}
