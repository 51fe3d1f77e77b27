//! The order of events for one request on a route with a cache.

use super::conditions::{self, Conditions};
use super::control::{Asked, remove_own};
use super::flights::{Boarding, Flight, Landing, landed};
use super::key::Audience;
use super::policy::Reuse;
use super::status::{Forward, Story};
use super::stored::{Resource, Stored};
use super::{Cache, Caching, RouteCache, invalidate, key};
use crate::forward::{Peer, Upload};
use crate::pipeline::Work;
use crate::route::{Dispatch, Route};
use gateway_core::attributes::Attributes;
use gateway_core::clock::now;
use gateway_core::exchange::{Exchange, Request, Response, Stage};
use gateway_core::{Body, Error, problem};
use http::header::{AGE, HeaderValue};
use http::{Method, StatusCode};
use http_body::Body as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::time::timeout_at;

/// An answer under way, or why there is none.
pub(super) type Outcome = Result<(Box<Exchange>, Body), (Box<Exchange>, Error)>;

/// One request, and what its answer is stored under.
pub(super) struct Lookup<'a> {
    pub(super) work: &'a Work<'a>,
    pub(super) route: &'a Arc<Route>,
    pub(super) cache: &'a Arc<Cache>,
    pub(super) rules: &'a RouteCache,
    pub(super) key: Vec<u8>,
    pub(super) audience: Audience,
    pub(super) asked: Asked,
    pub(super) conditions: Conditions,
    /// How often something had been purged when it began.
    pub(super) era: u64,
}

/// What there is for a request that has to go on.
pub(super) struct Going {
    pub(super) stored: Option<Arc<Stored>>,
    pub(super) flight: Option<Flight>,
    /// What is stored may be given in place of an error.
    pub(super) if_error: bool,
    pub(super) story: Story,
}

/// Answers from what is stored, or by what answers the route.
pub(crate) async fn serve(
    work: &Work<'_>,
    caching: &Caching,
    rules: &RouteCache,
    mut exchange: Box<Exchange>,
    body: Body,
    route: &Arc<Route>,
) -> Outcome {
    let asked = if rules.settings.heed_client { Asked::of(&exchange.request.headers) } else { Asked::default() };
    let is_read = matches!(exchange.request.method, Method::GET | Method::HEAD);
    // What a body asks for is in no key.
    let is_plain = work.handshake.is_none() && body.is_end_stream() && !asked.no_store;
    if !is_read || !is_plain || conditions::are_the_services(&exchange.request.headers) {
        return invalidate::pass(work, caching, exchange, body, route).await;
    }
    settle(&mut exchange, route);
    let lookup = Lookup::new(work, caching, rules, asked, &exchange, route);
    match lookup.find(&mut exchange).await {
        Found::Given(body) => Ok((exchange, body)),
        Found::Going(going) => lookup.fetch(exchange, going).await,
    }
}

/// Chooses among the parts of a split, each of which has answers of its own.
fn settle(exchange: &mut Exchange, route: &Route) {
    if let Dispatch::Upstream(to) = &route.dispatch
        && exchange.upstream.is_none()
        && to.targets.are_several()
        && let Some(upstream) = to.targets.choose(exchange)
    {
        exchange.upstream = Some(Arc::clone(&upstream.settings().name));
    }
}

enum Found {
    Given(Body),
    Going(Going),
}

impl<'a> Lookup<'a> {
    fn new(
        work: &'a Work<'a>,
        caching: &'a Caching,
        rules: &'a RouteCache,
        asked: Asked,
        exchange: &Exchange,
        route: &'a Arc<Route>,
    ) -> Self {
        let (cache, request) = (&caching.cache, &exchange.request);
        let era = cache.purges.load(Ordering::Acquire);
        let audience = Audience::of(exchange, rules.settings.share);
        let query = key::query(&rules.settings.key.query, request.query.as_deref());
        let epoch = cache.epochs.of(key::address(&request.authority, &request.path, query.as_deref()));
        let is_believed = work.snapshot.trusts(work.peer.address.ip());
        Self {
            key: key::of(exchange, rules, &audience, is_believed, epoch),
            conditions: Conditions::of(&request.method, &request.headers),
            work,
            route,
            cache,
            rules,
            audience,
            asked,
            era,
        }
    }

