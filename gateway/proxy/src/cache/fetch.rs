//! The service is asked: for a new answer, or whether the stored one still holds; and what it says is kept where it may be.

use super::conditions;
use super::control::remove_own;
use super::flights::{Flight, Landing};
use super::policy::{Answered, Refusal, Terms};
use super::serve::{Going, Lookup, Outcome, PASSING};
use super::status::Story;
use super::stored::{Place, Resource, Stored};
use super::{Cache, fill, key, resource_limit};
use crate::forward::Framing;
use crate::pipeline;
use bytes::Bytes;
use gateway_core::Body;
use gateway_core::clock::{Clock as _, SystemClock, now};
use gateway_core::exchange::{Exchange, Response};
use http::{HeaderMap, Method, StatusCode};
use http_body::Body as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

/// Where an answer is to be stored.
struct Keeping {
    cache: Arc<Cache>,
    key: Vec<u8>,
    place: Arc<Place>,
    /// Fields of the request, for what the answer depends on.
    request: HeaderMap,
    era: u64,
}

impl Lookup<'_> {
    /// Asks the service.
    pub(super) async fn fetch(&self, mut exchange: Box<Exchange>, going: Going) -> Outcome {
        let Going { stored, flight, if_error, story } = going;
        let is_get = exchange.request.method == Method::GET;
        // Plugins see the request of the client afterwards, not what was made of it here.
        let request = exchange.request.headers.clone();
        let query = exchange.request.query.clone();
        let counts = &self.rules.settings.key.query;
        exchange.request.query = key::query(counts, query.as_deref()).map(std::borrow::Cow::into_owned);
        let stored = stored.filter(|_| is_get);
        let is_validation =
            stored.as_ref().is_some_and(|stored| conditions::validate(&mut exchange.request.headers, &stored.headers));
        let requested = now();
        let dispatched = pipeline::dispatch(self.work, exchange, Body::empty(), self.route).await;
        let (mut exchange, answer) = match dispatched {
            Ok((exchange, body, framing)) => (exchange, Ok((body, framing))),
            Err((exchange, error)) => (exchange, Err(error)),
        };
        exchange.request.headers = request;
        exchange.request.query = query;
        let (body, framing) = match (answer, &stored) {
            (Ok(answer), _) => answer,
            (Err(error), stored) => {
                land(flight, Landing::Own);
                let is_covered = if_error && error.kind().status().is_server_error();
                let Some(stored) = stored.as_ref().filter(|_| is_covered) else { return Err((exchange, error)) };
                tracing::debug!(route = %self.route.name, "stale: {}", gateway_core::error::chain(&error));
                let story = Story { said: Some(error.kind().status().as_u16()), ..story };
                let body = self.give(&mut exchange, stored, story);
                return Ok((exchange, body));
            }
        };
        let Some(mut head) = exchange.response.take() else { return Ok((exchange, body)) };
        let (received, date) = (now(), SystemClock.wall());
        let mut answered = Answered {
            status: head.status,
            headers: &head.headers,
            is_restricted: self.audience.is_restricted,
            requested,
            received,
            date,
        };
        if let Some(stored) = &stored {
            let story = Story { said: Some(head.status.as_u16()), ..story };
            if head.status == StatusCode::NOT_MODIFIED && is_validation {
                if !conditions::confirms(&head.headers, &stored.headers) {
                    // It holds for what is not stored; nothing is known of this one (RFC 9111 4.3.4).
                    self.remove(&exchange);
                    let going = Going { stored: None, flight, if_error: false, story };
                    return Box::pin(self.fetch(exchange, going)).await;
                }
                let headers = conditions::update(&stored.headers, &head.headers);
                (answered.status, answered.headers) = (stored.status, &headers);
                let renewed = self.renew(&exchange, stored, &answered, date);
                land(flight, Landing::Stored);
                let body = self.give(&mut exchange, &renewed, story);
                return Ok((exchange, body));
            }
            if if_error && matches!(head.status.as_u16(), 500 | 502..=504) {
                land(flight, Landing::Own);
                let body = self.give(&mut exchange, stored, story);
                return Ok((exchange, body));
            }
        }
        self.cache.counters.misses.increment();
        // A part, or what a condition says, is no answer for others.
        let is_whole = is_get && (stored.is_some() || self.conditions.is_empty() || head.status == StatusCode::OK);
        let judged = self.rules.policy.store(&answered);
        // What one client got says nothing of what is stored for all.
        let replaces = stored.is_some() && !matches!(judged, Err(Refusal::Identified));
        let terms = judged.ok().filter(|_| is_whole);
        let keeps = terms.is_some() && framing == Framing::Own && body.size_hint().lower() <= self.largest() as u64;
        let body = match terms.filter(|_| keeps) {
            Some(terms) => self.keep(&exchange, &head, body, terms, date, flight),
            None => {
                if is_whole && !head.status.is_server_error() {
                    self.pass_by(&exchange, replaces);
                }
                land(flight, Landing::Own);
                body
            }
        };
        let is_held = stored.is_some() && head.status == StatusCode::OK && self.conditions.is_unmodified(&head.headers);
        let body = if is_held { self.shorten(&mut head) } else { body };
        remove_own(&mut head.headers);
        Story { stored: keeps, collapsed: false, ..story }.tell(&mut head.headers);
        exchange.response = Some(head);
        Ok((exchange, body))
    }

    fn largest(&self) -> usize {
        usize::try_from(self.cache.settings.largest).unwrap_or(usize::MAX)
    }

    fn keeping(&self, exchange: &Exchange) -> Keeping {
        Keeping {
            cache: Arc::clone(self.cache),
            key: self.key.clone(),
            place: Arc::clone(&self.place),
            request: exchange.request.headers.clone(),
            era: self.era,
        }
    }

    /// What is stored holds, with fields that are up to date.
    fn renew(&self, exchange: &Exchange, stored: &Stored, answered: &Answered<'_>, date: SystemTime) -> Arc<Stored> {
        let request = &exchange.request.headers;
        let body = stored.body.clone();
        let renew = |terms| Arc::new(Stored::new(stored.status, answered.headers.clone(), body, terms, request, date));
        match self.rules.policy.store(answered) {
            Ok(terms) => {
                let renewed = renew(terms);
                self.keeping(exchange).put(&renewed);
                renewed
            }
            Err(refusal) => {
                if refusal != Refusal::Identified {
                    self.remove(exchange);
                }
                renew(stored.terms.clone())
            }
        }
    }

    /// Keeps an answer while its body goes to the client.
    fn keep(
        &self,
        exchange: &Exchange,
        head: &Response,
        body: Body,
        terms: Terms,
        date: SystemTime,
        flight: Option<Flight>,
    ) -> Body {
        let keeping = self.keeping(exchange);
        let (status, headers) = (head.status, head.headers.clone());
        let put = move |body: Bytes| {
            let stored = Stored::new(status, headers, body, terms, &keeping.request, date);
            keeping.cache.counters.stored.increment();
            keeping.put(&Arc::new(stored));
        };
        if let Some(bytes) = body.at_hand().filter(|bytes| bytes.len() <= self.largest()) {
            put(bytes.clone());
            land(flight, Landing::Stored);
            return Body::from(bytes);
        }
        fill::keep(body, self.largest(), &self.cache.budget, move |whole| match whole {
            Some(whole) => {
                put(whole);
                land(flight, Landing::Stored);
            }
            None => land(flight, Landing::Own),
        })
    }

    /// The client has what came: it is told so, in place of it.
    fn shorten(&self, head: &mut Response) -> Body {
        let (status, body) = self.conditions.apply(head.status, &mut head.headers, Bytes::new());
        head.status = status;
        Body::from(body)
    }

    fn remove(&self, exchange: &Exchange) {
        let request = &exchange.request.headers;
        self.cache.store.update(&self.key, &mut |resource| {
            resource.map(|resource| resource.without(request)).filter(|left| left.count() > 0)
        });
    }

    /// For a while nobody waits for answers like this one; and what it takes the place of is gone.
    fn pass_by(&self, exchange: &Exchange, replaces: bool) {
        let request = &exchange.request.headers;
        let end = now() + PASSING;
        self.cache.store.update(&self.key, &mut |resource| {
            let mut left = match resource {
                Some(resource) if replaces => resource.without(request),
                Some(resource) => resource.clone(),
                None => Resource::new(Arc::clone(&self.place)),
            };
            left.passes_until = Some(end);
            Some(left)
        });
    }
}

impl Keeping {
    /// Stores an answer, unless something was purged meanwhile, which may have been meant for it.
    fn put(&self, stored: &Arc<Stored>) {
        let most = usize::try_from(resource_limit(&self.cache.settings)).unwrap_or(usize::MAX);
        let is_current = || self.cache.purges.load(Ordering::Acquire) == self.era;
        self.cache.store.update(&self.key, &mut |resource| {
            let before = || Resource::new(Arc::clone(&self.place));
            match is_current() {
                true => Some(resource.cloned().unwrap_or_else(before).with(Arc::clone(stored), &self.request, most)),
                false => resource.cloned(),
            }
        });
        if !is_current() {
            self.cache.store.update(&self.key, &mut |resource| {
                resource.map(|resource| resource.without(&self.request)).filter(|left| left.count() > 0)
            });
        }
    }
}

fn land(flight: Option<Flight>, landing: Landing) {
    if let Some(flight) = flight {
        flight.land(landing);
    }
}
