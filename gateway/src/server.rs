//! The composition root: builds the first generation, opens the sockets, reloads, hands over, drains.

use crate::admin::{self, Administration};
use crate::assemble::{Assembler, Assembly};
use crate::cli::Watching;
use crate::listeners::Listeners;
use crate::process::{Asked, Inherited, Predecessor, Program, Signals, manager, memory};
use crate::reload::{self, Failure, Orders, Reload, Rollback, Status};
use crate::telemetry::{Log, Outlets, Tail};
use anyhow::Context as _;
use arc_swap::ArcSwap;
use gateway_core::clock::since_epoch;
use gateway_core::instruments::Instruments;
use gateway_core::pressure::Pressure;
use gateway_plugin_host::{Host, HostOptions};
use gateway_proxy::listener::{Bound, LINGER};
use gateway_proxy::upstream::Upstream;
use gateway_proxy::workers::Workers;
use gateway_store::Memory;
use parking_lot::Mutex;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;

/// How often connections that nobody uses are looked for.
const SWEEP: Duration = Duration::from_secs(5);

/// What every part of the running program may ask.
pub(crate) struct Running {
    pub(crate) current: Arc<Mutex<Arc<Assembly>>>,
    pub(crate) listeners: Arc<Listeners>,
    pub(crate) status: Arc<Mutex<Status>>,
    pub(crate) instruments: Instruments,
    pub(crate) draining: AtomicBool,
    pub(crate) log: Log,
    pub(crate) tail: Arc<Tail>,
    pub(crate) orders: Orders,
}

/// A program that could not be started.
pub(crate) enum Refusal {
    /// The configuration cannot be used.
    Configuration(Box<Failure>),
    /// Something else is in the way.
    Other(anyhow::Error),
}

/// Where compiled components are kept: `$XDG_CACHE_HOME/gateway` or `~/.cache/gateway`.
pub(crate) fn cache() -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "read once, before anything runs")]
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")))?;
    Some(base.join("gateway/compiled"))
}

/// What generations are built with; where nothing is served, the plugin host's own options do.
pub(crate) fn assembler(
    options: HostOptions,
    instruments: &Instruments,
    runtime: tokio::runtime::Handle,
) -> anyhow::Result<Assembler> {
    let options = HostOptions { cache: cache(), instruments: instruments.clone(), ..options };
    let pressure = Pressure::default();
    Ok(Assembler {
        host: Host::new(options)?,
        instruments: instruments.clone(),
        outlets: Outlets::new(instruments),
        pressure,
        budgets: Memory::default(),
        runtime,
    })
}

