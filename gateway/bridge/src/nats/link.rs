//! The connection to one NATS: one for all workers, made again when it breaks, and the replies that come on it.

use crate::pause;
use crate::replies::Replies;
use async_nats::{Client, ConnectOptions, Event, Message, ServerAddr};
use futures_util::StreamExt as _;
use gateway_config::{BridgeProtocol, Upstream};
use gateway_core::clock::now;
use gateway_core::{Error, Kind};
use parking_lot::Mutex;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Messages that the library keeps for one subscription; they are taken from there at once.
const SUBSCRIPTION: usize = 1024;

/// Whether there is a connection, and since when.
#[derive(Debug, Clone, Copy)]
struct State {
    is_up: bool,
    since: Instant,
    /// Counts connections.
    number: u64,
}

/// The way to one NATS.
pub(super) struct Link {
    name: Arc<str>,
    /// Taken when it starts.
    prepared: Mutex<Option<(ConnectOptions, Vec<ServerAddr>)>>,
    /// How long a request waits for a connection that is being made.
    patience: Duration,
    runtime: Handle,
    state: Arc<watch::Sender<State>>,
    client: Arc<OnceLock<Inbox>>,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// The client, and where replies come in.
pub(super) struct Inbox {
    pub(super) client: Client,
    /// What the subjects of replies begin with.
    prefix: String,
    pub(super) replies: Arc<Replies<Message>>,
}

/// A connection that was there a moment ago.
pub(super) struct Connected<'a> {
    pub(super) inbox: &'a Inbox,
    state: watch::Receiver<State>,
    number: u64,
}

