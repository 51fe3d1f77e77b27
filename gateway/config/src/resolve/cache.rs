//! The cache: what was not written is filled in, and that the store has room for what it is to hold.

use std::time::Duration;

use crate::document::reports::Reports;
use crate::document::sections::{self, Document};
use crate::document::value::{Age, FieldName, PlainText};
use crate::{Cache, CacheKey, CacheStore, Diagnostic, Listener, PluginUse, Route, Share, Ttl};

/// The store, with the defaults.
pub(crate) fn store(document: &Document, reports: &mut Reports) -> CacheStore {
    let written = document.cache.as_ref().map(|cache| cache.value.clone()).unwrap_or_default();
    let store = CacheStore { size: written.size(), largest: written.largest() };
    if store.largest > store.size / CacheStore::LEAST_ROOM
        && let Some(place) = written.largest.map(|largest| largest.place).or(written.size.map(|size| size.place))
    {
        let message = "the store has no room for eight of the largest answers";
        let hint = "write a larger `size`, or a smaller `largest` (1 MiB when not written)";
        reports.add(Diagnostic::error("cache-too-small", message).at(&place).hint(hint));
    }
    store
}

/// A store that nothing is put into.
pub(crate) fn warn_unused(document: &Document, routes: &[Route], reports: &mut Reports) {
    if let Some(section) = &document.cache
        && routes.iter().all(|route| route.cache.is_none())
    {
        let diagnostic = Diagnostic::warning("unused-cache", "no route has a cache").at(&section.place);
        reports.add_absent(diagnostic.hint("write `cache = true` on the routes whose answers are to be kept"));
    }
}

/// Sharing among consumers where nobody is one: what is stored is for everybody.
pub(crate) fn warn_unproven(routes: &[Route], listeners: &[Listener], plugins: &[PluginUse], reports: &mut Reports) {
    let proves = |position: &usize| plugins.get(*position).is_some_and(|plugin| plugin.grants.identity);
    for route in routes {
        let Some(cache) = route.cache.as_ref().filter(|cache| cache.share != Share::Standard) else { continue };
        let mut serving =
            listeners.iter().filter(|listener| route.listeners.is_empty() || route.listeners.contains(&listener.name));
        let is_proven = route.chain.iter().any(proves)
            || serving.any(|listener| {
                let certificates = listener.tls.as_ref().and_then(|tls| tls.client.as_ref());
                listener.chain.iter().any(proves) || certificates.is_some()
            });
        if !is_proven {
            let word = if cache.share == Share::Consumer { "consumer" } else { "all" };
            let message = format!("`share = \"{word}\"` means consumers, and nothing on this route proves who asks");
            let diagnostic = Diagnostic::warning("nobody-proven", message).at(&route.place);
            reports.add_absent(diagnostic.hint("put a plugin with `grants = { identity = true }` into its chain"));
        }
    }
}

/// How a route's answers are cached; none where they are not.
pub(crate) fn resolve(written: &sections::CacheSwitch) -> Option<Cache> {
    let sections::CacheSwitch::On(written) = written else { return None };
    let key = &written.key;
    let ttl = match (written.ttl, written.default_ttl) {
        (Some(ttl), _) => Ttl::Fixed(duration(ttl)),
        (None, Some(ttl)) => Ttl::Default(duration(ttl)),
        (None, None) => Ttl::Told,
    };
    let collapse = written.collapse.unwrap_or(sections::Collapse(Some(sections::Collapse::USUAL)));
    Some(Cache {
        key: CacheKey {
            query: key.query.clone(),
            headers: key.headers.0.iter().map(|FieldName(name)| name.clone()).collect(),
            cookies: key.cookies.0.iter().map(|PlainText(name)| name.clone()).collect(),
        },
        share: written.share(),
        ttl,
        stale_while_revalidate: written.stale_while_revalidate.map(duration).unwrap_or_default(),
        stale_if_error: written.stale_if_error.map(duration).unwrap_or_default(),
        collapse: collapse.0.map(|wait| wait.duration()),
        heed_client: written.heed_client(),
    })
}

fn duration(age: Age) -> Duration {
    Duration::from_secs(age.seconds())
}
