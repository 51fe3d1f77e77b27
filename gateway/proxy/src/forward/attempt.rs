//! One try to have an endpoint answer a request.

use super::response;
use super::spare::Spare;
use super::watch::Watch;
use super::{HostField, Sending};
use crate::tunnel::Handshake;
use crate::upstream::{Endpoint, Lease};
use gateway_config::{Retry as Policy, Statuses};
use gateway_core::clock::now;
use gateway_core::trace::Trace;
use gateway_core::{Body, Error, Kind, Origin, Retry};
use http::{Request, Response, StatusCode};
use hyper::client::conn::TrySendError;
use std::sync::Arc;
use std::time::Instant;

/// A try that is no good.
pub(super) struct Failed {
    /// What there is to answer all the same: an answer with a status that the policy does not take, or why there is none.
    pub(super) answer: Result<Box<Response<Body>>, Error>,
    /// The request, where it may be sent once more.
    pub(super) again: Option<Box<Request<Body>>>,
    /// Who failed; none where nobody was asked.
    pub(super) endpoint: Option<Arc<Endpoint>>,
}

impl Failed {
    #[cold]
    pub(super) fn of(error: Error, again: Option<Box<Request<Body>>>, endpoint: Option<Arc<Endpoint>>) -> Box<Self> {
        Box::new(Self { answer: Err(error), again, endpoint })
    }
}

/// Why there is no answer.
enum Silence {
    /// hyper's error, with the request where none of it was sent.
    Failed(Box<TrySendError<Request<Body>>>),
    Overdue,
}

