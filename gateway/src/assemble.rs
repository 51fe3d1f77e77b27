//! From what was written to what serves: a configuration and the previous generation become the next one.
//!
//! The only place that knows every feature. Each is handed its own part; what did not change is carried over with its
//! connections, instances and counters.

mod components;
mod plugins;
mod routes;
mod stores;
mod tls;

use crate::process::descriptors;
use crate::reload::Inputs;
use crate::telemetry::Outlets;
use components::Components;
use gateway_config::{Config, Diagnostic, Loaded, Sources};
use gateway_core::bridge::{Bridge, Transcoder};
use gateway_core::instruments::{Instruments, Meters, meters};
use gateway_core::pressure::Pressure;
use gateway_plugin_host::Host;
use gateway_proxy::cache::{Cache, Caching};
use gateway_proxy::listener::Tls;
use gateway_proxy::snapshot::{Counters, Snapshot};
use gateway_proxy::upstream::Upstream;
use gateway_store::{Memory, Shared};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

pub(crate) use components::{Failed, Substitutes, Version};
pub(crate) use plugins::Installed;

/// A generation: what was written, what serves, and what it is made of.
pub(crate) struct Assembly {
    pub(crate) config: Config,
    pub(crate) snapshot: Arc<Snapshot>,
    /// By the name of the listener.
    pub(crate) tls: HashMap<Arc<str>, Arc<Tls>>,
    pub(crate) stores: BTreeMap<Arc<str>, Shared>,
    pub(crate) plugins: Vec<Installed>,
    /// What is probably not meant.
    pub(crate) warnings: Vec<Diagnostic>,
    pub(crate) sources: Sources,
}

/// What every generation is built with.
pub(crate) struct Assembler {
    pub(crate) host: Arc<Host>,
    pub(crate) instruments: Instruments,
    /// Where traces and entries leave; the same over every generation.
    pub(crate) outlets: Outlets,
    /// Told by `process::memory`.
    pub(crate) pressure: Pressure,
    /// Budgets that this gateway counts by itself; they outlive every generation.
    pub(crate) budgets: Memory,
    /// For `configure` and for stores, which run on the runtime.
    pub(crate) runtime: tokio::runtime::Handle,
}

impl Assembler {
    /// Builds the next generation. Blocks while components are compiled: never call it from the runtime's own threads.
    ///
    /// # Errors
    /// Everything that is wrong with plugins and their configurations, each at its place; nothing has changed.
    pub(crate) fn assemble(
        &self,
        loaded: Loaded,
        previous: Option<&Assembly>,
        substitutes: &Substitutes,
    ) -> Result<Assembly, Vec<Diagnostic>> {
        let Loaded { config, mut warnings, sources } = loaded;
        warnings.extend(descriptors::warning(&config));
        let components = Components::read(&self.host, &config, previous, substitutes)?;
        let stores = stores::connect(self, &config, previous)?;
        let plugins = plugins::install(self, &config, &components, &stores, previous)?;
        let upstreams = upstreams(self, &config, previous)?;
        let tables = routes::tables(&config, &plugins, &upstreams, self.instruments.meters())?;
        let tls = tls::prepare(&config, previous)?;
        let authorities = tls::authorities(&config)?;
        let snapshot = Snapshot {
            generation: previous.map_or(1, |previous| previous.snapshot.generation + 1),
            tables,
            upstreams,
            authorities,
            cache: caching(&config, previous, &self.instruments),
            trusted_proxies: config.trusted_proxies.clone(),
            counters: Counters::new(&self.instruments),
            telemetry: self.outlets.of(&config),
            pressure: self.pressure.clone(),
        };
        Ok(Assembly { config, snapshot: Arc::new(snapshot), tls, stores, plugins, warnings, sources })
    }
}

impl Assembly {
    /// Tells in the log what is probably not meant, unless the generation before had the same.
    pub(crate) fn warn(&self, before: Option<&Self>) {
        if !self.warnings.is_empty() && before.is_none_or(|before| before.warnings != self.warnings) {
            tracing::warn!("{}", gateway_config::render(&self.warnings, &self.sources, false).trim_end());
        }
    }

    /// It serves from now on: counts as it says, and forgets what was counted of what it does not have.
    pub(crate) fn count(&self, meters: &Meters) {
        meters.set(self.config.telemetry.metrics);
        let unmatched = &self.snapshot.telemetry.unmatched;
        let routes = self.config.routes.iter().map(|route| (Arc::clone(&route.name), routes::pattern(route).into()));
        meters.retain(&meters::Named {
            routes: routes.chain([(Arc::clone(&unmatched.name), Arc::clone(&unmatched.pattern))]).collect(),
            upstreams: self.config.upstreams.keys().cloned().collect(),
            plugins: self.config.plugins.iter().map(|plugin| Arc::clone(&plugin.name)).collect(),
        });
    }

