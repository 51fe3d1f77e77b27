//! What all plugins of the process share: the engine, the linker, the bound on instances, the compile cache.

use crate::abi::Abi;
use crate::abi::direct::Glue;
use crate::abi::gateway::Imports;
use crate::abi::wasi_http::{self, Concurrent, Http};
use crate::cache::Cache;
use crate::capabilities::crypto::password;
use crate::compile::{Compiler, Target};
use crate::engine;
use crate::kept::Kept;
use crate::limits::MEMORY_CEILING;
use crate::load::{Linked, LoadError, Loaded};
use crate::plugin::{Guest, PluginSettings, WasmPlugin};
use crate::pool::Pool;
use crate::pulse::Pulse;
use crate::state::State;
use crate::threads::Threads;
use gateway_core::instruments::Instruments;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock, Weak};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::Engine;
use wasmtime::component::{HasSelf, Linker};

/// How a host is set up.
#[derive(Debug, Clone)]
pub struct HostOptions {
    /// Where compiled code is kept; nowhere without it.
    pub cache: Option<PathBuf>,
    /// Instances of all plugins together.
    pub instances: u32,
    /// Threads that run guests; each may have one running whatever `limits.waiting` says.
    pub threads: usize,
    /// Where plugins' counters stand.
    pub instruments: Instruments,
    /// Who compiles what takes long, where there is a cache; otherwise it is done in this process.
    pub compiler: Option<Compiler>,
}

impl Default for HostOptions {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(4, usize::from);
        Self { cache: None, instances: 1000, threads, instruments: Instruments::default(), compiler: None }
    }
}

/// Why there is no host.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// wasmtime refuses the settings, or the system the address space.
    #[error("the WebAssembly engine cannot be set up: {0}")]
    Engine(String),
    /// The compile cache.
    #[error("the compile cache `{0}` cannot be used")]
    Cache(PathBuf, #[source] std::io::Error),
    /// A thread.
    #[error("a thread cannot be started")]
    Thread(#[source] std::io::Error),
}

/// The host of all plugins of this process. Plugins keep it alive.
pub struct Host {
    pub(crate) engine: Engine,
    pub(crate) linker: Linker<State>,
    pub(crate) cache: Option<Cache>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) threads: usize,
    /// What modules that are called directly need; made for the first one.
    pub(crate) glue: OnceLock<Arc<Glue>>,
    /// What components of `wasi:http` need; made for the first one.
    concurrent: OnceLock<Concurrent>,
    cached_in: Option<PathBuf>,
    pub(crate) compiler: Option<Compiler>,
    total: u32,
    instruments: Instruments,
    kept: Mutex<HashMap<Arc<str>, Arc<Kept>>>,
    /// How many passwords are hashed at once.
    hashing: Arc<Semaphore>,
    _threads: Threads,
}

/// What the threads and the pools need of it.
pub(crate) struct Shared {
    pub(crate) stopped: AtomicBool,
    pub(crate) pulse: Arc<Pulse>,
    /// Instances that may still be made.
    pub(crate) instances: Arc<Semaphore>,
    /// The engine that ticks as well, once there is one.
    pub(crate) concurrent: OnceLock<Engine>,
    pools: Mutex<Vec<Weak<Pool>>>,
}

