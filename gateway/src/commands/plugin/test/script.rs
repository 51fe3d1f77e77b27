//! What stands around the plugin in a scenario: what came before it, and the services that it and its route ask.
//!
//! These are the only plugins of the program that are no components, and they are part of no gateway that serves.

use super::play::LONGEST;
use super::scenario::{Answer as Written, SERVICE, Scenario};
use super::transcript::Transcript;
use bytes::Bytes;
use gateway_core::attributes::Owner;
use gateway_core::dispatch::{BoxFuture, Call as SubRequest, Dispatch, Target};
use gateway_core::exchange::{Answer, Exchange};
use gateway_core::joint::Joint;
use gateway_core::plugin::{
    BodyFlow, Call, Fault, FaultKind, Flow, Next, OnError, Phases, Streamed, Summary, Unanswered, over,
};
use gateway_core::{Body, Error, Kind, Phase, Plugin};
use http::{HeaderMap, Method, Response};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::watch;

/// The services of a scenario, and what they were asked.
pub(super) struct Script {
    answers: Mutex<Vec<(Written, Option<u32>)>>,
    upstreams: Vec<String>,
    pub(super) transcript: Arc<Transcript>,
    /// What is known of the next exchange beforehand.
    pub(super) attributes: Mutex<BTreeMap<String, String>>,
    /// Exchanges that have begun and not ended yet.
    pub(super) under_way: watch::Sender<usize>,
}

impl Script {
    pub(super) fn new(scenario: &Scenario, transcript: Arc<Transcript>) -> Self {
        let answers = scenario.answers.iter().map(|answer| (answer.clone(), answer.times)).collect();
        let upstreams = scenario.upstreams().into_iter().map(str::to_owned).collect();
        Self {
            answers: Mutex::new(answers),
            upstreams,
            transcript,
            attributes: Mutex::default(),
            under_way: watch::Sender::new(0),
        }
    }

    /// What is asked is told, what is answered is not: it is written in the scenario.
    fn ask(
        &self,
        kind: &str,
        who: &str,
        method: &Method,
        target: &str,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Option<Written> {
        let found = {
            let mut answers = self.answers.lock();
            let mut fitting =
                answers.iter_mut().filter(|(answer, left)| *left != Some(0) && answer.fits(who, method, target));
            fitting.next().map(|(answer, left)| {
                *left = left.map(|left| left - 1);
                answer.clone()
            })
        };
        let found = found.or_else(|| (who == SERVICE).then(Written::of_service));
        let lacking = if found.is_none() { " (no answer is written)" } else { "" };
        self.transcript.message(&format!("{kind} {method} {target}{lacking}"), headers, body);
        found.filter(|answer| !answer.fails)
    }
}

impl Dispatch for Script {
    fn call(&self, call: SubRequest) -> BoxFuture<'_, Result<Response<Body>, Error>> {
        Box::pin(async move {
            let who = match &call.target {
                Target::Upstream(name) => name.to_string(),
                Target::Origin { host, port, tls, .. } => origin(host, *port, *tls),
            };
            let (head, body) = call.request.into_parts();
            let body = body.gather(LONGEST).await?;
            let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
            let answer = self.ask(&format!("fetch {who}"), &who, &head.method, target, &head.headers, &body);
            let answer =
                answer.ok_or_else(|| Error::new(Kind::ConnectionRefused, format!("`{who}` took no connection")))?;
            let mut response = Response::new(Body::from(Bytes::from(answer.body.clone())));
            *response.status_mut() = answer.status();
            *response.headers_mut() = answer.headers().clone();
            Ok(response)
        })
    }

    fn has_upstream(&self, name: &str) -> bool {
        self.upstreams.iter().any(|known| known == name)
    }
}

fn origin(host: &str, port: u16, tls: bool) -> String {
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    match (tls, port) {
        (true, 443) => format!("https://{host}"),
        (false, 80) => format!("http://{host}"),
        (true, _) => format!("https://{host}:{port}"),
        (false, _) => format!("http://{host}:{port}"),
    }
}