impl Sending<'_> {
    /// Sends the request and waits for the head of the answer; counted and told as one try, the `number`th after the first.
    pub(super) async fn attempt(
        &self,
        mut request: Box<Request<Body>>,
        tried: &[Arc<Endpoint>],
        number: u32,
    ) -> Result<Box<Response<Body>>, Box<Failed>> {
        let watch = Watch::begin(self, &mut request, number);
        let is_last = number >= self.policy.times;
        let mut asked = None;
        let result = self.exchange(request, tried, is_last, &mut asked).await;
        if let Some(watch) = watch {
            watch.end(asked.as_deref(), &result);
        }
        result
    }

    /// A pooled connection may turn out to be closed. Then a new one to the same endpoint takes its place: if nothing was sent, or
    /// if nothing of an answer came and the request may be sent twice. That says nothing about the endpoint.
    async fn exchange(
        &self,
        request: Box<Request<Body>>,
        tried: &[Arc<Endpoint>],
        is_last: bool,
        asked_of: &mut Option<Arc<Endpoint>>,
    ) -> Result<Box<Response<Body>>, Box<Failed>> {
        if let Some(bridge) = self.upstream.bridge() {
            return self.bridged(bridge, request).await;
        }
        let admitted = self.upstream.admit(self.key, tried, self.deadline).await;
        let (endpoint, permit) = admitted.map_err(|error| Failed::of(error, None, None))?;
        if self.trace.is_some_and(Trace::is_recorded) {
            *asked_of = Some(Arc::clone(&endpoint));
        }
        let mut request = request;
        let mut lease = match endpoint.lease(permit, self.deadline).await {
            Ok(lease) => lease,
            Err((error, endpoint)) => {
                self.upstream.failed(&endpoint);
                return Err(Failed::of(error, self.policy.connect.then_some(request), Some(endpoint)));
            }
        };
        if let Some(meter) = self.upstream.meter() {
            let sum = if lease.connected().reused { &meter.reused } else { &meter.opened };
            sum.add(1);
        }
        // Any other is sent again only where nothing of it was sent.
        let is_repeatable = Spare::may_be(&request);
        let may_repeat = is_repeatable && !is_last && repeats(self.policy);
        loop {
            let field = match &self.host {
                HostField::Endpoint => lease.authority().clone(),
                HostField::Given(value) => value.clone(),
            };
            let scheme = lease.scheme();
            lease.connected().connection.address(&mut request, scheme, field);
            let reused = lease.connected().reused;
            let spare = (may_repeat || (is_repeatable && reused)).then(|| Spare::of(&request, lease.connection()));
            let asked = self.upstream.is_timed().then(now);
            let silence = match self.answer(&mut lease, request).await {
                Ok(response) => return self.judge(response, lease, asked, spare.filter(|_| may_repeat)),
                Err(silence) => silence,
            };
            let (error, unsent, covered) = self.told(silence);
            let was_unsent = unsent.is_some();
            let again = match (unsent, spare) {
                (Some(unsent), _) => Some(unsent),
                (None, Some(spare)) => again(&spare, &lease),
                (None, None) => None,
            };
            if reused && error.retryable() == Retry::IfReused {
                let Some(again) = again else { return Err(self.fail(error, None, lease.endpoint())) };
                request = again;
                lease = match lease.renew(self.deadline).await {
                    Ok(lease) => {
                        if let Some(meter) = self.upstream.meter() {
                            meter.opened.add(1);
                        }
                        lease
                    }
                    Err((error, endpoint)) => {
                        return Err(self.fail(error, self.policy.connect.then_some(request), &endpoint));
                    }
                };
                continue;
            }
            let covered = if was_unsent { self.policy.connect } else { covered && may_repeat };
            return Err(self.fail(error, again.filter(|_| covered), lease.endpoint()));
        }
    }

    /// What is told of it, the request where none of it was sent, and whether the policy sends it once more for that.
    #[cold]
    fn told(&self, silence: Silence) -> (Error, Option<Box<Request<Body>>>, bool) {
        match silence {
            Silence::Overdue => {
                let detail = format!("upstream `{}` sent no answer in time", self.upstream.settings().name);
                (Error::new(Kind::HttpResponseTimeout, detail), None, self.policy.timeout)
            }
            Silence::Failed(mut failure) => {
                let unsent = failure.take_message().map(Box::new);
                (response::fault(failure.into_error(), self.upload), unsent, self.policy.reset)
            }
        }
    }

    async fn answer(&self, lease: &mut Lease, request: Box<Request<Body>>) -> Result<Box<Response<Body>>, Silence> {
        let connected = lease.connected();
        if self.handshake.is_some() {
            connected.connection.may_switch();
        }
        let first_byte = self.upstream.settings().timeouts.first_byte;
        let first_byte = self.policy.per_try.map_or(first_byte, |limit| limit.min(first_byte));
        let overdue = self.upload.answer_overdue(&mut connected.alarm, first_byte, self.deadline);
        match connected.connection.ask(request, overdue).await {
            Some(Ok(response)) => Ok(response),
            Some(Err(failure)) => Err(Silence::Failed(failure)),
            None => Err(Silence::Overdue),
        }
    }

    /// The head is there: what it says of its endpoint, and whether the policy takes it.
    fn judge(
        &self,
        response: Box<Response<Body>>,
        lease: Lease,
        asked: Option<Instant>,
        spare: Option<Spare>,
    ) -> Result<Box<Response<Body>>, Box<Failed>> {
        if let Err(error) = response::check(&response, self.handshake) {
            return Err(self.unfit(error, spare, &lease));
        }
        if let Some(handshake) = self.handshake
            && response.status() == StatusCode::SWITCHING_PROTOCOLS
        {
            return self.switch(handshake, response, lease, asked, spare);
        }
        let settings = self.upstream.settings();
        let is_failure = Statuses::any(&settings.outliers.statuses, response.status().as_u16());
        match is_failure {
            true => self.upstream.failed(lease.endpoint()),
            false => self.upstream.answered(lease.endpoint(), asked),
        }
        let refused = spare.filter(|_| refuses(self.policy, &response));
        let refused = refused.map(|spare| (again(&spare, &lease), Arc::clone(lease.endpoint())));
        let is_good = !is_failure && refused.is_none();
        let response = response::incoming(response, lease, self.upload, settings.timeouts.body, is_good);
        match refused {
            None => Ok(response),
            Some((again, endpoint)) => Err(Box::new(Failed { answer: Ok(response), again, endpoint: Some(endpoint) })),
        }
    }

    #[cold]
    fn switch(
        &self,
        handshake: &Handshake,
        response: Box<Response<Body>>,
        lease: Lease,
        asked: Option<Instant>,
        spare: Option<Spare>,
    ) -> Result<Box<Response<Body>>, Box<Failed>> {
        let endpoint = Arc::clone(lease.endpoint());
        let again = spare.filter(|_| self.policy.reset).and_then(|spare| again(&spare, &lease));
        match response::switched(response, lease, handshake) {
            Ok(response) => {
                self.upstream.answered(&endpoint, asked);
                Ok(response)
            }
            Err(error) => Err(self.fail(error, again, &endpoint)),
        }
    }

    /// The head is none that can be passed on.
    #[cold]
    fn unfit(&self, error: Error, spare: Option<Spare>, lease: &Lease) -> Box<Failed> {
        let again = spare.filter(|_| self.policy.reset).and_then(|spare| again(&spare, lease));
        self.fail(error, again, lease.endpoint())
    }

    /// What goes into the books is the endpoint's own fault only.
    #[cold]
    fn fail(&self, error: Error, again: Option<Box<Request<Body>>>, endpoint: &Arc<Endpoint>) -> Box<Failed> {
        if error.origin() == Origin::Upstream {
            self.upstream.failed(endpoint);
        }
        let again = again.filter(|_| error.origin() == Origin::Upstream);
        Failed::of(error, again, Some(Arc::clone(endpoint)))
    }
}

/// The request that was sent on this connection, as far as that was begun.
#[cold]
fn again(spare: &Spare, lease: &Lease) -> Option<Box<Request<Body>>> {
    spare.request(lease.connection()).ok().map(Box::new)
}

/// Whether a request that was sent may be sent once more for anything.
fn repeats(policy: &Policy) -> bool {
    policy.reset || policy.timeout || !policy.statuses.is_empty() || !policy.grpc.is_empty()
}

fn refuses(policy: &Policy, response: &Response<Body>) -> bool {
    let grpc_status = || response.headers().get("grpc-status")?.to_str().ok()?.parse::<u16>().ok();
    Statuses::any(&policy.statuses, response.status().as_u16())
        || (!policy.grpc.is_empty() && grpc_status().is_some_and(|status| policy.grpc.contains(&status)))
}
