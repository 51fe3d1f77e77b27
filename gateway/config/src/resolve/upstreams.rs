//! Upstreams: at least one endpoint each.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::document::decode::Spanned;
use crate::document::sections::{self, Document};
use crate::document::value::{EndpointUrl, Name};
use crate::{Upstream, UpstreamLimits, UpstreamTimeouts};

/// The upstreams by name.
pub(crate) fn resolve(document: &Document) -> BTreeMap<Arc<str>, Upstream> {
    let mut upstreams = BTreeMap::new();
    for (name, written) in &document.upstreams.0 {
        let upstream = written.as_ref().and_then(|written| upstream(name, written));
        upstreams.extend(upstream.map(|upstream| (Arc::clone(&name.value.0), upstream)));
    }
    upstreams
}

fn upstream(name: &Spanned<Name>, written: &sections::Upstream) -> Option<Upstream> {
    let sections::Upstream { endpoints, timeouts, limits } = written;
    let endpoints = endpoints.as_ref()?;
    Some(Upstream {
        name: Arc::clone(&name.value.0),
        endpoints: endpoints.0.iter().map(|EndpointUrl(endpoint)| endpoint.clone()).collect(),
        timeouts: UpstreamTimeouts {
            connect: timeouts.connect().duration(),
            first_byte: timeouts.first_byte().duration(),
            body: timeouts.body().duration(),
            idle: timeouts.idle().duration(),
        },
        limits: UpstreamLimits {
            connections: limits.connections().in_memory(),
            pending: limits.pending().in_memory(),
            header: limits.header().in_memory(),
            headers: limits.headers().in_memory(),
        },
        place: name.place.clone(),
    })
}