impl Link {
    pub(super) fn new(upstream: &Upstream, bridge: &gateway_config::Bridge, runtime: Handle) -> Result<Self, String> {
        let state = Arc::new(watch::Sender::new(State { is_up: false, since: now(), number: 0 }));
        let options = options(upstream, bridge, &state)?;
        let servers = bridge.servers.iter().map(|server| {
            let scheme = if server.tls { "tls" } else { "nats" };
            let host = if server.host.contains(':') { format!("[{}]", server.host) } else { server.host.clone() };
            format!("{scheme}://{host}:{}", server.port).parse::<ServerAddr>().map_err(|error| error.to_string())
        });
        Ok(Self {
            name: Arc::clone(&upstream.name),
            prepared: Mutex::new(Some((options, servers.collect::<Result<_, _>>()?))),
            patience: upstream.timeouts.connect,
            runtime,
            state,
            client: Arc::default(),
            task: Mutex::default(),
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Connects, and goes on until it has.
    pub(super) fn start(&self) {
        let Some((options, servers)) = self.prepared.lock().take() else { return };
        let (client, name, told) = (Arc::clone(&self.client), Arc::clone(&self.name), Arc::clone(&self.state));
        self.state.send_modify(|state| state.since = now());
        let task = self.runtime.spawn(async move {
            let connected = match options.connect(servers).await {
                Ok(connected) => connected,
                Err(error) => return tracing::error!(upstream = %name, %error, "NATS cannot be connected to"),
            };
            let (prefix, replies) = (connected.new_inbox(), Arc::new(Replies::default()));
            // Nothing is sent yet: it goes out with the connection, before whatever is asked.
            let subscribed = connected.subscribe(format!("{prefix}.*")).await;
            let _ = client.set(Inbox { client: connected, prefix, replies: Arc::clone(&replies) });
            // Whoever waits looks again.
            told.send_modify(|_| ());
            match subscribed {
                Ok(mut messages) => {
                    while let Some(message) = messages.next().await {
                        let subject = message.subject.to_string();
                        replies.take(subject.rsplit('.').next().unwrap_or_default(), message);
                    }
                }
                Err(error) => tracing::error!(upstream = %name, %error, "replies cannot be listened to"),
            }
        });
        *self.task.lock() = Some(task);
    }

    pub(super) fn is_up(&self) -> bool {
        self.state.borrow().is_up
    }

    /// The connection; while one is being made, it is waited for, but not by everybody for ever.
    pub(super) async fn connected(&self, deadline: Instant) -> Result<Connected<'_>, Error> {
        let mut state = self.state.subscribe();
        let since = state.borrow().since;
        let patience = deadline.min(since + self.patience);
        let number = match tokio::time::timeout_at(
            patience.into(),
            state.wait_for(|state| state.is_up && self.client.get().is_some()),
        )
        .await
        {
            Ok(Ok(state)) => state.number,
            _ => return Err(self.away()),
        };
        let inbox = self.client.get().ok_or_else(|| self.away())?;
        Ok(Connected { inbox, state, number })
    }

    fn away(&self) -> Error {
        Error::new(Kind::DestinationUnavailable, format!("upstream `{}` has no connection to its broker", self.name))
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Some(task) = self.task.get_mut().take() {
            task.abort();
        }
    }
}

impl Inbox {
    /// The subject of a reply.
    pub(super) fn subject(&self, number: u64) -> String {
        format!("{}.{number}", self.prefix)
    }
}

impl Connected<'_> {
    /// Comes when the connection has broken.
    pub(super) async fn lost(&self) {
        lost(self.state.clone(), self.number).await;
    }

    /// The same, for longer than the link may be there.
    pub(super) fn lost_for_good(&self) -> impl Future<Output = ()> + Send + use<> {
        lost(self.state.clone(), self.number)
    }
}

async fn lost(mut state: watch::Receiver<State>, number: u64) {
    let _ = state.wait_for(|state| !state.is_up || state.number != number).await;
}

fn options(
    upstream: &Upstream,
    bridge: &gateway_config::Bridge,
    state: &Arc<watch::Sender<State>>,
) -> Result<ConnectOptions, String> {
    let (name, state) = (Arc::clone(&upstream.name), Arc::clone(state));
    let mut options = ConnectOptions::new()
        .name(format!("gateway {}", upstream.name))
        .retry_on_initial_connect()
        .max_reconnects(None)
        .connection_timeout(upstream.timeouts.connect)
        .ping_interval(Duration::from_secs(15))
        .subscription_capacity(SUBSCRIPTION)
        .reconnect_delay_callback(pause::before)
        .event_callback(move |event| {
            note(&name, &state, &event);
            std::future::ready(())
        });
    if let (Some(username), password) = (&bridge.username, &bridge.password) {
        let password = password.as_ref().map(|password| password.reveal().to_owned()).unwrap_or_default();
        options = options.user_and_password(username.clone(), password);
    }
    if let BridgeProtocol::Nats { token, credentials } = &bridge.protocol {
        if let Some(token) = token {
            options = options.token(token.reveal().to_owned());
        }
        if let Some(credentials) = credentials {
            // What is wrong with it may hold some of it.
            let unreadable = |_| "its credentials are no text of a credentials file".to_owned();
            options = options.credentials(credentials.reveal()).map_err(unreadable)?;
        }
    }
    if bridge.servers.iter().any(|server| server.tls) {
        let config = crate::tls::config(&upstream.tls).map_err(|error| error.to_string())?;
        options = options.require_tls(true).tls_client_config(config);
    }
    Ok(options)
}

fn note(name: &str, state: &watch::Sender<State>, event: &Event) {
    match event {
        Event::Connected => {
            tracing::info!(upstream = name, "connected to NATS");
            state.send_modify(|state| *state = State { is_up: true, since: now(), number: state.number + 1 });
        }
        Event::Disconnected | Event::Closed => {
            tracing::warn!(upstream = name, "the connection to NATS broke");
            state.send_modify(|state| *state = State { is_up: false, since: now(), ..*state });
        }
        Event::ServerError(error) => tracing::warn!(upstream = name, %error, "NATS says no"),
        Event::ClientError(error) => tracing::debug!(upstream = name, %error, "NATS cannot be reached"),
        Event::SlowConsumer(_) => tracing::warn!(upstream = name, "messages of NATS were lost: they came too fast"),
        Event::LameDuckMode | Event::Draining => tracing::info!(upstream = name, "NATS is going to stop"),
    }
}