/// Which place around the plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Before it: gives the exchange what earlier plugins would have left, and sees last what it has become.
    Before,
    /// The route's service.
    Service,
}

/// Stands in for the rest of the gateway.
pub(super) struct Around {
    place: Place,
    name: Arc<str>,
    script: Arc<Script>,
}

impl Around {
    pub(super) fn at(place: Place, script: Arc<Script>) -> Arc<dyn Plugin> {
        Arc::new(Self { place, name: "scenario".into(), script })
    }
}

impl Plugin for Around {
    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn phases(&self) -> Phases {
        match self.place {
            Place::Before => [Phase::OnRequest, Phase::OnResponse, Phase::OnComplete].into_iter().collect(),
            Place::Service => Phases::default().with(Phase::Handle),
        }
    }

    fn body_limit(&self) -> usize {
        usize::MAX
    }

    fn decodes(&self) -> bool {
        false
    }

    fn on_error(&self) -> OnError {
        OnError::Deny
    }

    fn on_request(&self, mut exchange: Box<Exchange>) -> Call<'_, Flow> {
        self.script.under_way.send_modify(|count| *count += 1);
        exchange.dispatch = Arc::clone(&self.script) as _;
        // With `consumer` goes what was known of another one, so it comes first.
        let mut attributes: Vec<_> = self.script.attributes.lock().clone().into_iter().collect();
        attributes.sort_by_key(|(name, _)| name != "consumer");
        for (name, value) in attributes {
            let (owner, name) = match name.split_once('/') {
                Some((plugin, name)) => (Owner::Plugin(plugin.into()), name),
                None => (Owner::Shared, name.as_str()),
            };
            if exchange.attributes.write(owner, name, value.into()).is_err() {
                self.script.transcript.note("attributes", "more than an exchange may have");
            }
        }
        over((exchange, Ok(Flow::Next)))
    }

    fn on_response(&self, exchange: Box<Exchange>) -> Call<'_, Flow> {
        let before = self.script.attributes.lock();
        for (name, value) in exchange.attributes.iter() {
            if before.get(&name).map(String::as_bytes) != Some(&value[..]) {
                self.script.transcript.note(&format!("attribute {name}"), &String::from_utf8_lossy(value));
            }
        }
        drop(before);
        over((exchange, Ok(Flow::Next)))
    }

    fn handle(&self, exchange: Box<Exchange>, body: Bytes) -> Call<'_, Answer> {
        let request = &exchange.request;
        let target = match &request.query {
            Some(query) => format!("{}?{query}", request.path),
            None => request.path.clone(),
        };
        let who = exchange.upstream.as_deref().unwrap_or(SERVICE);
        let answer = self.script.ask(who, who, &request.method, &target, &request.headers, &body);
        let answer = answer.map_or_else(
            || gateway_core::problem::of(&Error::new(Kind::ConnectionRefused, format!("`{who}` took no connection"))),
            |answer| Answer {
                status: answer.status(),
                headers: answer.headers().clone(),
                body: answer.body.clone().into(),
            },
        );
        over((exchange, Ok(answer)))
    }

    fn serve(&self, _: &Exchange, _: &Arc<Joint>, body: Body, _: Option<Arc<dyn Next>>) -> BoxFuture<'_, Streamed> {
        let message = "it answers with no stream".to_owned();
        let fault = Fault { plugin: Arc::clone(&self.name), phase: Phase::Service, kind: FaultKind::Trap, message };
        Box::pin(async move { Err(Unanswered { fault, body: Some(body) }) })
    }

    fn on_request_body(&self, exchange: Box<Exchange>, _: Bytes) -> Call<'_, BodyFlow> {
        over((exchange, Ok(BodyFlow::Next)))
    }

    fn on_response_body(&self, exchange: Box<Exchange>, _: Bytes) -> Call<'_, BodyFlow> {
        over((exchange, Ok(BodyFlow::Next)))
    }

    fn on_complete(&self, exchange: Box<Exchange>, _: Summary) -> Call<'_, ()> {
        // The last of the chain: the plugin has completed too.
        self.script.under_way.send_modify(|count| *count -= 1);
        over((exchange, Ok(())))
    }
}
