//! Plays a scenario on the plugin host and the proxy core that serve otherwise.

use super::scenario::{Exchange, Scenario};
use super::script::{Around, Place, Script};
use super::transcript::Transcript;
use crate::assemble::{Assembly, Substitutes};
use crate::server;
use anyhow::{Context as _, bail};
use arc_swap::ArcSwap;
use bytes::Bytes;
use gateway_config::{Environment, SystemEnvironment};
use gateway_core::instruments::Instruments;
use gateway_core::{Body, Origin, Plugin};
use gateway_plugin_host::HostOptions;
use gateway_proxy::chain::Chain;
use gateway_proxy::listener::{Bound, LINGER, Listener, Settings};
use gateway_proxy::route::{Dispatch, Route};
use gateway_proxy::router::Router;
use gateway_proxy::snapshot::{Snapshot, Table};
use gateway_proxy::workers::Workers;
use http::{HeaderValue, Request};
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::net::TcpStream;
use tokio::runtime::Handle;

/// An exchange that takes longer is over: no phase of a plugin may.
const PATIENCE: Duration = Duration::from_secs(60);

/// Bytes of an answer: a transcript is for people.
pub(super) const LONGEST: usize = 16 << 20;

/// Instances of the plugin at once: exchanges come one after the other.
const INSTANCES: u32 = 8;

/// The names of what is made around a plugin.
const NAME: &str = "scenario";

/// What every scenario of a plugin is played with.
pub(super) struct Stage {
    pub(super) workers: Arc<Workers>,
    pub(super) runtime: Handle,
    pub(super) component: PathBuf,
    /// The plugin's name.
    pub(super) plugin: String,
    /// Whether it stands in the service's place.
    pub(super) answers: bool,
    /// Where what happens is written.
    pub(super) transcript: Arc<Transcript>,
}

impl Stage {
    /// Plays one and gives its transcript.
    ///
    /// # Errors
    /// What is written cannot be used, or an exchange had no answer at all.
    pub(super) fn play(&self, file: &Path, scenario: &Scenario) -> anyhow::Result<String> {
        let masks = scenario.mask.iter().map(|mask| regex::Regex::new(mask)).collect::<Result<Vec<_>, _>>()?;
        let assembly = self.assemble(file, scenario)?;
        let script = Arc::new(Script::new(scenario, Arc::clone(&self.transcript)));
        let settings = assembly.config.listeners.first().map(|listener| Settings {
            timeouts: listener.timeouts,
            limits: listener.limits,
            tls: None,
        });
        let settings = settings.context("there is no listener")?;
        let snapshot = Arc::new(ArcSwap::from_pointee(self.around(assembly, &script)?));
        let _runtime = self.runtime.enter();
        let bound = Bound::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let (alive, _) = tokio::sync::mpsc::channel(1);
        let (workers, instruments) = (Arc::clone(&self.workers), Instruments::default());
        let listener = Listener::serve(bound, &NAME.into(), settings, snapshot, workers, &instruments, alive);
        // What an earlier scenario still had to say is not of this one.
        self.transcript.take();
        let played = self.runtime.block_on(async {
            for (number, exchange) in (1..).zip(&scenario.exchanges) {
                self.transcript.begin(&format!("{} {}", exchange.request.method, exchange.request.target));
                tokio::time::timeout(PATIENCE, send(listener.address(), &script, exchange, number))
                    .await
                    .context("an exchange did not end")??;
            }
            anyhow::Ok(())
        });
        listener.drain(LINGER);
        played?;
        let mask = |text: String, mask: &regex::Regex| mask.replace_all(&text, "…").into_owned();
        Ok(masks.iter().fold(self.transcript.take(), mask))
    }

    /// The plugin, configured as in a gateway.toml that is made of the scenario.
    fn assemble(&self, file: &Path, scenario: &Scenario) -> anyhow::Result<Assembly> {
        let made = Made {
            path: PathBuf::from(format!("{} (as a gateway.toml)", file.display())),
            text: self.configuration(scenario)?,
            secrets: &scenario.secrets,
        };
        let unusable = |problems: &[_], sources: &_| anyhow::anyhow!(gateway_config::render(problems, sources, false));
        let loaded = gateway_config::load(&made.path, &made)
            .map_err(|problems| unusable(&problems.diagnostics, &problems.sources))?;
        let sources = loaded.sources.clone();
        // One for each scenario: what a plugin keeps outlives its configuration, and nothing of it may reach the next.
        let options = HostOptions { instances: INSTANCES, ..HostOptions::default() };
        let assembler = server::assembler(options, &Instruments::default(), self.runtime.clone())?;
        assembler.assemble(loaded, None, &Substitutes::default()).map_err(|problems| unusable(&problems, &sources))
    }

