//! Listeners: their addresses differ, their chains exist.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use super::chains::Chains;
use super::compress;
use super::tls::CertificateReader;
use crate::document::decode::Spanned;
use crate::document::reports::Reports;
use crate::document::sections::{self, Document};
use crate::document::value::ListenAddress;
use crate::{Compression, Diagnostic, Listener, ListenerLimits, ListenerTimeouts, Place, Tls};

/// The listeners in the order written.
pub(crate) fn resolve(
    document: &Document,
    chains: &mut Chains<'_>,
    certificates: &mut CertificateReader<'_>,
    reports: &mut Reports,
) -> Vec<Listener> {
    report_shared_addresses(document, reports);
    let mut listeners = Vec::new();
    for Spanned { value, place } in &document.listeners {
        let chain = chains.resolve(&value.chain, reports);
        let tls = value.tls.as_ref().and_then(|written| certificates.tls(written, reports));
        listeners.extend(listener(value, place, chain, tls));
    }
    listeners
}

fn listener(written: &sections::Listener, place: &Place, chain: Vec<usize>, tls: Option<Tls>) -> Option<Listener> {
    let sections::Listener { timeouts, limits, .. } = written;
    Some(Listener {
        name: Arc::clone(&written.name.as_ref()?.value.0),
        address: written.address.as_ref()?.value.0,
        timeouts: ListenerTimeouts {
            header: timeouts.header().duration(),
            idle: timeouts.idle().duration(),
            body: timeouts.body().duration(),
            body_total: timeouts.body_total().duration(),
            write: timeouts.write().duration(),
        },
        limits: ListenerLimits {
            header: limits.header().in_memory(),
            headers: limits.headers().in_memory(),
            target: limits.target().in_memory(),
            connections: limits.connections().in_memory(),
            body: limits.body.map(|body| body.bytes()),
        },
        chain,
        compress: written.compress.as_ref().map_or(Compression::Off, compress::resolve),
        tls,
        redirect_https: written.redirect_https.map(|port| port.0),
        place: place.clone(),
    })
}

fn report_shared_addresses(document: &Document, reports: &mut Reports) {
    let mut taken = BTreeMap::<SocketAddr, &Place>::new();
    for listener in &document.listeners {
        // The system gives each listener a port of its own for port 0.
        let Some(Spanned { value: ListenAddress(address), place }) =
            listener.value.address.as_ref().filter(|address| address.value.0.port() != 0)
        else {
            continue;
        };
        match taken.get(address) {
            Some(first) => {
                let diagnostic =
                    Diagnostic::error("duplicate-address", format!("two listeners have the address {address}"));
                reports.add(diagnostic.at(place).label(first, "first written here"));
            }
            None => {
                taken.insert(*address, place);
            }
        }
    }
}
