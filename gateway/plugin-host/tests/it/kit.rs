//! A host, a plugin with settings, an exchange, and a service that answers sub-requests.

use bytes::Bytes;
use gateway_core::dispatch::{BoxFuture, Call, Dispatch};
use gateway_core::exchange::{Exchange, Request, Response, Stage};
use gateway_core::plugin::{Flow, OnError, Plugin};
use gateway_core::{Body, Error, clock};
use gateway_plugin_host::{
    Grants, Host, HostOptions, Limits, LoadError, Manifest, PluginSettings, WasmPlugin, manifest,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

pub(crate) const KEY: &str = "k-0123456789abcdef";

/// A host for one test, with few instances.
pub(crate) fn host() -> Arc<Host> {
    Host::new(HostOptions { instances: 100, threads: 2, ..HostOptions::default() }).unwrap()
}

pub(crate) fn settings() -> PluginSettings {
    PluginSettings {
        name: "test".into(),
        config: "{}".to_owned(),
        grants: Grants::default(),
        limits: Limits::default(),
        on_error: OnError::Deny,
        decode: false,
        isolate: false,
    }
}

pub(crate) async fn try_plugin(
    host: &Arc<Host>,
    component: &[u8],
    settings: PluginSettings,
) -> Result<Arc<WasmPlugin>, LoadError> {
    let loaded = host.load("test", component)?;
    host.plugin(loaded, settings).await
}

pub(crate) async fn plugin(component: &[u8]) -> Arc<WasmPlugin> {
    try_plugin(&host(), component, settings()).await.unwrap()
}

pub(crate) async fn plugin_with(component: &[u8], change: impl FnOnce(&mut PluginSettings)) -> Arc<WasmPlugin> {
    let mut settings = settings();
    change(&mut settings);
    try_plugin(&host(), component, settings).await.unwrap()
}

/// The component with a manifest that asks for everything.
pub(crate) fn asking(component: &[u8], capabilities: &[gateway_plugin_host::Capability]) -> Vec<u8> {
    let manifest = Manifest {
        name: "test".to_owned(),
        version: "1.0.0".to_owned(),
        description: String::new(),
        api: "0.1.0".to_owned(),
        phases: vec![],
        capabilities: capabilities.to_vec(),
        optional: vec![],
        schema: None,
    };
    manifest::embed(component, &manifest)
}

pub(crate) fn exchange() -> Box<Exchange> {
    let mut headers = HeaderMap::new();
    headers.insert("x-api-key", HeaderValue::from_static(KEY));
    for number in 0..19 {
        let name = format!("x-header-{number}").parse::<http::HeaderName>().unwrap();
        headers.insert(name, HeaderValue::from_static("some value of an ordinary length, as they are"));
    }
    Box::new(Exchange {
        id: HeaderValue::from_static("0192-test"),
        route: "orders".into(),
        parameters: vec![("id".into(), "17".to_owned())],
        client: IpAddr::V4(Ipv4Addr::LOCALHOST),
        request: Request {
            method: Method::GET,
            scheme: "http",
            authority: "shop.example".into(),
            path: "/orders/17".to_owned(),
            query: None,
            headers,
        },
        response: None,
        stage: Stage::Request,
        certificate: None,
        attributes: gateway_core::attributes::Attributes::default(),
        upstream: None,
        asked: None,
        trace: None,
        slots: Vec::new(),
        deadline: clock::now() + Duration::from_secs(10),
        depth: 0,
        dispatch: Arc::new(Service::answering(Duration::ZERO)),
    })
}

/// An exchange whose response is known.
pub(crate) fn answered() -> Box<Exchange> {
    let mut exchange = exchange();
    exchange.stage = Stage::Response;
    exchange.response = Some(Response { status: StatusCode::OK, headers: HeaderMap::new() });
    exchange
}

/// Status and body of the answer, or 0 for going on.
pub(crate) fn answer(flow: Flow) -> (u16, String) {
    match flow {
        Flow::Respond(answer) => (answer.status.as_u16(), String::from_utf8_lossy(&answer.body).into_owned()),
        Flow::Next => (0, String::new()),
        Flow::AwaitBody => (1, String::new()),
    }
}

/// Calls `on-request` on an ordinary exchange.
pub(crate) async fn on_request(plugin: &WasmPlugin) -> Result<(u16, String), gateway_core::plugin::Fault> {
    plugin.on_request(exchange()).await.1.map(answer)
}

/// Answers every call after a while with what was asked.
pub(crate) struct Service {
    delay: Duration,
}

impl Service {
    pub(crate) fn answering(delay: Duration) -> Self {
        Self { delay }
    }
}

impl Dispatch for Service {
    fn call(&self, call: Call) -> BoxFuture<'_, Result<http::Response<Body>, Error>> {
        Box::pin(async move {
            // A timer takes a millisecond also where there is nothing to wait for.
            if !self.delay.is_zero() {
                tokio::time::sleep(self.delay).await;
            }
            let asked =
                format!("{} {:?} {} depth {}", call.request.method(), call.target, call.request.uri(), call.depth);
            let mut response = http::Response::new(Body::from(Bytes::from(asked)));
            response.headers_mut().insert("content-length", HeaderValue::from_static("3"));
            response.headers_mut().insert("x-from", HeaderValue::from_static("service"));
            Ok(response)
        })
    }

    fn has_upstream(&self, name: &str) -> bool {
        name == "orders"
    }
}
