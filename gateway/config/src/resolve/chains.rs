//! Chains: names in a list become the plugins they stand for, in order.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::names::Names;
use super::plugins::{Plugins, Written};
use crate::document::decode::Spanned;
use crate::document::reports::Reports;
use crate::document::sections::ChainEntry;
use crate::document::value::Name;
use crate::{Diagnostic, PluginUse};

/// The chains that were resolved so far.
pub(crate) struct Chains<'d> {
    names: &'d Names<'d>,
    plugins: Plugins<'d>,
    resolved: BTreeMap<Arc<str>, Vec<usize>>,
    /// The chains that are being resolved, each named by the one before it.
    open: Vec<Arc<str>>,
}

impl<'d> Chains<'d> {
    /// None was resolved yet.
    pub(crate) fn new(names: &'d Names<'d>, plugins: Plugins<'d>) -> Self {
        Self { names, plugins, resolved: BTreeMap::new(), open: Vec::new() }
    }

    /// The plugins of a list, as positions.
    pub(crate) fn resolve(&mut self, entries: &[ChainEntry], reports: &mut Reports) -> Vec<usize> {
        let mut positions = Vec::new();
        for entry in entries {
            match entry {
                ChainEntry::Named(name) if self.names.chains.get(&name.value.0).is_some() => {
                    positions.extend(self.resolve_named(name, reports));
                }
                _ => positions.extend(self.plugin(entry, reports)),
            }
        }
        positions
    }

    /// The plugin of an entry that cannot be a chain, as position.
    pub(crate) fn plugin(&mut self, entry: &ChainEntry, reports: &mut Reports) -> Option<usize> {
        let written = match entry {
            ChainEntry::Named(name) => Written { name, entry: None },
            ChainEntry::Plugin(entry) => Written { name: entry.plugin.as_ref()?, entry: Some(entry) },
        };
        if self.plugins.exists(&written.name.value.0) {
            return self.plugins.position(&written, reports);
        }
        if self.names.chains.get(&written.name.value.0).is_some() {
            let message = format!("`{}` is a chain, and only a plugin can stand here", written.name.value);
            reports.add(Diagnostic::error("not-a-plugin", message).at(&written.name.place));
        } else {
            self.plugins.report_unknown(written.name, self.names.chains.names(), reports);
        }
        None
    }

    /// Checks what nothing uses as if it were used, and forgets it again.
    pub(crate) fn check_unused(&mut self, reports: &mut Reports) {
        let used = self.plugins.uses.clone();
        for name in self.names.chains.unused_names() {
            self.resolve_named(&name, reports);
        }
        for name in self.names.plugins.unused_names() {
            let written = Written { name: &name, entry: None };
            self.plugins.position(&written, reports);
        }
        self.plugins.uses = used;
    }

    /// The distinct uses of plugins, and the files that secrets were read from.
    pub(crate) fn finish(self) -> (Vec<PluginUse>, Vec<PathBuf>) {
        self.plugins.finish()
    }

    fn resolve_named(&mut self, name: &Spanned<Name>, reports: &mut Reports) -> Vec<usize> {
        let key = &name.value.0;
        if let Some(known) = self.resolved.get(key) {
            return known.clone();
        }
        if let Some(start) = self.open.iter().position(|open| open == key) {
            let circle = self.open.iter().skip(start).chain([key]);
            let circle: Vec<String> = circle.map(|name| format!("`{name}`")).collect();
            let message = format!("the chain `{key}` contains itself: {}", circle.join(" → "));
            reports.add(Diagnostic::error("chain-cycle", message).at(&name.place));
            return Vec::new();
        }
        let chain = self.names.chains.get(key).and_then(|definition| definition.value);
        let entries = chain.and_then(|chain| chain.plugins.as_ref());
        self.open.push(Arc::clone(key));
        let positions = entries.map(|entries| self.resolve(entries, reports)).unwrap_or_default();
        self.open.pop();
        self.resolved.insert(Arc::clone(key), positions.clone());
        positions
    }
}