impl Host {
    /// Sets up the engine and starts its threads.
    ///
    /// # Errors
    /// What the system or the settings refuse.
    pub fn new(options: HostOptions) -> Result<Arc<Self>, HostError> {
        let unusable = |error: wasmtime::Error| HostError::Engine(format!("{error:#}"));
        let engine = engine::new(options.instances).map_err(unusable)?;
        let mut linker = Linker::new(&engine);
        Imports::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state).map_err(unusable)?;
        let open =
            |directory: PathBuf| Cache::open(&directory, &engine).map_err(|error| HostError::Cache(directory, error));
        let cache = options.cache.clone().map(open).transpose()?;
        let shared = Arc::new(Shared {
            stopped: AtomicBool::new(false),
            pulse: Arc::new(Pulse::new()),
            instances: Arc::new(Semaphore::new(options.instances as usize)),
            concurrent: OnceLock::new(),
            pools: Mutex::default(),
        });
        let threads = Threads::start(&engine, &shared).map_err(HostError::Thread)?;
        Ok(Arc::new(Self {
            engine,
            linker,
            cache,
            shared,
            threads: options.threads,
            glue: OnceLock::new(),
            concurrent: OnceLock::new(),
            cached_in: options.cache,
            compiler: options.compiler,
            total: options.instances,
            instruments: options.instruments,
            kept: Mutex::default(),
            hashing: password::permits(),
            _threads: threads,
        }))
    }

    /// Gives a component its configuration, grants and limits, and runs its start-up and `configure` once.
    ///
    /// # Errors
    /// What is asked for and not granted; why it does not start; what it says against its configuration.
    pub async fn plugin(
        self: &Arc<Self>,
        loaded: Arc<Loaded>,
        mut settings: PluginSettings,
    ) -> Result<Arc<WasmPlugin>, LoadError> {
        if settings.limits.memory > MEMORY_CEILING {
            return Err(LoadError::Memory(settings.limits.memory));
        }
        let kept = self.kept(&settings.name);
        let guest = match &loaded.linked {
            Linked::Gateway(component) => {
                settings.grants = settings.grants.for_asked(loaded.asked(), loaded.optional())?;
                let pool =
                    Pool::new(self, component.clone(), loaded.slots, Arc::new(settings.clone()), Arc::clone(&kept));
                self.shared.pools.lock().push(Arc::downgrade(&pool));
                let first = pool.first().await?;
                pool.put(first);
                Guest::Phases(pool)
            }
            Linked::WasiHttp(linked) => {
                let asked = wasi_http::asked(&loaded, &settings.grants);
                settings.grants = settings.grants.for_asked(&asked, loaded.optional())?;
                let reads = loaded.capabilities.iter().any(|interface| interface == "config");
                if !reads && !wasi_http::is_empty(&settings.config) {
                    return Err(LoadError::Unreadable);
                }
                let settings = Arc::new(settings.clone());
                let http = Http::start(self, Arc::clone(linked), &loaded, settings, Arc::clone(&kept)).await?;
                Guest::Http(Box::new(http))
            }
        };
        Ok(Arc::new(WasmPlugin::new(loaded, Arc::new(settings), kept, guest)))
    }

    /// What modules that are called directly need.
    pub(crate) fn glue(&self) -> Result<&Arc<Glue>, LoadError> {
        if let Some(glue) = self.glue.get() {
            return Ok(glue);
        }
        let target = Target { engine: &self.engine, cache: self.cache.as_ref(), compiler: None, abi: Abi::Gateway };
        let glue = Glue::new(&target).map_err(|error| LoadError::Link(format!("{error:#}")))?;
        // Another load may have been faster; then that one's is everybody's.
        Ok(self.glue.get_or_init(|| Arc::new(glue)))
    }

    /// What components of `wasi:http` need.
    pub(crate) fn concurrent(&self) -> Result<&Concurrent, LoadError> {
        if let Some(concurrent) = self.concurrent.get() {
            return Ok(concurrent);
        }
        let unusable = |error: String| LoadError::Full(format!("the engine for `wasi:http` cannot be set up: {error}"));
        let engine = engine::concurrent(self.total).map_err(|error| unusable(format!("{error:#}")))?;
        let open = |directory| Cache::open(directory, &engine);
        let cache = self.cached_in.as_deref().map(open).transpose().map_err(|error| unusable(error.to_string()))?;
        let linker = wasi_http::linker(&engine).map_err(|error| unusable(format!("{error:#}")))?;
        // Another load may have been faster; then that one's is everybody's.
        let concurrent = self.concurrent.get_or_init(|| Concurrent { engine, linker, cache });
        self.shared.concurrent.get_or_init(|| concurrent.engine.clone());
        Ok(concurrent)
    }

    /// What belongs to a plugin's name.
    fn kept(&self, name: &Arc<str>) -> Arc<Kept> {
        let mut kept = self.kept.lock();
        let new = || Arc::new(Kept::new(name, &self.instruments, &self.hashing));
        let of_name = kept.entry(Arc::clone(name)).or_insert_with(new);
        Arc::clone(of_name)
    }

    /// Instances of all plugins that may still be made.
    #[must_use]
    pub fn free_instances(&self) -> usize {
        self.shared.instances.available_permits()
    }
}

impl Shared {
    pub(crate) fn now(&self) -> u64 {
        self.pulse.now()
    }

    /// The pools in use; those of dropped plugins are forgotten.
    pub(crate) fn pools(&self) -> Vec<Arc<Pool>> {
        let mut pools = self.pools.lock();
        let live: Vec<_> = pools.iter().filter_map(Weak::upgrade).collect();
        pools.retain(|pool| pool.strong_count() > 0);
        live
    }

    /// Room for one more instance, which takes so many of the process's places; what stands idle makes way.
    pub(crate) fn room(&self, slots: u32) -> Option<OwnedSemaphorePermit> {
        loop {
            if let Ok(room) = Arc::clone(&self.instances).try_acquire_many_owned(slots) {
                return Some(room);
            }
            if !self.reclaim() {
                return None;
            }
        }
    }

    /// Makes room for an instance by dropping one that stands idle, of whichever plugin has the most.
    fn reclaim(&self) -> bool {
        let most = self.pools().into_iter().map(|pool| (pool.idle(), pool)).max_by_key(|(idle, _)| *idle);
        most.is_some_and(|(_, pool)| pool.shed())
    }
}
