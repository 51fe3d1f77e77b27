//! Who is called what: every name that can be referred to, where it was defined, and whether anybody uses it.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::document::decode::{Checked, Named, Spanned};
use crate::document::reports::Reports;
use crate::document::sections::{Chain, Document, Listener, Plugin, Route, SecretSource, Store, Upstream};
use crate::document::value::Name;
use crate::suggest::did_you_mean;
use crate::{Diagnostic, Place};

/// What is defined under one kind of name.
pub(crate) struct Definitions<'d, T> {
    words: Words,
    entries: BTreeMap<Arc<str>, Definition<'d, T>>,
}

/// One definition.
pub(crate) struct Definition<'d, T> {
    /// Where its name was written.
    pub(crate) place: &'d Place,
    /// None when it is wrong, which has been reported.
    pub(crate) value: Option<&'d T>,
    is_used: Cell<bool>,
}

/// How diagnostics speak of one kind of name.
#[derive(Clone, Copy)]
struct Words {
    word: &'static str,
    duplicate: &'static str,
    unknown: &'static str,
    unused: &'static str,
}

/// The words for one kind of name.
macro_rules! words {
    ($word:literal) => {
        Words {
            word: $word,
            duplicate: concat!("duplicate-", $word),
            unknown: concat!("unknown-", $word),
            unused: concat!("unused-", $word),
        }
    };
}

impl<'d, T> Definitions<'d, T> {
    fn collect(
        words: Words,
        entries: impl Iterator<Item = (&'d Spanned<Name>, Option<&'d T>)>,
        reports: &mut Reports,
    ) -> Self {
        let mut definitions = BTreeMap::<Arc<str>, Definition<'d, T>>::new();
        for (Spanned { value: Name(name), place }, value) in entries {
            if let Some(first) = definitions.get(name) {
                let message = format!("the {} `{name}` is defined twice", words.word);
                let diagnostic = Diagnostic::error(words.duplicate, message).at(place);
                reports.add(diagnostic.label(first.place, "first defined here"));
                continue;
            }
            let definition = Definition { place, value, is_used: Cell::new(false) };
            definitions.insert(Arc::clone(name), definition);
        }
        Self { words, entries: definitions }
    }

    /// The definition of a name, which is in use from now on.
    pub(crate) fn get(&self, name: &str) -> Option<&Definition<'d, T>> {
        let definition = self.entries.get(name)?;
        definition.is_used.set(true);
        Some(definition)
    }

    /// The same for a name that must be defined.
    pub(crate) fn find(&self, name: &Spanned<Name>, reports: &mut Reports) -> Option<&Definition<'d, T>> {
        let definition = self.get(&name.value.0);
        if definition.is_none() {
            let message = format!("there is no {} `{}`", self.words.word, name.value);
            let diagnostic = Diagnostic::error(self.words.unknown, message).at(&name.place);
            reports.add_absent(diagnostic.maybe_hint(did_you_mean(&name.value.0, self.names())));
        }
        definition
    }

    /// Every name.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(|name| &**name)
    }

    /// The names that nobody has asked for so far, where they are defined.
    pub(crate) fn unused_names(&self) -> Vec<Spanned<Name>> {
        let unused = self.entries.iter().filter(|(_, definition)| !definition.is_used.get());
        let spanned =
            unused.map(|(name, definition)| Spanned { value: Name(Arc::clone(name)), place: definition.place.clone() });
        spanned.collect()
    }

    fn warn_unused(&self, reports: &mut Reports) {
        for Spanned { value, place } in self.unused_names() {
            let message = format!("nothing uses the {} `{value}`", self.words.word);
            reports.add_absent(Diagnostic::warning(self.words.unused, message).at(&place));
        }
    }
}

/// Every name of a configuration.
pub(crate) struct Names<'d> {
    pub(crate) listeners: Definitions<'d, Listener>,
    pub(crate) upstreams: Definitions<'d, Upstream>,
    pub(crate) plugins: Definitions<'d, Checked<Plugin>>,
    pub(crate) chains: Definitions<'d, Chain>,
    pub(crate) stores: Definitions<'d, Store>,
    pub(crate) secrets: Definitions<'d, SecretSource>,
}

impl<'d> Names<'d> {
    /// Collects them; two things of one kind and name are a problem.
    pub(crate) fn collect(document: &'d Document, reports: &mut Reports) -> Self {
        let listeners = document.listeners.iter().filter_map(|listener| {
            let name = listener.value.name.as_ref()?;
            Some((name, Some(&listener.value)))
        });
        let routes = document.routes.iter().filter_map(|route| {
            let name = route.value.value.name.as_ref()?;
            Some((name, Some(&route.value)))
        });
        // Nothing refers to a route, but its name stands for it in logs and metrics.
        Definitions::<Checked<Route>>::collect(words!("route"), routes, reports);
        let names = Self {
            listeners: Definitions::collect(words!("listener"), listeners, reports),
            upstreams: Definitions::collect(words!("upstream"), entries(&document.upstreams), reports),
            plugins: Definitions::collect(words!("plugin"), entries(&document.plugin), reports),
            chains: Definitions::collect(words!("chain"), entries(&document.chains), reports),
            stores: Definitions::collect(words!("store"), entries(&document.stores), reports),
            secrets: Definitions::collect(words!("secret"), entries(&document.secrets), reports),
        };
        names.report_shared(reports);
        names
    }

    /// Chains and plugins stand in the same lists, so one name cannot mean both.
    fn report_shared(&self, reports: &mut Reports) {
        for (name, chain) in &self.chains.entries {
            if let Some(plugin) = self.plugins.entries.get(name) {
                let message = format!("`{name}` is both a chain and a plugin");
                let (first, second) = (plugin.place.min(chain.place), plugin.place.max(chain.place));
                let diagnostic = Diagnostic::error("ambiguous-name", message).at(second).label(first, "the other one");
                reports.add(diagnostic.hint("rename one of them: chains list both by name"));
            }
        }
    }

    /// Warns of what nothing refers to.
    pub(crate) fn warn_unused(&self, reports: &mut Reports) {
        self.upstreams.warn_unused(reports);
        self.plugins.warn_unused(reports);
        self.chains.warn_unused(reports);
        self.stores.warn_unused(reports);
        self.secrets.warn_unused(reports);
    }
}

fn entries<T>(named: &Named<Name, T>) -> impl Iterator<Item = (&Spanned<Name>, Option<&T>)> {
    named.0.iter().map(|(name, value)| (name, value.as_ref()))
}
