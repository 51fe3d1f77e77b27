//! Plugins: their files, what they are handed and granted. Equal uses are one.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use super::names::Names;
use super::secrets::Secrets;
use crate::document::decode::{Checked, Spanned};
use crate::document::read::reason;
use crate::document::reports::Reports;
use crate::document::sections::{self, Document, Isolation, PluginEntry};
use crate::document::value::{HttpGrant, JsonConfig, Name, RelativeFile};
use crate::environment::Environment;
use crate::suggest::did_you_mean;
use crate::{Diagnostic, Grants, LimitGrant, Place, PluginConfig, PluginLimits, PluginUse};

/// The plugins that were used so far.
pub(crate) struct Plugins<'d> {
    names: &'d Names<'d>,
    secrets: Secrets<'d>,
    environment: &'d dyn Environment,
    folder: Folder,
    /// The distinct uses, in the order in which they were met.
    pub(super) uses: Vec<PluginUse>,
}

/// The plugin folder.
enum Folder {
    /// `[plugins] directory` was not written.
    Unset,
    /// It cannot be listed, which has been reported.
    Unreadable,
    /// Its path and the names of its components.
    Listed(PathBuf, BTreeSet<String>),
}

/// The code of the diagnostic about plugins without a folder, and its hint.
const UNSET_FOLDER: &str = "missing-plugin-folder";
const SET_FOLDER: &str = "write `[plugins]` with `directory = \"plugins.d\"`";

/// What stands for a plugin at one place in a chain or an answer.
pub(crate) struct Written<'d> {
    /// Its name.
    pub(crate) name: &'d Spanned<Name>,
    /// What the place itself says of it.
    pub(crate) entry: Option<&'d PluginEntry>,
}

impl<'d> Plugins<'d> {
    /// Lists the plugin folder; no plugin is used yet.
    pub(crate) fn new(
        names: &'d Names<'d>,
        secrets: Secrets<'d>,
        document: &Document,
        directory: Option<PathBuf>,
        environment: &'d dyn Environment,
        reports: &mut Reports,
    ) -> Self {
        let written = document.plugins.as_ref().and_then(|plugins| plugins.value.directory.as_ref());
        let folder = match (directory, written) {
            (Some(directory), Some(written)) => match environment.list(&directory) {
                Ok(files) => {
                    let components = files.iter().filter_map(|file| file.strip_suffix(".wasm"));
                    let components = components.map(str::to_owned).collect();
                    Folder::Listed(directory, components)
                }
                Err(error) => {
                    let message = format!("cannot list the plugin folder: {}", reason(&error));
                    reports.add(Diagnostic::error("unreadable-folder", message).at(&written.place));
                    Folder::Unreadable
                }
            },
            _ => Folder::Unset,
        };
        Self { names, secrets, environment, folder, uses: Vec::new() }
    }

    /// The position of a use of a plugin, which is added unless an equal one is there. None when it cannot be used,
    /// which has been reported then.
    pub(crate) fn position(&mut self, written: &Written<'_>, reports: &mut Reports) -> Option<usize> {
        let name = written.name;
        let definition = self.names.plugins.get(&name.value.0);
        let undefined = Checked::default();
        let Checked { value: section, is_broken } = match definition {
            Some(definition) => definition.value?,
            None => &undefined,
        };
        // A broken section may have meant another file.
        let defined = definition.filter(|_| !is_broken);
        let file = self.file(name, section, defined.map(|definition| definition.place), reports);
        let grants = self.grants(&section.grants, reports);
        let own_config = written.entry.and_then(|entry| entry.config.as_ref());
        let json = own_config.unwrap_or(&section.config);
        let config = self.config(json, reports);
        let limits = match written.entry {
            Some(entry) => limits(&entry.limits.or(&section.limits)),
            None => limits(&section.limits),
        };
        let plugin_use = PluginUse {
            name: name.value.0.clone(),
            file: file?,
            sha256: section.sha256.as_ref().map(|hash| hash.0.clone()),
            config: config?,
            config_places: json.places.clone(),
            grants: grants?,
            limits,
            on_error: written.entry.and_then(|entry| entry.on_error).unwrap_or(section.on_error()),
            decode: written.entry.and_then(|entry| entry.decode).unwrap_or(section.decode()),
            isolate: section.isolation() == Isolation::Request,
            places: vec![name.place.clone()],
        };
        Some(self.share(plugin_use))
    }

    /// Whether a name is a plugin's.
    pub(crate) fn exists(&self, name: &str) -> bool {
        self.names.plugins.get(name).is_some()
            || matches!(&self.folder, Folder::Listed(_, components) if components.contains(name))
    }

