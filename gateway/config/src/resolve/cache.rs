//! The cache: what was not written is filled in, and that the store has room for what it is to hold.

use std::time::Duration;

use crate::document::reports::Reports;
use crate::document::sections::{self, Document};
use crate::document::value::{Age, FieldName, PlainText};
use crate::{Cache, CacheKey, CacheStore, Diagnostic, Route, Ttl};

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
