//! Asks endpoints from time to time how they are, off the request path.

use super::Upstream;
use super::endpoint::Endpoint;
use futures_util::future::join_all;
use gateway_config::{Health, Statuses};
use gateway_core::clock::now;
use gateway_core::{Body, Error, Kind};
use http::header::USER_AGENT;
use http::{HeaderValue, Request, Uri};
use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout_at};

/// Asks for as long as somebody has the service.
pub(super) fn watch(upstream: &Arc<Upstream>) {
    let Some(health) = upstream.settings.health.clone() else { return };
    let weak = Arc::downgrade(upstream);
    tokio::spawn(async move {
        loop {
            let Some(upstream) = weak.upgrade() else { return };
            let endpoints = upstream.endpoints.load_full();
            join_all(endpoints.all().map(|endpoint| check(&upstream, endpoint, &health))).await;
            drop(upstream);
            sleep(health.interval.mul_f64(0.9)).await;
        }
    });
}

/// Not all of them in the same moment.
async fn check(upstream: &Upstream, endpoint: &Arc<Endpoint>, health: &Health) {
    sleep(health.interval.mul_f64(0.1 * fastrand::f64()).min(Duration::from_secs(1))).await;
    let deadline = now() + health.timeout;
    let asked = timeout_at(deadline.into(), ask(endpoint, health, deadline)).await;
    let result = asked.unwrap_or_else(|_| Err(late()));
    if endpoint.checked(result.is_ok(), health.healthy, health.unhealthy) {
        let (upstream, endpoint) = (&*upstream.settings.name, endpoint.name());
        match result {
            Ok(()) => tracing::info!(upstream, endpoint, "is well again"),
            Err(error) => {
                tracing::warn!(upstream, endpoint, "is down: {}", gateway_core::error::chain(&error));
            }
        }
    }
}

fn late() -> Error {
    Error::new(Kind::HttpResponseTimeout, "it did not answer in time")
}

async fn ask(endpoint: &Arc<Endpoint>, health: &Health, deadline: Instant) -> Result<(), Error> {
    let mut connected = endpoint.connect(deadline).await?;
    let Some(path) = &health.path else { return Ok(()) };
    let unusable = |cause: http::Error| Error::new(Kind::Internal, "the question is none").because(cause);
    let uri = Uri::try_from(path.as_str()).map_err(|cause| unusable(cause.into()))?;
    let request = Request::get(uri)
        .header(USER_AGENT, HeaderValue::from_static("gateway-health"))
        .body(Body::empty())
        .map_err(unusable)?;
    let mut request = Box::new(request);
    connected.connection.address(&mut request, endpoint.pool().scheme(), endpoint.pool().authority().clone());
    let answered = connected.connection.ask(request, pending()).await;
    let response = answered.ok_or_else(late)?.map_err(|failure| {
        Error::new(Kind::ConnectionTerminated, "it closed the connection").because(failure.into_error())
    })?;
    let status = response.status();
    if Statuses::any(&health.statuses, status.as_u16()) {
        return Ok(());
    }
    Err(Error::new(Kind::HttpProtocolError, format!("it answered with status {}", status.as_u16())))
}
