//! The composition root: builds the first generation, opens the sockets, reloads, drains.

use crate::admin;
use crate::assemble::{Assembler, Assembly};
use crate::cli::Watching;
use crate::listeners::Listeners;
use crate::reload::{self, Failure, Reload, Rollback, Status};
use arc_swap::ArcSwap;
use gateway_core::clock::since_epoch;
use gateway_core::instruments::Instruments;
use gateway_plugin_host::{Host, HostOptions};
use gateway_proxy::workers::Workers;
use parking_lot::Mutex;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// How often connections that nobody uses are looked for.
const SWEEP: Duration = Duration::from_secs(5);

/// What every part of the running program may ask.
pub(crate) struct Running {
    pub(crate) current: Arc<Mutex<Arc<Assembly>>>,
    pub(crate) listeners: Arc<Listeners>,
    pub(crate) status: Arc<Mutex<Status>>,
    pub(crate) instruments: Instruments,
    pub(crate) draining: std::sync::atomic::AtomicBool,
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
    Ok(Assembler { host: Host::new(options)?, instruments: instruments.clone(), runtime })
}

/// Serves until the process is asked to stop.
pub(crate) async fn serve(path: &Path, watching: Watching, host: HostOptions) -> Result<(), Refusal> {
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
    let listeners = Arc::new(Listeners::new(Arc::clone(&snapshot), workers, instruments.clone(), alive));
    let status = Status { state: "current", generation: 1, since: since_epoch().as_secs(), ..Status::default() };
    let running = Arc::new(Running {
        current: Arc::new(Mutex::new(Arc::clone(&first))),
        listeners: Arc::clone(&listeners),
        status: Arc::new(Mutex::new(status)),
        instruments: instruments.clone(),
        draining: false.into(),
    });
    let bound = listeners.bind(&first.config.listeners).map_err(|problem| {
        let failure = Failure { problems: vec![*problem], sources: first.sources.clone() };
        Refusal::Configuration(Box::new(failure))
    })?;
    if let Some(address) = &first.config.admin {
        admin::serve(address, Arc::clone(&running)).await.map_err(Refusal::Other)?;
    }
    listeners.apply(&first.config.listeners, &first.tls, bound);
    let reload = Reload {
        path: path.to_owned(),
        watching,
        assembler,
        current: Arc::clone(&running.current),
        snapshot: Arc::clone(&snapshot),
        listeners: Arc::clone(&listeners),
        status: Arc::clone(&running.status),
        rollback: Rollback::default(),
        succeeded: instruments.counter("reloads.succeeded"),
        failed: instruments.counter("reloads.failed"),
    };
    tokio::spawn(reload.run(surveyed));
    tokio::spawn(sweep(Arc::clone(&running)));

    asked_to_stop().await.map_err(Refusal::Other)?;
    running.draining.store(true, std::sync::atomic::Ordering::Relaxed);
    let limit = running.current.lock().config.drain;
    tracing::info!(?limit, "draining: no new connections, requests under way may finish");
    listeners.drain();
    if tokio::time::timeout(limit, gone.recv()).await.is_err() {
        tracing::warn!("some requests did not finish in time");
    }
    Ok(())
}

async fn sweep(running: Arc<Running>) {
    let mut ticks = tokio::time::interval(SWEEP);
    loop {
        ticks.tick().await;
        let current = Arc::clone(&running.current.lock());
        current.snapshot.upstreams.values().for_each(|upstream| upstream.sweep());
    }
}

async fn asked_to_stop() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    Ok(())
}
