//! What it means together: names become what they stand for, defaults are filled in, contradictions are found.
//!
//! Everything here goes on past a problem with what is left, so that one run reports all of them.

mod admin;
mod ambiguity;
mod bridges;
mod cache;
mod chains;
mod compress;
mod discover;
mod listeners;
mod names;
mod plugins;
mod routes;
mod secrets;
mod specificity;
mod stores;
mod telemetry;
mod tls;
mod upstreams;

pub use specificity::{Specificity, specificity};

use std::path::PathBuf;

use crate::document::read::beside;
use crate::document::reports::Reports;
use crate::document::sections::Document;
use crate::document::value::{NetworkText, PlainText, ResolverAddress};
use crate::environment::Environment;
use crate::{Config, Diagnostic};
use chains::Chains;
use names::Names;
use plugins::Plugins;
use secrets::Secrets;
use tls::CertificateReader;

/// The whole configuration. Where problems were reported, what they concern is missing from it.
pub(crate) fn resolve(document: &Document, environment: &dyn Environment, reports: &mut Reports) -> Config {
    let names = Names::collect(document, reports);
    let plugin_directory = plugin_directory(document, environment);
    let mut secrets = Secrets::new(&names, environment);
    let server = document.server.as_ref().map(|server| server.value.clone()).unwrap_or_default();
    let resolver: Vec<_> = server.resolver.iter().map(|ResolverAddress(address)| *address).collect();
    let mut certificates = CertificateReader::new(environment);
    let upstreams = upstreams::resolve(document, &mut certificates, &resolver, &mut secrets, environment, reports);
    let stores = stores::resolve(document, &mut certificates, &mut secrets, reports);
    let admin = admin::resolve(document, &mut secrets, reports);
    let plugins = Plugins::new(&names, secrets, document, plugin_directory.clone(), environment, reports);
    let mut chains = Chains::new(&names, plugins);

    let listeners = listeners::resolve(document, &mut chains, &mut certificates, reports);
    let cache = cache::store(document, reports);
    let routes = routes::resolve(document, &names, &mut chains, reports);
    let telemetry = telemetry::resolve(document, &names, reports);
    ambiguity::report(&routes, &listeners, reports);
    cache::warn_unused(document, &routes, reports);
    names.warn_unused(reports);
    chains.check_unused(reports);
    at_least_one("listener", document.listeners.is_empty(), reports);
    at_least_one("route", document.routes.is_empty(), reports);

    let (plugins, secret_files) = chains.finish();
    cache::warn_unproven(&routes, &listeners, &plugins, reports);
    Config {
        files: Vec::new(),
        folders: Vec::new(),
        secret_files,
        certificate_files: certificates.files,
        plugin_directory,
        admin,
        telemetry,
        cache,
        drain: server.drain().duration(),
        memory: server.memory.map(|memory| memory.bytes()),
        drain_delay: server.drain_delay.map(|delay| delay.duration()).unwrap_or_default(),
        trusted_proxies: server.trusted_proxies.iter().map(|NetworkText(network)| *network).collect(),
        listeners,
        upstreams,
        stores,
        routes,
        plugins,
    }
}

/// `[plugins] directory`, from the root of the file system.
fn plugin_directory(document: &Document, environment: &dyn Environment) -> Option<PathBuf> {
    let written = document.plugins.as_ref()?.value.directory.as_ref()?;
    let PlainText(directory) = &written.value;
    Some(environment.absolute(&beside(&written.place.file, directory.as_ref())))
}

fn at_least_one(word: &str, is_empty: bool, reports: &mut Reports) {
    if is_empty {
        let diagnostic = Diagnostic::error("nothing-to-serve", format!("there is no {word}"));
        reports.add_absent(diagnostic.hint(format!("a configuration has at least one `[[{word}]]`")));
    }
}
