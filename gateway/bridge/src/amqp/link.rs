//! The connection to one broker: one for all workers, made again when it breaks, and the replies that come on it.

use super::secure::Secure;
use crate::pause;
use crate::replies::Replies;
use async_rs::{Runtime, Tokio};
use futures_util::StreamExt as _;
use gateway_config::{BridgeProtocol, Endpoint, Upstream};
use gateway_core::clock::now;
use gateway_core::{Error, Kind};
use lapin::message::Delivery;
use lapin::options::{BasicConsumeOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueDeclareOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use lapin::{Channel, Connection, ConnectionProperties, Consumer, ExchangeKind};
use parking_lot::Mutex;
use rustls::pki_types::ServerName;
use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

/// Seconds without a word after which a connection is given up.
const HEARTBEAT: u16 = 15;

/// The way to one broker.
pub(super) struct Link {
    name: Arc<str>,
    dialer: Arc<Dialer>,
    runtime: Handle,
    state: Arc<watch::Sender<State>>,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// The connection there is, or since when there is none.
struct State {
    session: Option<Arc<Session>>,
    since: Instant,
}

/// A connection as long as it lasts.
pub(super) struct Session {
    pub(super) connection: Connection,
    /// Each with confirms, by exchange: one that is missing ends its own channel only.
    channels: Mutex<HashMap<ShortString, Channel>>,
    /// The queue of replies.
    pub(super) inbox: ShortString,
    pub(super) replies: Arc<Replies<Delivery>>,
}

/// How connections are made.
struct Dialer {
    name: Arc<str>,
    servers: Vec<Endpoint>,
    vhost: String,
    user: AMQPUserInfo,
    patience: Duration,
    /// Where any of the servers wants it.
    tls: Option<TlsConnector>,
    /// The name that their certificates have; none: that of each.
    server_name: Option<String>,
}

impl Link {
    /// # Errors
    /// TLS cannot be spoken as it is written.
    pub(super) fn new(
        upstream: &Upstream,
        bridge: &gateway_config::Bridge,
        runtime: Handle,
    ) -> Result<Self, rustls::Error> {
        let vhost = match &bridge.protocol {
            BridgeProtocol::Amqp { vhost } => vhost.clone(),
            BridgeProtocol::Nats { .. } => String::new(),
        };
        let guest = || "guest".to_owned();
        let wants_tls = bridge.servers.iter().any(|server| server.tls);
        let tls = wants_tls.then(|| crate::tls::config(&upstream.tls)).transpose()?;
        let dialer = Dialer {
            tls: tls.map(|tls| TlsConnector::from(Arc::new(tls))),
            server_name: upstream.tls.server_name.clone(),
            name: Arc::clone(&upstream.name),
            servers: bridge.servers.clone(),
            vhost,
            user: AMQPUserInfo {
                username: bridge.username.clone().unwrap_or_else(guest),
                password: bridge.password.as_ref().map_or_else(guest, |password| password.reveal().to_owned()),
            },
            patience: upstream.timeouts.connect,
        };
        Ok(Self {
            name: Arc::clone(&upstream.name),
            dialer: Arc::new(dialer),
            runtime,
            state: Arc::new(watch::Sender::new(State { session: None, since: now() })),
            task: Mutex::default(),
        })
    }

    pub(super) fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub(super) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Connects, and goes on until it has.
    pub(super) fn start(&self) {
        let mut task = self.task.lock();
        if task.is_none() {
            let (dialer, state) = (Arc::clone(&self.dialer), Arc::clone(&self.state));
            state.send_modify(|state| state.since = now());
            *task = Some(self.runtime.spawn(async move { dialer.keep(&state).await }));
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.state.borrow().session.is_some()
    }

    /// The connection; while one is being made, it is waited for, but not by everybody for ever.
    pub(super) async fn session(&self, deadline: Instant) -> Result<Arc<Session>, Error> {
        let mut state = self.state.subscribe();
        let since = state.borrow().since;
        let patience = deadline.min(since + self.dialer.patience);
        let found = tokio::time::timeout_at(patience.into(), state.wait_for(|state| state.session.is_some())).await;
        let session = found.ok().and_then(Result::ok).and_then(|state| state.session.clone());
        let session = session.ok_or_else(|| self.unavailable("has no connection to its broker"))?;
        match session.connection.status().blocked() {
            true => Err(self.unavailable("has a broker that takes no messages for now")),
            false => Ok(session),
        }
    }

    pub(super) fn unavailable(&self, what: &str) -> Error {
        Error::new(Kind::DestinationUnavailable, format!("upstream `{}` {what}", self.name))
    }

    pub(super) fn broken(&self) -> Error {
        let detail = format!("the connection of upstream `{}` broke before it answered", self.name);
        Error::new(Kind::ConnectionTerminated, detail)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Some(task) = self.task.get_mut().take() {
            task.abort();
        }
    }
}

impl Session {
    /// The channel for an exchange, which must be there.
    pub(super) async fn channel(&self, exchange: &ShortString) -> lapin::Result<Channel> {
        let known = self.channels.lock().get(exchange).filter(|channel| channel.status().connected()).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let channel = self.connection.create_channel().await?;
        if !exchange.as_str().is_empty() {
            let options = ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
            channel.exchange_declare(exchange.clone(), ExchangeKind::Direct, options, FieldTable::default()).await?;
        }
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        self.channels.lock().insert(exchange.clone(), channel.clone());
        Ok(channel)
    }
}

impl Dialer {
    /// Has a connection for as long as somebody has the link.
    async fn keep(&self, state: &watch::Sender<State>) {
        let mut attempt = 0;
        for server in self.servers.iter().cycle() {
            attempt += 1;
            tokio::time::sleep(pause::before(attempt)).await;
            // The handshake may hang as well as the connection.
            let opened = tokio::time::timeout(self.patience.saturating_mul(2), self.open(server)).await;
            let (session, mut replies) = match opened {
                Ok(Ok(opened)) => opened,
                Ok(Err(error)) => {
                    tracing::warn!(upstream = %self.name, server = server.host, %error, "AMQP cannot be connected to");
                    continue;
                }
                Err(_) => {
                    tracing::warn!(upstream = %self.name, server = server.host, "AMQP did not answer in time");
                    continue;
                }
            };
            tracing::info!(upstream = %self.name, "connected to AMQP");
            attempt = 0;
            let known = Arc::clone(&session.replies);
            state.send_modify(|state| state.session = Some(session));
            while let Some(Ok(delivery)) = replies.next().await {
                let number = delivery.properties.correlation_id().as_ref().map(|number| number.as_str().to_owned());
                known.take(&number.unwrap_or_default(), delivery);
            }
            tracing::warn!(upstream = %self.name, "the connection to AMQP broke");
            state.send_modify(|state| *state = State { session: None, since: now() });
            known.close();
        }
    }

    async fn open(&self, server: &Endpoint) -> lapin::Result<(Arc<Session>, Consumer)> {
        let uri = AMQPUri {
            scheme: AMQPScheme::AMQP,
            authority: AMQPAuthority { userinfo: self.user.clone(), host: server.host.clone(), port: server.port },
            vhost: self.vhost.clone(),
            query: AMQPQueryString {
                heartbeat: Some(HEARTBEAT),
                connection_timeout: u64::try_from(self.patience.as_millis()).ok(),
                ..AMQPQueryString::default()
            },
        };
        let properties = ConnectionProperties::default().with_connection_name(format!("gateway {}", self.name).into());
        let connection = match self.tls.clone().filter(|_| server.tls) {
            None => Connection::connect_uri(uri, properties).await?,
            Some(tls) => {
                let name = self.server_name.clone().unwrap_or_else(|| server.host.clone());
                let name =
                    ServerName::try_from(name).map_err(|cause| io::Error::new(ErrorKind::InvalidInput, cause))?;
                let runtime = Runtime::new(Secure { tokio: Tokio::current(), tls, name });
                Connection::connect_uri_with_runtime(uri, properties, runtime).await?
            }
        };
        let channel = connection.create_channel().await?;
        let own = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
        let queue = channel.queue_declare(ShortString::default(), own, FieldTable::default()).await?;
        let options = BasicConsumeOptions { no_ack: true, exclusive: true, ..BasicConsumeOptions::default() };
        let replies =
            channel.basic_consume(queue.name().clone(), ShortString::default(), options, FieldTable::default()).await?;
        let session =
            Session { connection, channels: Mutex::default(), inbox: queue.name().clone(), replies: Arc::default() };
        Ok((Arc::new(session), replies))
    }
}
