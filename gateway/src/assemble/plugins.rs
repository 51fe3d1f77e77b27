//! The plugins of a configuration: each use of a component with its settings, carried over where nothing changed.

use super::components::{Components, Version};
use super::{Assembler, Assembly};
use gateway_config::{Config, Diagnostic, LimitGrant, OnError, PluginUse};
use gateway_core::limit::{Limiter, Values};
use gateway_core::plugin;
use gateway_plugin_host::{Capability, Grants, Limits, LoadError, PluginSettings, WasmPlugin};
use gateway_store::Shared;
use std::collections::BTreeMap;
use std::sync::Arc;

type Stores = BTreeMap<Arc<str>, Shared>;

/// A plugin as it serves.
pub(crate) struct Installed {
    pub(crate) written: PluginUse,
    pub(crate) version: Version,
    pub(crate) plugin: Arc<WasmPlugin>,
}

/// One for each entry of [`Config::plugins`], in their order.
pub(super) fn install(
    assembler: &Assembler,
    config: &Config,
    components: &Components,
    stores: &Stores,
    previous: Option<&Assembly>,
) -> Result<Vec<Installed>, Vec<Diagnostic>> {
    let mut installed = Vec::with_capacity(config.plugins.len());
    let mut problems = Vec::new();
    for written in &config.plugins {
        let Some(version) = components.of(written) else { continue };
        let grants = grants(written, assembler, stores);
        let checked = check(written, &grants, version);
        if !checked.is_empty() {
            problems.extend(checked);
            continue;
        }
        let plugin = match kept(written, version, stores, previous) {
            Some(plugin) => Ok(plugin),
            None => {
                let settings = settings(written, grants);
                assembler.runtime.block_on(assembler.host.plugin(Arc::clone(&version.component), settings))
            }
        };
        match plugin {
            Ok(plugin) => installed.push(Installed { written: written.clone(), version: version.clone(), plugin }),
            Err(error) => problems.push(told(written, &error)),
        }
    }
    if problems.is_empty() { Ok(installed) } else { Err(problems) }
}

/// Why a plugin does not start; of its configuration, where that is written.
fn told(written: &PluginUse, error: &LoadError) -> Diagnostic {
    let message = format!("plugin `{}`: {}", written.name, gateway_core::error::chain(error));
    let diagnostic = Diagnostic::error("plugin-configure", message);
    match (error, written.config_places.get("")) {
        (LoadError::NotGranted(capability), _) => {
            let grant = match capability {
                Capability::Http => "http = [\"UPSTREAM\"]",
                Capability::SetUpstream => "set-upstream = [\"UPSTREAM\"]",
                Capability::Secrets => "secrets = [\"SECRET\"]",
                Capability::Identity => "identity = true",
                Capability::Limit => "limit = true",
                Capability::Crypto => "crypto = true",
            };
            at(written, diagnostic).hint(format!("write `grants = {{ {grant} }}` under `[plugin.{}]`", written.name))
        }
        (LoadError::Configure(_), Some(place)) => diagnostic.at(place),
        _ => at(written, diagnostic),
    }
}

/// The configuration against the schema that the component carries; each problem at its own place.
fn check(written: &PluginUse, grants: &Grants, version: &Version) -> Vec<Diagnostic> {
    let Some(manifest) = &version.component.manifest else { return Vec::new() };
    let problems = manifest.problems(written.config.value(), grants);
    let diagnostic = |problem: gateway_plugin_host::Problem| {
        let mut pointer = problem.pointer.as_str();
        // A missing key has no place: the nearest table that was written has.
        let place = loop {
            match (written.config_places.get(pointer), pointer.rsplit_once('/')) {
                (Some(place), _) => break Some(place),
                (None, Some((parent, _))) => pointer = parent,
                (None, None) => break None,
            }
        };
        let path = problem.pointer.trim_start_matches('/').replace('/', ".");
        let place_name = if path.is_empty() { String::new() } else { format!("`{path}`: ") };
        let message =
            format!("the configuration of plugin `{}` does not fit: {place_name}{}", written.name, problem.message);
        let diagnostic = Diagnostic::error("plugin-config", message);
        match place {
            Some(place) => diagnostic.at(place),
            None => at(written, diagnostic),
        }
    };
    problems.into_iter().map(diagnostic).collect()
}

fn at(written: &PluginUse, diagnostic: Diagnostic) -> Diagnostic {
    match written.places.first() {
        Some(place) => diagnostic.at(place),
        None => diagnostic,
    }
}

/// The same component with the same settings and stores keeps its instances.
fn kept(
    written: &PluginUse,
    version: &Version,
    stores: &Stores,
    previous: Option<&Assembly>,
) -> Option<Arc<WasmPlugin>> {
    let shared = [
        &written.grants.kv,
        match &written.grants.limit {
            LimitGrant::Store(name) => &Some(Arc::clone(name)),
            _ => &None,
        },
    ];
    let same_store = |name: &Arc<str>| {
        let before = previous.and_then(|previous| previous.stores.get(name));
        before.map(Shared::options) == stores.get(name).map(Shared::options)
    };
    if !shared.into_iter().flatten().all(same_store) {
        return None;
    }
    let same = |before: &&Installed| {
        let moved = PluginUse {
            places: written.places.clone(),
            config_places: written.config_places.clone(),
            ..before.written.clone()
        };
        before.version.hash == version.hash && moved == *written
    };
    Some(Arc::clone(&previous?.plugins.iter().find(same)?.plugin))
}

fn grants(written: &PluginUse, assembler: &Assembler, stores: &Stores) -> Grants {
    let names = |names: &[Arc<str>]| names.iter().map(ToString::to_string).collect();
    let grants = &written.grants;
    Grants {
        identity: grants.identity,
        http_upstreams: names(&grants.http_upstreams),
        http_origins: grants.http_origins.clone(),
        secrets: grants.secrets.iter().map(|(name, secret)| (name.clone(), secret.reveal().to_owned())).collect(),
        set_upstream: names(&grants.set_upstream),
        limit: match &grants.limit {
            LimitGrant::None => None,
            LimitGrant::Local => Some(Arc::new(assembler.budgets.clone()) as Arc<dyn Limiter>),
            LimitGrant::Store(name) => stores.get(name).map(|store| Arc::new(store.clone()) as Arc<dyn Limiter>),
        },
        kv: grants.kv.as_ref().and_then(|name| Some(Arc::new(stores.get(name)?.clone()) as Arc<dyn Values>)),
        crypto: grants.crypto,
    }
}

fn settings(written: &PluginUse, grants: Grants) -> PluginSettings {
    let limits = &written.limits;
    PluginSettings {
        name: Arc::clone(&written.name),
        config: written.config.value().to_string(),
        grants,
        limits: Limits {
            cpu: limits.cpu,
            start: limits.start,
            wall: limits.wall,
            memory: limits.memory,
            body: limits.body,
            waiting: limits.waiting.get() as usize,
            reuse: limits.reuse.get(),
        },
        on_error: match written.on_error {
            OnError::Deny => plugin::OnError::Deny,
            OnError::Skip => plugin::OnError::Skip,
        },
        decode: written.decode,
        isolate: written.isolate,
    }
}
