//! The components that a configuration names: read whole, checked against their pins, compiled or carried over.

use super::Assembly;
use gateway_config::{Config, Diagnostic, PluginUse};
use gateway_plugin_host::{Host, Loaded};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The longest component (HARDENING W12).
const LONGEST: u64 = 64 << 20;

/// A component as it was in a file at one time.
#[derive(Clone)]
pub(crate) struct Version {
    /// Of the bytes, SHA-256 in lower-case hex.
    pub(crate) hash: Arc<str>,
    pub(crate) component: Arc<Loaded>,
    /// The hash of what is in the file, where that version failed and this one stands in its place.
    pub(crate) instead_of: Option<Arc<str>>,
}

/// A version that failed: the file it stood in, and the hash. The same bytes in another file are another plugin's.
pub(crate) type Failed = (PathBuf, Arc<str>);

/// What stands in for components as they are in their files now.
#[derive(Clone, Default)]
pub(crate) struct Substitutes {
    /// The version to use in place of each that failed.
    pub(crate) failed: BTreeMap<Failed, Version>,
    /// Versions that are used whatever their files hold.
    pub(crate) fixed: HashMap<PathBuf, Version>,
}

/// Each component once, by file.
pub(super) struct Components(HashMap<PathBuf, Version>);

impl Components {
    /// Reads and loads every component of a configuration, but for those that something stands in for.
    pub(super) fn read(
        host: &Arc<Host>,
        config: &Config,
        previous: Option<&Assembly>,
        substitutes: &Substitutes,
    ) -> Result<Self, Vec<Diagnostic>> {
        let known: HashMap<&str, &Version> = previous
            .iter()
            .flat_map(|previous| &previous.plugins)
            .map(|plugin| (&*plugin.version.hash, &plugin.version))
            .collect();
        let mut components = HashMap::new();
        let mut problems = Vec::new();
        for plugin in &config.plugins {
            if components.contains_key(&plugin.file) {
                continue;
            }
            if let Some(version) = substitutes.fixed.get(&plugin.file) {
                components.insert(plugin.file.clone(), version.clone());
                continue;
            }
            match version(host, config, plugin, &known, &substitutes.failed) {
                Ok(version) => drop(components.insert(plugin.file.clone(), version)),
                Err(problem) => problems.push(*problem),
            }
        }
        if problems.is_empty() { Ok(Self(components)) } else { Err(problems) }
    }

    pub(super) fn of(&self, plugin: &PluginUse) -> Option<&Version> {
        self.0.get(&plugin.file)
    }
}

fn version(
    host: &Arc<Host>,
    config: &Config,
    plugin: &PluginUse,
    known: &HashMap<&str, &Version>,
    rolled_back: &BTreeMap<Failed, Version>,
) -> Result<Version, Box<Diagnostic>> {
    let fail = |code, message: String, hint: Option<&str>| {
        let mut problem = Diagnostic::error(code, message);
        if let Some(place) = plugin.places.first() {
            problem = problem.at(place);
        }
        problem.hint = hint.map(Into::into);
        Box::new(problem)
    };
    let name = &plugin.name;
    confined(config, &plugin.file)
        .map_err(|problem| fail("plugin-outside", format!("the file of plugin `{name}` {problem}"), None))?;
    let source = read(&plugin.file)
        .map_err(|error| fail("plugin-unreadable", format!("cannot read {}: {error}", plugin.file.display()), None))?;
    let hash: Arc<str> = hex(&Sha256::digest(&source)).into();
    if let Some(pin) = &plugin.sha256
        && **pin != *hash
    {
        let message = format!("{} has the SHA-256 {hash}, which is not the one that is pinned", plugin.file.display());
        return Err(fail(
            "plugin-pin",
            message,
            Some("check where the file comes from, then write its hash in `sha256`"),
        ));
    }
    if let Some(good) = rolled_back.get(&(plugin.file.clone(), Arc::clone(&hash))) {
        return Ok(Version { instead_of: Some(hash), ..good.clone() });
    }
    if let Some(version) = known.get(&*hash) {
        return Ok(Version { instead_of: None, ..(*version).clone() });
    }
    let component = host.load(name, &source).map_err(|error| {
        fail("plugin-load", format!("{}: {}", plugin.file.display(), gateway_core::error::chain(&error)), None)
    })?;
    Ok(Version { hash, component, instead_of: None })
}

/// A component stands in the plugin folder, also after every link was followed (HARDENING W11).
fn confined(config: &Config, file: &Path) -> Result<(), String> {
    let Some(folder) = &config.plugin_directory else { return Ok(()) };
    let inside = |file: &Path| Some(file.canonicalize().ok()?.starts_with(folder.canonicalize().ok()?));
    match inside(file) {
        Some(false) => Err(format!("is a link out of {}", folder.display())),
        _ => Ok(()),
    }
}

fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    let file = fs::File::open(file)?;
    let too_long = || std::io::Error::other("it has more than 64 MiB");
    let length = file.metadata()?.len();
    if length > LONGEST {
        return Err(too_long());
    }
    // It may grow while it is read.
    let mut source = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    file.take(LONGEST + 1).read_to_end(&mut source)?;
    match source.len() as u64 > LONGEST {
        true => Err(too_long()),
        false => Ok(source),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
