//! What can be asked for, by its path: the whole interface on one page.

use super::guard::{self, Reach};
use super::reply::{self, Problem, Reply, json, of, text};
use super::{control, dashboard, explained, figures, inventory, purge, settings, status, tail};
use crate::server::Running;
use crate::telemetry::metrics::{self, Format};
use http::header::{ACCEPT, HeaderName};
use http::{HeaderValue, Method, Request, StatusCode};
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The description of all of it.
const OPENAPI: &str = include_str!("openapi.json");

/// What every answer says to browsers: nothing from elsewhere, nobody frames it, nobody else reads it.
const FIELDS: [(&str, &str); 4] = [
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("cross-origin-resource-policy", "same-origin"),
    ("referrer-policy", "no-referrer"),
];

/// Answers whoever may ask.
pub(super) async fn answer(request: Request<Incoming>, running: &Arc<Running>, reach: Reach) -> Reply {
    let (parts, body) = request.into_parts();
    let request = Request::from_parts(parts, ());
    let sent = reply::sent(body).await;
    let current = Arc::clone(&running.current.lock());
    let token = current.config.admin.as_ref().and_then(|admin| admin.token.as_ref());
    let path = request.uri().path();
    let is_open = matches!(path, "/live" | "/ready") || dashboard::file(path).is_some();
    let admitted = guard::admit(reach, token, is_open, request.headers());
    let answered = match admitted.and(sent) {
        Ok(sent) => resource(&request, &sent, running).await,
        Err(problem) => Err(problem),
    };
    let mut reply = answered.unwrap_or_else(Reply::from);
    for (name, value) in FIELDS {
        reply.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    reply
}

async fn resource(request: &Request<()>, sent: &[u8], running: &Arc<Running>) -> Result<Reply, Problem> {
    let path = request.uri().path().to_owned();
    if let Some(file) = dashboard::file(&path) {
        reading(request)?;
        return Ok(file);
    }
    let decode = |part: &str| percent_decode_str(part).decode_utf8().map(|part| part.into_owned()).ok();
    let parts: Option<Vec<String>> = path.split('/').skip(1).map(decode).collect();
    let parts = parts.unwrap_or_default();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    match parts.as_slice() {
        ["live"] => reading(request).map(|()| text(StatusCode::OK, "live\n")),
        ["ready"] => reading(request).map(|()| match running.draining.load(Ordering::Relaxed) {
            true => text(StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
            false => text(StatusCode::OK, "ready\n"),
        }),
        ["metrics"] => reading(request).and_then(|()| metrics(request, running)),
        ["openapi.json"] => reading(request).map(|()| of("application/json", OPENAPI)),
        ["status"] => reading(request).map(|()| json(&status::of(running))),
        ["figures"] => reading(request).map(|()| json(&figures::of(running))),
        ["config"] => reading(request).map(|()| json(&settings::of(running))),
        ["routes"] => reading(request).map(|()| json(&inventory::routes(running))),
        ["plugins"] => reading(request).map(|()| json(&inventory::plugins(running))),
        ["upstreams"] => reading(request).map(|()| json(&inventory::upstreams(running))),
        ["failures"] => reading(request).map(|()| json(&tail::failures(running))),
        ["tail"] => reading(request).and_then(|()| tail::answer(request.uri().query().unwrap_or_default(), running)),
        ["upstreams", upstream, "endpoints", endpoint, verb @ ("drain" | "enable")] => {
            changing(request).and_then(|()| reply::nothing(sent))?;
            control::drain(running, upstream, endpoint, *verb == "drain")
        }
        ["cache", "purge"] => {
            changing(request)?;
            purge::answer(request.uri().query().unwrap_or_default(), sent, running)
        }
        ["log-level"] if matches!(*request.method(), Method::GET | Method::HEAD) => Ok(control::level(running)),
        ["log-level"] if request.method() == Method::POST => {
            changing(request)?;
            control::set_level(running, sent)
        }
        ["log-level"] => Err(Problem::method("GET, HEAD, POST")),
        ["reload"] => {
            changing(request).and_then(|()| reply::nothing(sent))?;
            control::reload(running).await
        }
        ["rollback"] => {
            changing(request).and_then(|()| reply::nothing(sent))?;
            control::roll_back(running).await
        }
        ["explain"] => {
            changing(request)?;
            explained::answer(running, sent)
        }
        _ => Err(Problem::absent("/openapi.json says what there is")),
    }
}

fn reading(request: &Request<()>) -> Result<(), Problem> {
    match *request.method() {
        Method::GET | Method::HEAD => Ok(()),
        _ => Err(Problem::method("GET, HEAD")),
    }
}

fn changing(request: &Request<()>) -> Result<(), Problem> {
    match *request.method() {
        Method::POST => guard::intended(request.headers()),
        _ => Err(Problem::method("POST")),
    }
}

/// Every figure, in the form that Prometheus asks for.
fn metrics(request: &Request<()>, running: &Running) -> Result<Reply, Problem> {
    let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let format = Format::of(accept);
    match metrics::render(running, format) {
        Ok(written) => Ok(of(format.media_type(), written)),
        Err(_) => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the figures cannot be written")),
    }
}