    /// Reports a name that is no plugin's; `others` could have been meant as well.
    pub(crate) fn report_unknown<'a>(
        &'a self,
        name: &Spanned<Name>,
        others: impl Iterator<Item = &'a str>,
        reports: &mut Reports,
    ) {
        let known = self.names.plugins.names().chain(others);
        let (code, hint) = match &self.folder {
            // Whatever it was to be, it may be a file of this folder.
            Folder::Unreadable => return,
            Folder::Unset => (UNSET_FOLDER, did_you_mean(&name.value.0, known).unwrap_or(SET_FOLDER.to_owned())),
            Folder::Listed(_, components) => {
                let known = known.chain(components.iter().map(String::as_str));
                let hint = did_you_mean(&name.value.0, known);
                let drop = || format!("drop `{}.wasm` into the plugin folder", name.value);
                ("unknown-plugin", hint.unwrap_or_else(drop))
            }
        };
        let diagnostic = Diagnostic::error(code, format!("there is no plugin `{}`", name.value));
        reports.add_absent(diagnostic.at(&name.place).hint(hint));
    }

    /// The distinct uses, and the files that secrets were read from.
    pub(crate) fn finish(self) -> (Vec<PluginUse>, Vec<PathBuf>) {
        (self.uses, self.secrets.files)
    }

    fn share(&mut self, plugin_use: PluginUse) -> usize {
        let is_same = |known: &PluginUse| {
            // Places differ, that is all.
            let PluginUse {
                name,
                file,
                sha256,
                config,
                grants,
                limits,
                on_error,
                decode,
                isolate,
                config_places: _,
                places: _,
            } = known;
            (name, file, sha256, config) == (&plugin_use.name, &plugin_use.file, &plugin_use.sha256, &plugin_use.config)
                && (grants, limits) == (&plugin_use.grants, &plugin_use.limits)
                && (*on_error, *decode, *isolate) == (plugin_use.on_error, plugin_use.decode, plugin_use.isolate)
        };
        match self.uses.iter().position(is_same) {
            Some(position) => {
                if let Some(known) = self.uses.get_mut(position) {
                    known.places.extend(plugin_use.places);
                }
                position
            }
            None => {
                self.uses.push(plugin_use);
                self.uses.len() - 1
            }
        }
    }

    /// Where the component is. That it is there is checked now; what is in it, when it is loaded.
    fn file(
        &self,
        name: &Spanned<Name>,
        section: &sections::Plugin,
        defined: Option<&Place>,
        reports: &mut Reports,
    ) -> Option<PathBuf> {
        let (directory, components) = match &self.folder {
            Folder::Listed(directory, components) => (directory, components),
            Folder::Unreadable => return None,
            Folder::Unset => {
                let message = format!("nothing says where the plugin `{}` is", name.value);
                let diagnostic = Diagnostic::error(UNSET_FOLDER, message).at(&name.place);
                reports.add_absent(diagnostic.hint(SET_FOLDER));
                return None;
            }
        };
        match &section.file {
            Some(Spanned { value: RelativeFile(file), place }) => {
                let path = directory.join(file);
                if !self.is_file(&path) {
                    let message = format!("there is no `{}` in the plugin folder", file.display());
                    reports.add(Diagnostic::error("missing-plugin-file", message).at(place));
                    return None;
                }
                Some(path)
            }
            None => {
                let file = format!("{}.wasm", name.value);
                if let Some(place) = defined.filter(|_| !components.contains(&*name.value.0)) {
                    let message = format!("there is no `{file}` in the plugin folder");
                    let diagnostic = Diagnostic::error("missing-plugin-file", message).at(place);
                    let others = did_you_mean(&name.value.0, components.iter().map(String::as_str));
                    reports.add(diagnostic.maybe_hint(others));
                    return None;
                }
                Some(directory.join(file))
            }
        }
    }

    fn is_file(&self, path: &Path) -> bool {
        let names = path.parent().map(|folder| self.environment.list(folder));
        let (Some(Ok(names)), Some(file)) = (names, path.file_name()) else {
            return false;
        };
        names.iter().any(|name| name.as_str() == file)
    }

    fn grants(&mut self, written: &sections::Grants, reports: &mut Reports) -> Option<Grants> {
        let mut grants = Grants { identity: written.identity(), crypto: written.crypto(), ..Grants::default() };
        let mut is_complete = true;
        for grant in &written.http {
            match &grant.value {
                HttpGrant::Origin(origin) => grants.http_origins.push(origin.clone()),
                HttpGrant::Upstream(name) => {
                    let spanned = Spanned { value: name.clone(), place: grant.place.clone() };
                    is_complete &= self.names.upstreams.find(&spanned, reports).is_some();
                    grants.http_upstreams.push(name.0.clone());
                }
            }
        }
        for name in &written.set_upstream {
            is_complete &= self.names.upstreams.find(name, reports).is_some();
            grants.set_upstream.push(name.value.0.clone());
        }
        grants.limit = match &written.limit {
            sections::LimitGrant::None => LimitGrant::None,
            sections::LimitGrant::Local => LimitGrant::Local,
            sections::LimitGrant::Store(name) => {
                is_complete &= self.names.stores.find(name, reports).is_some();
                LimitGrant::Store(name.value.0.clone())
            }
        };
        if let Some(name) = &written.kv {
            is_complete &= self.names.stores.find(name, reports).is_some();
            grants.kv = Some(name.value.0.clone());
        }
        for name in &written.secrets {
            match self.secrets.find(name, reports) {
                Some(secret) => grants.secrets.push((name.value.0.to_string(), secret)),
                None => is_complete = false,
            }
        }
        is_complete.then_some(grants)
    }

    fn config(&mut self, json: &JsonConfig, reports: &mut Reports) -> Option<PluginConfig> {
        let mut value = json.value.clone();
        let mut is_complete = true;
        for reference in &json.secrets {
            let secret = self.secrets.find(&reference.name, reports);
            match (value.pointer_mut(&reference.pointer), secret) {
                (Some(target), Some(secret)) => *target = secret.reveal().into(),
                _ => is_complete = false,
            }
        }
        let pointers = json.secrets.iter().map(|reference| reference.pointer.clone()).collect();
        is_complete.then(|| PluginConfig::new(value, pointers))
    }
}

fn limits(written: &sections::Limits) -> PluginLimits {
    let at_least_one = |count: u32| NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
    PluginLimits {
        cpu: written.cpu().duration(),
        start: written.start().duration(),
        wall: written.wall.map(|wall| wall.duration()),
        memory: written.memory().in_memory(),
        body: written.body().in_memory(),
        waiting: at_least_one(written.waiting().number()),
        reuse: at_least_one(written.reuse().number()),
    }
}