    /// Looks, waits where another one asks for the same, and looks again.
    async fn find(&self, exchange: &mut Exchange) -> Found {
        let is_head = exchange.request.method == Method::HEAD;
        let mut story = Story::default();
        let mut waited: Option<Vec<u8>> = None;
        let wait = self.rules.settings.collapse;
        let patience = exchange.deadline.min(now() + wait.unwrap_or_default());
        loop {
            let resource = self.cache.store.get(&self.key);
            let headers = &exchange.request.headers;
            let stored = resource.as_deref().and_then(|resource| resource.find(headers)).cloned();
            let reuse = stored.as_ref().map(|stored| self.rules.policy.reuse(&stored.terms, &self.asked, now()));
            if let (Some(stored), Some(reuse @ (Reuse::Fresh | Reuse::WhileRevalidate))) = (&stored, reuse) {
                if reuse == Reuse::WhileRevalidate {
                    self.refresh(exchange, stored);
                }
                return Found::Given(self.give(exchange, stored, story));
            }
            if self.asked.only_if_cached {
                return Found::Given(refused(exchange));
            }
            story.forward = Some(self.reason(resource.as_deref(), stored.as_deref()));
            let if_error = matches!(reuse, Some(Reuse::Validate { if_error: true }));
            let going = |flight| Found::Going(Going { stored: stored.clone(), flight, if_error, story });
            let is_each_time = self.asked.no_cache || stored.as_ref().is_some_and(|stored| stored.terms.is_each_time());
            let is_passing =
                resource.as_ref().and_then(|resource| resource.passes_until).is_some_and(|end| now() < end);
            let is_partial = stored.is_none() && !self.conditions.is_empty();
            if wait.is_none() || is_head || is_each_time || is_passing || is_partial {
                return going(None);
            }
            let mut flight = self.key.clone();
            if let Some(newest) = resource.as_deref().and_then(Resource::newest) {
                newest.selection.key(headers, &mut flight);
            }
            let landing = match self.cache.flights.board(&flight) {
                Boarding::Flies(flight) => return going(Some(flight)),
                // What it brought was of no use: the next one would not be either.
                Boarding::Waits(_) if waited.as_ref() == Some(&flight) => return going(None),
                Boarding::Waits(landing) => landing,
            };
            self.cache.counters.collapsed.increment();
            match timeout_at(patience.into(), landed(landing)).await {
                Ok(Landing::Stored) => {
                    story.collapsed = true;
                    waited = Some(flight);
                }
                Ok(Landing::Abandoned) => {}
                // Whoever asks now fails as well, and makes it worse.
                Ok(Landing::Failed) if let Some(stored) = stored.as_ref().filter(|_| if_error) => {
                    story.collapsed = true;
                    return Found::Given(self.give(exchange, stored, story));
                }
                Ok(Landing::Failed | Landing::Own | Landing::None) | Err(_) => return going(None),
            }
        }
    }

    fn reason(&self, resource: Option<&Resource>, stored: Option<&Stored>) -> Forward {
        match (resource, stored) {
            (_, Some(stored)) if stored.terms.left(now()) > 0 && !stored.terms.is_each_time() => Forward::Request,
            (_, Some(_)) => Forward::Stale,
            (Some(resource), None) if resource.count() > 0 => Forward::VaryMiss,
            _ => Forward::UriMiss,
        }
    }

    /// Makes a stored answer the exchange's.
    pub(super) fn give(&self, exchange: &mut Exchange, stored: &Stored, story: Story) -> Body {
        let (now, counters) = (now(), &self.cache.counters);
        let left = stored.terms.left(now);
        let counter = match story.said {
            Some(304) => &counters.validated,
            _ if left > 0 => &counters.hits,
            _ => &counters.stale,
        };
        counter.increment();
        let story = Story { left: Some(left), ..story };
        let mut headers = stored.headers.clone();
        remove_own(&mut headers);
        headers.insert(AGE, HeaderValue::from(stored.terms.age(now).as_secs()));
        story.tell(&mut headers);
        let (status, body) = self.conditions.apply(stored.status, &mut headers, stored.body.clone());
        exchange.response = Some(Response { status, headers });
        Body::from(body)
    }

    /// Fetches a new answer in the background, unless somebody does so already or too much is done.
    fn refresh(&self, exchange: &Exchange, stored: &Arc<Stored>) {
        let Ok(permit) = Arc::clone(&self.cache.background).try_acquire_owned() else { return };
        let Boarding::Flies(flight) = self.cache.flights.board(&self.key) else { return };
        let deadline = now() + self.route.deadline;
        let twin = Box::new(twin(exchange, deadline));
        let (snapshot, route, cache) = (Arc::clone(self.work.snapshot), Arc::clone(self.route), Arc::clone(self.cache));
        let (peer, captured) = (Peer::new(self.work.peer.address), self.work.captured.clone());
        let (key, audience, era, stored) = (self.key.clone(), self.audience.clone(), self.era, Arc::clone(stored));
        tokio::spawn(async move {
            let upload = Upload::default();
            let work = Work { snapshot: &snapshot, peer: &peer, upload: &upload, captured: &captured, handshake: None };
            let Some(rules) = &route.cache else { return };
            let lookup = Lookup {
                work: &work,
                route: &route,
                cache: &cache,
                rules,
                key,
                audience,
                asked: Asked::default(),
                conditions: Conditions::default(),
                era,
            };
            let story = Story::of(Forward::Stale);
            let going = Going { stored: Some(stored), flight: Some(flight), if_error: false, story };
            if let Err((_, error)) = lookup.fetch(twin, going).await {
                tracing::debug!(route = %route.name, "a stale answer was not renewed: {}", gateway_core::error::chain(&error));
            }
            drop(permit);
        });
    }
}

/// Nothing that is stored will do, and the client wants nothing else (RFC 9111 5.2.1.7).
fn refused(exchange: &mut Exchange) -> Body {
    let mut answer = problem::answer(StatusCode::GATEWAY_TIMEOUT, Some("nothing is stored that will do"));
    Story::of(Forward::Request).tell(&mut answer.headers);
    exchange.response = Some(Response { status: answer.status, headers: answer.headers });
    Body::from(answer.body)
}

/// The same request once more, without its client.
fn twin(exchange: &Exchange, deadline: Instant) -> Exchange {
    Exchange {
        id: exchange.id.clone(),
        route: Arc::clone(&exchange.route),
        parameters: exchange.parameters.clone(),
        client: exchange.client,
        certificate: exchange.certificate.clone(),
        request: Request { method: Method::GET, ..exchange.request.clone() },
        response: None,
        stage: Stage::Request,
        attributes: Attributes::clone(&exchange.attributes),
        upstream: exchange.upstream.clone(),
        asked: None,
        trace: exchange.trace.clone(),
        // They are its client's.
        slots: Vec::new(),
        deadline,
        depth: exchange.depth,
        dispatch: Arc::clone(&exchange.dispatch),
    }
}

/// For how long nobody waits for an answer that turned out not to be shared.
pub(super) const PASSING: Duration = Duration::from_secs(10);