/// Serves until the process is asked to stop, or another one has taken over.
pub(crate) async fn serve(
    path: &Path,
    watching: Watching,
    host: HostOptions,
    inherited: Inherited,
    predecessor: Predecessor,
    log: &Log,
) -> Result<(), Refusal> {
    let instruments = Instruments::default();
    let runtime = tokio::runtime::Handle::current();
    let threads = host.threads;
    let assembler = Arc::new(assembler(host, &instruments, runtime).map_err(Refusal::Other)?);
    let first = {
        let (path, assembler) = (path.to_owned(), Arc::clone(&assembler));
        let build = move || {
            let rollback = Rollback::default();
            (reload::survey(&path, None, &rollback), reload::build(&path, &assembler, None, &rollback))
        };
        tokio::task::spawn_blocking(build).await
    };
    let (surveyed, first) = first.map_err(|panic| Refusal::Other(panic.into()))?;
    let first = first.map_err(Refusal::Configuration)?;
    let first = Arc::new(first);

    let snapshot = Arc::new(ArcSwap::new(Arc::clone(&first.snapshot)));
    let (alive, mut gone) = mpsc::channel(1);
    let workers = Workers::start(threads).map_err(|error| Refusal::Other(error.into()))?;
    let listeners = Arc::new(Listeners::new(Arc::clone(&snapshot), workers, instruments.clone(), alive, inherited));
    let status = Status { state: "current", generation: 1, since: since_epoch().as_secs(), ..Status::default() };
    let (orders, ordered) = Orders::new();
    let running = Arc::new(Running {
        current: Arc::new(Mutex::new(Arc::clone(&first))),
        listeners: Arc::clone(&listeners),
        status: Arc::new(Mutex::new(status)),
        instruments: instruments.clone(),
        draining: false.into(),
        log: log.clone(),
        tail: Arc::clone(assembler.outlets.tail()),
        orders,
    });
    // What comes from now on waits until it serves.
    let mut signals = Signals::new().map_err(|error| Refusal::Other(error.into()))?;
    let bound = listeners.bind(&first.config.listeners).map_err(|problem| {
        let failure = Failure { problems: vec![*problem], sources: first.sources.clone() };
        Refusal::Configuration(Box::new(failure))
    })?;
    let admin = match &first.config.admin {
        Some(written) => {
            let served =
                listeners.inherited(|inherited| admin::serve(&written.address, Arc::clone(&running), inherited));
            Some(served.map_err(Refusal::Other)?)
        }
        None => None,
    };
    listeners.forget_inherited();
    first.snapshot.upstreams.values().for_each(Upstream::start);
    listeners.apply(&first.config.listeners, &first.tls, bound);
    first.warn(None);
    first.count(instruments.meters());
    assembler.outlets.with_log(log);
    assembler.outlets.take_up(&first.config);
    assembler.outlets.start(Arc::clone(&running.current));
    let pressure = assembler.pressure.clone();
    let reload = Reload {
        path: path.to_owned(),
        watching,
        assembler: Arc::clone(&assembler),
        current: Arc::clone(&running.current),
        snapshot: Arc::clone(&snapshot),
        listeners: Arc::clone(&listeners),
        status: Arc::clone(&running.status),
        rollback: Rollback::default(),
        succeeded: instruments.counter("reloads.succeeded"),
        failed: instruments.counter("reloads.failed"),
        before: None,
        is_back: false,
    };
    tokio::spawn(memory::watch(Arc::clone(&running), pressure));
    tokio::spawn(reload.run(surveyed, ordered));
    tokio::spawn(sweep(Arc::clone(&running)));
    if let Some(patience) = manager::patience() {
        tokio::spawn(show_life(Arc::clone(&listeners), patience));
    }

    manager::ready();
    predecessor.relieve();
    // Not before the end: what waits in the sockets is the other process's.
    let handed_over = until_done(&mut signals, &running, admin).await;
    let limit = running.current.lock().config.drain;
    // Where another process serves, nobody is in a hurry, and a client that comes back to its connection can be told.
    let patience = if handed_over.is_some() { limit / 2 } else { LINGER };
    tracing::info!(?limit, "draining: no new connections, requests under way may finish");
    listeners.drain(patience);
    if tokio::time::timeout(limit, gone.recv()).await.is_err() {
        tracing::warn!("some requests did not finish in time");
    }
    assembler.outlets.finish().await;
    Ok(())
}

/// Returns when no more connections are to be taken, with the sockets that another process has taken over.
async fn until_done(signals: &mut Signals, running: &Running, admin: Option<Administration>) -> Option<Vec<Bound>> {
    let program = Program::running();
    while let Asked::Upgrade = signals.next().await {
        let upgraded = tokio::select! {
            upgraded = upgrade(program.as_ref(), running, admin.as_ref()) => upgraded,
            () = signals.stop() => break,
        };
        match upgraded {
            Ok((process, sockets)) => {
                tracing::info!(process, "the new process serves");
                running.draining.store(true, Ordering::Relaxed);
                if let Some(admin) = admin {
                    admin.close();
                }
                manager::replaced(process);
                return Some(sockets);
            }
            Err(error) => tracing::error!("no new process has taken over, this one goes on: {error:#}"),
        }
    }
    running.draining.store(true, Ordering::Relaxed);
    manager::stopping();
    let delay = running.current.lock().config.drain_delay;
    if !delay.is_zero() {
        tracing::info!(?delay, "no longer ready, still taking connections");
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            () = signals.stop() => {}
        }
    }
    None
}

/// Lets another process take over; its process id and what it was handed.
async fn upgrade(
    program: Option<&Program>,
    running: &Running,
    admin: Option<&Administration>,
) -> anyhow::Result<(u32, Vec<Bound>)> {
    let program = program.context("nobody knows how this program was started")?;
    let (sockets, mut descriptors) = running.listeners.hand_over()?;
    if let Some(admin) = admin {
        descriptors.push(admin.descriptor()?);
    }
    Ok((program.take_over(descriptors).await?, sockets))
}

async fn sweep(running: Arc<Running>) {
    let mut ticks = tokio::time::interval(SWEEP);
    loop {
        ticks.tick().await;
        let current = Arc::clone(&running.current.lock());
        current.snapshot.upstreams.values().for_each(|upstream| upstream.sweep());
    }
}

/// Tells the service manager that all threads do their work. One that hangs is not told of, and the process is started again.
async fn show_life(listeners: Arc<Listeners>, patience: Duration) {
    let mut ticks = tokio::time::interval((patience / 3).max(Duration::from_millis(1)));
    loop {
        ticks.tick().await;
        listeners.look().await;
        manager::alive();
    }
}