    /// The files that this generation depends on.
    pub(crate) fn inputs(&self) -> Inputs {
        inputs(&self.config)
    }
}

/// The files that a configuration depends on.
pub(crate) fn inputs(config: &Config) -> Inputs {
    let files = config.files.iter().chain(&config.secret_files).chain(&config.certificate_files).cloned();
    let components = config.plugins.iter().map(|plugin| plugin.file.clone());
    let folders = config.folders.iter().chain(&config.plugin_directory).cloned();
    Inputs::new(files.chain(components), folders)
}

/// What is stored, over the reload unless its bounds are others; none where no route has a cache.
fn caching(config: &Config, previous: Option<&Assembly>, instruments: &Instruments) -> Option<Caching> {
    let mut queries = Vec::new();
    for cache in config.routes.iter().filter_map(|route| route.cache.as_ref()) {
        if !queries.contains(&cache.key.query) {
            queries.push(cache.key.query.clone());
        }
    }
    if queries.is_empty() {
        return None;
    }
    let before = previous.and_then(|previous| previous.snapshot.cache.as_ref()).map(|before| &before.cache);
    let cache = match before.filter(|before| before.settings() == config.cache) {
        Some(same) => Arc::clone(same),
        None => Arc::new(Cache::new(config.cache, instruments)),
    };
    Some(Caching { cache, queries })
}

fn upstreams(
    assembler: &Assembler,
    config: &Config,
    previous: Option<&Assembly>,
) -> Result<HashMap<Arc<str>, Arc<Upstream>>, Vec<Diagnostic>> {
    let mut problems = Vec::new();
    let mut upstreams = HashMap::new();
    for (name, settings) in &config.upstreams {
        let before = previous.and_then(|previous| previous.snapshot.upstreams.get(name));
        let is_same = |upstream: &&Arc<Upstream>| {
            gateway_config::Upstream { place: settings.place.clone(), ..upstream.settings().clone() } == *settings
        };
        let upstream = match before.filter(is_same) {
            Some(same) => Ok(Arc::clone(same)),
            None => match protocols(assembler, settings) {
                Ok((bridge, transcoder)) => Upstream::new(settings.clone(), before.map(Arc::as_ref)).map(|new| {
                    let metered = new.metered(assembler.instruments.meters());
                    Arc::new(metered.bridged(bridge).transcoded(transcoder))
                }),
                Err(found) => {
                    problems.extend(found);
                    continue;
                }
            },
        };
        match upstream {
            Ok(upstream) => {
                upstreams.insert(Arc::clone(name), upstream);
            }
            Err(error) => {
                let message = format!("upstream `{name}` cannot be spoken to over TLS: {error}");
                problems.push(Diagnostic::error("upstream-tls", message).at(&settings.place));
            }
        }
    }
    if problems.is_empty() { Ok(upstreams) } else { Err(problems) }
}

/// What speaks for an upstream whose services speak another protocol than HTTP, or makes calls of them.
type Protocols = (Option<Arc<dyn Bridge>>, Option<Arc<dyn Transcoder>>);

#[cfg(feature = "bridge")]
fn protocols(assembler: &Assembler, settings: &gateway_config::Upstream) -> Result<Protocols, Vec<Diagnostic>> {
    let bridge = gateway_bridge::new(settings, assembler.runtime.clone()).map_err(|error| {
        let message = format!("upstream `{}` cannot be spoken to: {error}", settings.name);
        vec![Diagnostic::error("bridge", message).at(&settings.place)]
    })?;
    Ok((bridge, gateway_bridge::transcoder(settings)?))
}

/// The same, of a gateway that was built without the clients of other protocols.
#[cfg(not(feature = "bridge"))]
fn protocols(_: &Assembler, settings: &gateway_config::Upstream) -> Result<Protocols, Vec<Diagnostic>> {
    if settings.bridge.is_none() && settings.grpc.is_none() {
        return Ok((None, None));
    }
    let message = format!("upstream `{}` speaks a protocol that this gateway was built without", settings.name);
    let problem = Diagnostic::error("bridge", message).at(&settings.place);
    Err(vec![problem.hint("build it with the feature `bridge`")])
}
