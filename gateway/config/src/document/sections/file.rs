//! The top level of a file, and its small sections.

use super::{CacheStore, Chain, Listener, Plugin, Route, SecretSource, SecretValue, Store, Telemetry, Upstream};
use crate::Diagnostic;
use crate::document::decode::{Checked, Named, Spanned};
use crate::document::reports::Reports;
use crate::document::section::section;
use crate::document::value::{AdminAddress, Name, NetworkText, PlainText, ResolverAddress, Size, Time};

section! {
    /// A configuration file. One file may hold everything, or include others, so that each team owns its own.
    Document {
        /// Files to read as well, relative to this one. `*` stands for any part of a file's name, not of a folder's.
        "include" => include: Vec<Spanned<PlainText>>, empty;
        /// What holds for the whole process.
        "server" => server: Spanned<Server>, optional;
        /// Where plugins come from.
        "plugins" => plugins: Spanned<Plugins>, optional;
        /// The local administration listener.
        "admin" => admin: Spanned<AdminListener>, optional;
        /// Where answers of routes with `cache` are kept.
        "cache" => cache: Spanned<CacheStore>, optional;
        /// What is counted, traced and told of requests.
        "telemetry" => telemetry: Spanned<Telemetry>, optional;
        /// Sockets that take requests: `[[listener]]`, one for each.
        "listener" => listeners: Vec<Spanned<Listener>>, empty;
        /// Services that requests go to: `[upstream.NAME]`.
        "upstream" => upstreams: Named<Name, Upstream>, empty;
        /// Configuration, grants and limits of plugins: `[plugin.NAME]`.
        "plugin" => plugin: Named<Name, Checked<Plugin>>, empty;
        /// Plugins in a row, to be named by routes, listeners and other chains: `[chain.NAME]`.
        "chain" => chains: Named<Name, Chain>, empty;
        /// What several gateways share: `[store.NAME]`.
        "store" => stores: Named<Name, Store>, empty;
        /// Where secrets come from: `[secret.NAME]`. One without a section is the environment variable of its name.
        "secret" => secrets: Named<Name, SecretSource>, empty;
        /// What answers which requests: `[[route]]`, one for each. The most specific one wins, not the first.
        "route" => routes: Vec<Spanned<Checked<Route>>>, empty;
    }
}

section! {
    /// What holds for the whole process.
    Server {
        /// How long requests in flight may take once the process was asked to stop.
        "drain" => drain: Time, default(Time::seconds(30));
        /// How long connections are still taken once it is no longer ready, so that a balancer can take notice; not at
        /// all when not written.
        "drain-delay" => drain_delay: Time, optional;
        /// Past so much memory new connections and requests get 503; nine tenths of what the control group allows when not written.
        "memory" => memory: Size<1_048_576>, optional;
        /// Proxies whose `Forwarded` and `X-Forwarded-*` fields are believed.
        "trusted-proxies" => trusted_proxies: Vec<NetworkText>, empty;
        /// DNS servers that are asked for the names of endpoints, instead of the system's; the hosts file comes first all the
        /// same.
        "resolver" => resolver: Vec<ResolverAddress>, empty;
    }
}

section! {
    /// Where plugins come from.
    Plugins {
        /// Each `NAME.wasm` in this folder is the plugin NAME. Relative to this file.
        "directory" => directory: Spanned<PlainText>, required;
    }
}

section! {
    /// The local administration listener.
    AdminListener {
        /// A loopback address, or `unix:/path`. Another address takes a `token`.
        "address" => address: Spanned<AdminAddress>, required;
        /// What whoever asks has to show, as `authorization: Bearer …`: `{ secret = "NAME" }`, of at least 16 characters. Without one
        /// everybody who reaches the address may ask.
        "token" => token: SecretValue, optional;
    }
}

impl Document {
    /// Takes in what another file holds.
    pub(crate) fn absorb(&mut self, other: Self, reports: &mut Reports) {
        once("server", &mut self.server, other.server, reports);
        once("plugins", &mut self.plugins, other.plugins, reports);
        once("cache", &mut self.cache, other.cache, reports);
        once("admin", &mut self.admin, other.admin, reports);
        once("telemetry", &mut self.telemetry, other.telemetry, reports);
        self.listeners.extend(other.listeners);
        self.upstreams.0.extend(other.upstreams.0);
        self.plugin.0.extend(other.plugin.0);
        self.chains.0.extend(other.chains.0);
        self.stores.0.extend(other.stores.0);
        self.secrets.0.extend(other.secrets.0);
        self.routes.extend(other.routes);
    }
}

/// A section that all files together may have once.
fn once<T>(word: &str, ours: &mut Option<Spanned<T>>, theirs: Option<Spanned<T>>, reports: &mut Reports) {
    match (&ours, theirs) {
        (Some(first), Some(second)) => {
            let diagnostic = Diagnostic::error("duplicate-section", format!("`[{word}]` is written in two files"));
            reports.add(diagnostic.at(&second.place).label(&first.place, "first written here"));
        }
        (None, Some(only)) => *ours = Some(only),
        (_, None) => {}
    }
}
