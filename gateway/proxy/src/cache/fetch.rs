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
use gateway_core::clock::{Clock as _, SystemClock, now};
use gateway_core::exchange::{Exchange, Response};
use gateway_core::{Body, Error};
use http::{HeaderMap, Method, StatusCode};
use http_body::Body as _;
use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Instant, SystemTime};

/// Where an answer is to be stored.
struct Keeping {
    cache: Arc<Cache>,
    key: Vec<u8>,
    place: Arc<Place>,
    /// Fields of the request, for what the answer depends on.
    request: HeaderMap,
    era: u64,
}

/// What the service has said.
struct Came {
    head: Response,
    body: Body,
    framing: Framing,
    /// When it was asked.
    requested: Instant,
    /// When the head was there.
    received: Instant,
    /// The same by the calendar.
    date: SystemTime,
}

impl Lookup<'_> {
    /// Asks the service.
    pub(super) async fn fetch(&self, mut exchange: Box<Exchange>, going: Going) -> Outcome {
        let is_get = exchange.request.method == Method::GET;
        let going = Going { stored: going.stored.filter(|_| is_get), ..going };
        // Plugins see the request of the client afterwards, not what is made of it here.
        let (headers, query) = (exchange.request.headers.clone(), exchange.request.query.clone());
        let counts = &self.rules.settings.key.query;
        exchange.request.query = key::query(counts, query.as_deref()).map(Cow::into_owned);
        let stored = going.stored.as_deref();
        let is_validation =
            stored.is_some_and(|stored| conditions::validate(&mut exchange.request.headers, &stored.headers));
        let requested = now();
        let dispatched = pipeline::dispatch(self.work, exchange, Body::empty(), self.route).await;
        let restore = |mut exchange: Box<Exchange>| {
            (exchange.request.headers, exchange.request.query) = (headers, query);
            exchange
        };
        let (mut exchange, body, framing) = match dispatched {
            Ok((exchange, body, framing)) => (restore(exchange), body, framing),
            Err((exchange, error)) => return self.failed(restore(exchange), error, going),
        };
        let Some(head) = exchange.response.take() else { return Ok((exchange, body)) };
        let came = Came { head, body, framing, requested, received: now(), date: SystemClock.wall() };
        if going.stored.is_some() && came.head.status == StatusCode::NOT_MODIFIED && is_validation {
            return self.validated(exchange, came, going).await;
        }
        match going.stored.is_some() && going.if_error && matches!(came.head.status.as_u16(), 500 | 502..=504) {
            true => Ok(self.in_place(exchange, came, going)),
            false => Ok(self.new_answer(exchange, came, going)),
        }
    }

    /// The service gave no answer; a stale one may be given in its place.
    fn failed(&self, mut exchange: Box<Exchange>, error: Error, going: Going) -> Outcome {
        let Going { stored, flight, if_error, story } = going;
        land(flight, Landing::Failed);
        let status = error.kind().status();
        let Some(stored) = stored.filter(|_| if_error && status.is_server_error()) else {
            return Err((exchange, error));
        };
        tracing::debug!(route = %self.route.name, "stale: {}", gateway_core::error::chain(&error));
        let body = self.give(&mut exchange, &stored, Story { said: Some(status.as_u16()), ..story });
        Ok((exchange, body))
    }

    /// The service is in trouble, and says so; a stale answer is given in place of that.
    fn in_place(&self, mut exchange: Box<Exchange>, came: Came, going: Going) -> (Box<Exchange>, Body) {
        let Going { stored, flight, story, .. } = going;
        land(flight, Landing::Failed);
        let Some(stored) = stored else {
            exchange.response = Some(came.head);
            return (exchange, came.body);
        };
        let body = self.give(&mut exchange, &stored, Story { said: Some(came.head.status.as_u16()), ..story });
        (exchange, body)
    }

    /// The service says that what is stored still holds.
    async fn validated(&self, mut exchange: Box<Exchange>, came: Came, going: Going) -> Outcome {
        let Going { stored: Some(stored), flight, story, .. } = going else { return Ok((exchange, Body::empty())) };
        let story = Story { said: Some(came.head.status.as_u16()), ..story };
        if !conditions::confirms(&came.head.headers, &stored.headers) {
            // It does for what is not stored; nothing is known of this one (RFC 9111 4.3.4).
            self.remove(&exchange);
            let going = Going { stored: None, flight, if_error: false, story };
            return Box::pin(self.fetch(exchange, going)).await;
        }
        let headers = conditions::update(&stored.headers, &came.head.headers);
        let renewed = self.renew(&exchange, &stored, headers, &came);
        land(flight, Landing::Stored);
        let body = self.give(&mut exchange, &renewed, story);
        Ok((exchange, body))
    }

    /// An answer that goes to the client, and is stored where it may be.
    fn new_answer(&self, mut exchange: Box<Exchange>, came: Came, going: Going) -> (Box<Exchange>, Body) {
        let Going { stored, flight, story, .. } = going;
        self.cache.counters.misses.increment();
        let is_get = exchange.request.method == Method::GET;
        // A part, or what a condition says, is no answer for others.
        let is_whole = is_get && (stored.is_some() || self.conditions.is_empty() || came.head.status == StatusCode::OK);
        let judged = self.rules.policy.store(&self.answered(&came, came.head.status, &came.head.headers));
        // What one client got says nothing of what is stored for all.
        let replaces = stored.is_some() && !matches!(judged, Err(Refusal::Identified));
        let fits = came.framing == Framing::Own && came.body.size_hint().lower() <= self.largest() as u64;
        let terms = judged.ok().filter(|_| is_whole && fits);
        let (is_stored, mut head) = (terms.is_some(), came.head);
        let mut body = match terms {
            Some(terms) => self.keep(&exchange, &head, came.body, terms, came.date, flight),
            None => {
                if is_whole && !head.status.is_server_error() {
                    self.pass_by(&exchange, replaces);
                }
                land(flight, Landing::Own);
                came.body
            }
        };
        // The service was asked without its client's conditions, which may hold of what came.
        if stored.is_some() && head.status == StatusCode::OK && self.conditions.is_unmodified(&head.headers) {
            let (status, nothing) = self.conditions.apply(head.status, &mut head.headers, Bytes::new());
            (head.status, body) = (status, Body::from(nothing));
        }
        remove_own(&mut head.headers);
        Story { stored: is_stored, collapsed: false, ..story }.tell(&mut head.headers);
        exchange.response = Some(head);
        (exchange, body)
    }

    fn answered<'a>(&self, came: &Came, status: StatusCode, headers: &'a HeaderMap) -> Answered<'a> {
        Answered {
            status,
            headers,
            is_restricted: self.audience.is_restricted,
            requested: came.requested,
            received: came.received,
            date: came.date,
        }
    }

    fn largest(&self) -> usize {
        usize::try_from(self.cache.settings.largest).unwrap_or(usize::MAX)
    }

    fn place(&self, exchange: &Exchange) -> Arc<Place> {
        let request = &exchange.request;
        let query = key::query(&self.rules.settings.key.query, request.query.as_deref());
        Arc::new(Place::new(&self.route.name, request, query.as_deref()))
    }

    fn keeping(&self, exchange: &Exchange) -> Keeping {
        Keeping {
            cache: Arc::clone(self.cache),
            key: self.key.clone(),
            place: self.place(exchange),
            request: exchange.request.headers.clone(),
            era: self.era,
        }
    }

    /// What is stored holds, with fields that are up to date.
    fn renew(&self, exchange: &Exchange, stored: &Stored, headers: HeaderMap, came: &Came) -> Arc<Stored> {
        let judged = self.rules.policy.store(&self.answered(came, stored.status, &headers));
        let request = &exchange.request.headers;
        let renew =
            |terms| Arc::new(Stored::new(stored.status, headers, stored.body.clone(), terms, request, came.date));
        match judged {
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
            // Copied: what was read shares its buffer with other things, and would keep all of that for as long as it is stored.
            put(Bytes::copy_from_slice(&bytes));
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
                None => Resource::new(self.place(exchange)),
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
        if let Some(before) = key::before(&self.key) {
            self.cache.store.update(&before, &mut |_| None);
        }
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