    fn configuration(&self, scenario: &Scenario) -> anyhow::Result<String> {
        let mut plugin = scenario.plugin.clone();
        let text = |path: Option<&std::ffi::OsStr>| path.unwrap_or_default().to_string_lossy().into_owned();
        plugin.insert("file".into(), text(self.component.file_name()).into());
        // Nothing may be kept in a guest between phases, and nothing is.
        plugin.entry("isolation").or_insert_with(|| "request".into());
        let mut route = scenario.route.clone();
        route.insert("name".into(), NAME.into());
        route.entry("match").or_insert_with(|| toml::toml! { prefix = "/" }.into());
        if self.answers {
            let mut answer = toml::Table::new();
            answer.insert("plugin".into(), self.plugin.clone().into());
            route.insert("answer".into(), answer.into());
        } else {
            route.insert("chain".into(), vec![self.plugin.clone()].into());
            // In its place stands what the scenario answers.
            route.insert("respond".into(), toml::toml! { status = 200 }.into());
        }
        let upstreams = scenario
            .upstreams()
            .into_iter()
            .map(|name| (name.to_owned(), toml::toml! { endpoints = ["http://127.0.0.1:1"] }.into()));
        let listener = toml::toml! {
            name = "scenario"
            address = "127.0.0.1:0"
        };
        let mut folder = toml::Table::new();
        folder.insert("directory".into(), text(self.component.parent().map(Path::as_os_str)).into());
        let mut plugins = toml::Table::new();
        plugins.insert(self.plugin.clone(), plugin.into());
        let mut whole = toml::Table::new();
        whole.insert("plugins".into(), folder.into());
        whole.insert("listener".into(), vec![listener].into());
        whole.insert("upstream".into(), toml::Table::from_iter(upstreams).into());
        whole.insert("plugin".into(), plugins.into());
        whole.insert("route".into(), vec![route].into());
        Ok(toml::to_string(&whole)?)
    }

    /// The plugin's route with the script before and behind it.
    fn around(&self, assembly: Assembly, script: &Arc<Script>) -> anyhow::Result<Snapshot> {
        let Assembly { config, snapshot, plugins, .. } = assembly;
        let (Some(listener), Some(written), Some(installed)) =
            (config.listeners.first(), config.routes.first(), plugins.into_iter().next())
        else {
            bail!("the plugin has no route");
        };
        let plugin: Arc<dyn Plugin> = installed.plugin;
        let before = Around::at(Place::Before, Arc::clone(script));
        let (links, answering) = match self.answers {
            true => (vec![before], plugin),
            false => (vec![before, plugin], Around::at(Place::Service, Arc::clone(script))),
        };
        let route = Route {
            name: Arc::clone(&written.name),
            chain: Chain::new(links),
            dispatch: Dispatch::Answer(answering),
            deadline: written.deadline,
            allow: written.allow,
            body_limit: written.body_limit,
            meter: Instruments::default().meters().route(&written.name, "/"),
            admission: None,
            cache: None,
            compress: None,
        };
        let table = Table {
            router: Router::new(vec![(written.matches.clone(), written.priority, Arc::new(route))]),
            unmatched: Chain::default(),
            target_limit: listener.limits.target,
            body_limit: listener.limits.body,
            websocket: false,
            redirect_https: None,
        };
        let snapshot = Arc::into_inner(snapshot).context("the snapshot is in use already")?;
        Ok(Snapshot { tables: BTreeMap::from([(NAME.into(), Arc::new(table))]), ..snapshot })
    }
}

async fn send(address: SocketAddr, script: &Script, exchange: &Exchange, number: u32) -> anyhow::Result<()> {
    script.attributes.lock().clone_from(&exchange.attributes);
    let socket = TcpStream::connect(address).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket)).await?;
    let driven = tokio::spawn(connection);
    let body = Full::new(Bytes::from(exchange.body.clone()));
    let mut request = Request::new(body);
    *request.method_mut() = exchange.request.method.clone();
    *request.uri_mut() = exchange.request.target.clone();
    let headers = request.headers_mut();
    headers.insert(http::header::HOST, HeaderValue::from_static("gateway.example"));
    headers.insert("x-request-id", HeaderValue::try_from(format!("{NAME}-{number}"))?);
    for name in exchange.headers.0.keys() {
        headers.remove(name);
    }
    headers.extend(exchange.headers.0.clone());
    let (head, body) = sender.send_request(request).await?.into_parts();
    let body = Body::incoming(body, Origin::Upstream).gather(LONGEST).await.context("the answer was cut")?;
    script.under_way.subscribe().wait_for(|count| *count == 0).await?;
    script.transcript.message(&format!("answer {}", head.status.as_u16()), &head.headers, &body);
    driven.abort();
    Ok(())
}

/// The configuration that is made of a scenario, with its secrets.
struct Made<'a> {
    path: PathBuf,
    text: String,
    secrets: &'a BTreeMap<String, String>,
}

impl Environment for Made<'_> {
    fn variable(&self, name: &str) -> Option<String> {
        self.secrets.get(name).cloned()
    }

    fn read(&self, file: &Path) -> io::Result<Vec<u8>> {
        if file == self.path { Ok(self.text.clone().into_bytes()) } else { SystemEnvironment.read(file) }
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        SystemEnvironment.list(folder)
    }

    fn absolute(&self, path: &Path) -> PathBuf {
        SystemEnvironment.absolute(path)
    }

    fn now(&self) -> SystemTime {
        SystemEnvironment.now()
    }
}
