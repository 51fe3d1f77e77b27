//! The listeners of the process, kept over generations by name and address.

use crate::process::{Descriptor, Inherited};
use arc_swap::ArcSwap;
use gateway_config::{Diagnostic, Listener as Written};
use gateway_core::instruments::Instruments;
use gateway_proxy::listener::{Bound, LINGER, Listener, Settings, Tls};
use gateway_proxy::snapshot::Snapshot;
use gateway_proxy::workers::Workers;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

type Key = (Arc<str>, SocketAddr);

/// All sockets that take requests.
pub(crate) struct Listeners {
    snapshot: Arc<ArcSwap<Snapshot>>,
    workers: Arc<Workers>,
    instruments: Instruments,
    /// Taken when the process drains.
    alive: Mutex<Option<mpsc::Sender<()>>>,
    open: Mutex<BTreeMap<Key, Listener>>,
    /// Sockets that are bound already, until the first generation serves.
    inherited: Mutex<Inherited>,
}

impl Listeners {
    /// None yet. The sender is dropped with the last connection after [`Self::drain`].
    pub(crate) fn new(
        snapshot: Arc<ArcSwap<Snapshot>>,
        workers: Workers,
        instruments: Instruments,
        alive: mpsc::Sender<()>,
        inherited: Inherited,
    ) -> Self {
        Self {
            snapshot,
            workers: Arc::new(workers),
            instruments,
            alive: Mutex::new(Some(alive)),
            open: Mutex::default(),
            inherited: Mutex::new(inherited),
        }
    }

    /// Returns when each thread that serves has come to something new.
    pub(crate) async fn look(&self) {
        self.workers.look().await;
    }

    /// Binds those that are not open yet. One that has a new name, or a wider or narrower address, takes over from the old one.
    ///
    /// # Errors
    /// One cannot be bound; none is kept.
    pub(crate) fn bind(&self, written: &[Written]) -> Result<Vec<(Key, Bound)>, Box<Diagnostic>> {
        let open = self.open.lock();
        let new = written.iter().filter(|listener| !open.contains_key(&key(listener)));
        let is_leaving = |known: &Key| !written.iter().any(|listener| key(listener) == *known);
        let bind = |listener: &Written| {
            let mut leaving =
                open.iter().filter(|(known, _)| known.1.port() == listener.address.port() && is_leaving(known));
            let bound = match leaving.next() {
                Some(((_, address), old)) if listener.address.port() != 0 => match old.hand_over() {
                    Some(bound) if *address == listener.address => Ok(bound),
                    _ => Bound::bind_beside(old, listener.address),
                },
                _ => match self.inherited.lock().tcp(&listener.name, listener.address) {
                    Some(socket) => Bound::inherited(socket),
                    None => Bound::bind(listener.address),
                },
            };
            let bound = bound.map_err(|error| {
                let message = format!("listener `{}` cannot bind {}: {error}", listener.name, listener.address);
                let mut problem = Diagnostic::error("listener-bind", message).at(&listener.place);
                problem.hint = Some("another program may have it; `ss -ltnp` shows which".into());
                Box::new(problem)
            })?;
            Ok((key(listener), bound))
        };
        new.map(bind).collect()
    }

    /// Serves what was bound, applies changed settings, drains what is no longer written. The snapshot is in force already.
    pub(crate) fn apply(&self, written: &[Written], tls: &HashMap<Arc<str>, Arc<Tls>>, bound: Vec<(Key, Bound)>) {
        let mut open = self.open.lock();
        let settings = |listener: &Written| Settings {
            timeouts: listener.timeouts,
            limits: listener.limits,
            tls: tls.get(&listener.name).cloned(),
        };
        let Some(alive) = self.alive.lock().clone() else { return };
        for (key, bound) in bound {
            if let Some(listener) = written.iter().find(|listener| listener.name == key.0) {
                let (snapshot, workers) = (Arc::clone(&self.snapshot), Arc::clone(&self.workers));
                let settings = settings(listener);
                let served =
                    Listener::serve(bound, &key.0, settings, snapshot, workers, &self.instruments, alive.clone());
                tracing::info!(listener = %key.0, address = %served.address(), "listening");
                open.insert(key, served);
            }
        }
        for listener in written {
            if let Some(served) = open.get(&key(listener)) {
                served.set(settings(listener));
            }
        }
        open.retain(|key, served| {
            let wanted = written.iter().any(|listener| self::key(listener) == *key);
            if !wanted {
                tracing::info!(listener = %key.0, address = %served.address(), "no longer listening");
                served.drain(LINGER);
            }
            wanted
        });
    }

    /// What was inherited and is not taken yet.
    pub(crate) fn inherited<T>(&self, take: impl FnOnce(&mut Inherited) -> T) -> T {
        take(&mut self.inherited.lock())
    }

    /// Closes what was inherited and is nobody's.
    pub(crate) fn forget_inherited(&self) {
        drop(std::mem::take(&mut *self.inherited.lock()));
    }

    /// Every socket with its name, for another process. While these live, what waits in them is left to it.
    pub(crate) fn hand_over(&self) -> io::Result<(Vec<Bound>, Vec<Descriptor>)> {
        let open = self.open.lock();
        let bound = open.iter().filter_map(|((name, _), listener)| Some((name.to_string(), listener.hand_over()?)));
        let bound: Vec<_> = bound.collect();
        let descriptors = bound.iter().map(|(name, bound)| Ok((name.clone(), bound.descriptor()?)));
        let descriptors = descriptors.collect::<io::Result<_>>()?;
        Ok((bound.into_iter().map(|(_, bound)| bound).collect(), descriptors))
    }

    /// Takes no more connections anywhere and lets the open ones end with their requests, for the next of which each waits so long.
    pub(crate) fn drain(&self, patience: Duration) {
        self.alive.lock().take();
        self.open.lock().values().for_each(|listener| listener.drain(patience));
    }

    /// Names and the addresses that they really have.
    pub(crate) fn addresses(&self) -> Vec<(Arc<str>, SocketAddr)> {
        self.open.lock().iter().map(|((name, _), listener)| (Arc::clone(name), listener.address())).collect()
    }
}

fn key(listener: &Written) -> Key {
    (Arc::clone(&listener.name), listener.address)
}
