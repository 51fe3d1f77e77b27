//! Endpoints in Consul: the instances of a service whose checks pass, by blocking queries.
//!
//! A query says which answer is known already, by its index, and is answered when there is another one or after a while. The
//! rules for the index are those of Consul's documentation of blocking queries.

use super::super::connect::Destination;
use super::found::scale;
use super::{Discovery, Found};
use bytes::Bytes;
use gateway_config::Consul;
use gateway_core::clock::now;
use gateway_core::{Body, Error, Kind, Origin};
use http::header::{ACCEPT, CONNECTION, HOST, USER_AGENT};
use http::{HeaderValue, Request, StatusCode};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// How long Consul may let a query wait for news.
const WAIT: Duration = Duration::from_secs(60);
/// For everything but the wait.
const ANSWER: Duration = Duration::from_secs(10);
/// Between two queries: an index that runs away, for whatever reason, keeps nobody busy.
const PAUSE: Duration = Duration::from_millis(200);
/// An answer has so many bytes at most.
const LARGEST: usize = 8 * 1024 * 1024;

pub(super) struct Catalogue {
    settings: Consul,
    destination: Destination,
    /// What is known already; 0: nothing.
    index: u64,
    asked: Option<Instant>,
}

impl Catalogue {
    pub(super) fn new(settings: &Consul) -> Self {
        let destination = Destination::new(&settings.host, settings.port);
        Self { settings: settings.clone(), destination, index: 0, asked: None }
    }

    async fn ask(&self) -> Result<(u64, Vec<Found>), Error> {
        let problem = |what: String| {
            Error::new(
                Kind::DestinationUnavailable,
                format!("Consul at {}: {what}", self.destination.authority("http")),
            )
        };
        // It may answer a sixteenth late, so that not all of those who wait come back at once.
        let wait = if self.index == 0 { Duration::ZERO } else { WAIT + WAIT / 16 };
        let answered = tokio::time::timeout(wait + ANSWER, self.exchange()).await;
        let (status, index, body) = answered.map_err(|_| problem("it did not answer in time".to_owned()))??;
        if status != StatusCode::OK {
            let text = String::from_utf8_lossy(&body);
            let said: String = text.chars().filter(|letter| !letter.is_control()).take(200).collect();
            return Err(problem(format!("it answered with status {}: {said}", status.as_u16())));
        }
        let index = index.ok_or_else(|| problem("its answer has no index".to_owned()))?;
        let found = instances(&body).map_err(|cause| problem("its answer is none".to_owned()).because(cause))?;
        Ok((index, found))
    }

    /// One query on a connection of its own.
    async fn exchange(&self) -> Result<(StatusCode, Option<u64>, Bytes), Error> {
        let failed = |cause: hyper::Error| Error::new(Kind::ConnectionTerminated, "Consul's answer").because(cause);
        let request = self.request().map_err(|cause| Error::new(Kind::Internal, "no question").because(cause))?;
        let addresses = self.destination.addresses().await?;
        let socket = TcpStream::connect(addresses.as_slice()).await.map_err(|cause| {
            let detail = format!("Consul at {} takes no connection", self.destination.authority("http"));
            Error::new(Kind::ConnectionRefused, detail).because(cause)
        })?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await.map_err(failed)?;
        // Ends with the set at the latest.
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        let response = sender.send_request(request).await.map_err(failed)?;
        let status = response.status();
        let index = response.headers().get("x-consul-index").and_then(|index| index.to_str().ok()?.parse().ok());
        let body = Body::incoming(response.into_body(), Origin::Upstream).gather(LARGEST).await?;
        Ok((status, index, body))
    }

    fn request(&self) -> Result<Request<Body>, http::Error> {
        let Consul { service, tag, datacenter, token, .. } = &self.settings;
        let mut target = format!("/v1/health/service/{}?passing=1", encoded(service));
        for (name, value) in [("tag", tag), ("dc", datacenter)] {
            if let Some(value) = value {
                target.push_str(&format!("&{name}={}", encoded(value)));
            }
        }
        if self.index > 0 {
            target.push_str(&format!("&index={}&wait={}s", self.index, WAIT.as_secs()));
        }
        let mut request = Request::get(target)
            .header(HOST, self.destination.authority("http"))
            .header(USER_AGENT, "gateway-discovery")
            .header(ACCEPT, "application/json")
            .header(CONNECTION, "close");
        if let Some(token) = token {
            let mut value = HeaderValue::try_from(token.reveal())?;
            value.set_sensitive(true);
            request = request.header("x-consul-token", value);
        }
        request.body(Body::empty())
    }
}

impl Discovery for Catalogue {
    async fn next(&mut self) -> Result<Vec<Found>, Error> {
        if let Some(asked) = self.asked {
            tokio::time::sleep_until((asked + PAUSE).into()).await;
        }
        self.asked = Some(now());
        match self.ask().await {
            Ok((index, found)) => {
                self.index = next_index(self.index, index);
                Ok(found)
            }
            Err(error) => {
                // So that the next answer comes at once, and not with the next news.
                self.index = 0;
                Err(error)
            }
        }
    }
}

/// What is asked with next: nothing known where the index went back, and never less than 1, which would not wait.
pub(super) fn next_index(asked: u64, answered: u64) -> u64 {
    if answered < asked { 0 } else { answered.max(1) }
}

fn encoded(text: &str) -> impl std::fmt::Display {
    utf8_percent_encode(text, NON_ALPHANUMERIC)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    node: Option<Node>,
    service: Service,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Node {
    #[serde(default)]
    address: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Service {
    /// Empty where it is its node's.
    #[serde(default)]
    address: String,
    #[serde(default)]
    port: u16,
    weights: Option<Weights>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Weights {
    passing: u32,
}

/// The instances in an answer. One without a port, or with an address that is none, is left out.
pub(super) fn instances(body: &[u8]) -> Result<Vec<Found>, serde_json::Error> {
    let entries: Vec<Entry> = serde_json::from_slice(body)?;
    let found = entries.into_iter().filter_map(|Entry { node, service }| {
        let host = match service.address.as_str() {
            "" => node?.address,
            address => address.to_owned(),
        };
        let weight = service.weights.map_or(1, |weights| weights.passing);
        (service.port > 0 && is_host(&host)).then(|| Found { weight, ..Found::new(&host, service.port) })
    });
    Ok(scale(found.collect()))
}

fn is_host(host: &str) -> bool {
    let is_name = |host: &str| host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    host.parse::<std::net::IpAddr>().is_ok() || (!host.is_empty() && host.len() <= 253 && is_name(host))
}
