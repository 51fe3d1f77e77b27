//! `wasi:http`: components written for other hosts, unmodified. A `service` of 0.3 or a `proxy` of 0.2 answers a route, a `middleware` of
//! 0.3 stands around the rest of a chain.
//!
//! The way of a request: `http.rs` gives it a place and hands it to the pool of wasmtime-wasi-http, whose workers (`worker.rs`) have an
//! instance each and run up to sixteen requests in it. What the guest calls is `calls.rs`; which request it calls for is found by its task
//! (`call.rs`). Bodies stream through `body.rs`, both ways, and are moved where the guest hands one on as it came. `budget.rs` counts its CPU
//! time. What `gateway:plugin` offers is there as well (`capabilities.rs`), on the exchange of the request (`loan.rs`). wasmtime calls its
//! support of 0.3 experimental.

mod body;
mod budget;
mod call;
mod calls;
mod capabilities;
mod http;
mod loan;
mod output;
mod state;
mod worker;

pub(crate) use http::Http;
pub(crate) use state::HttpState;

use crate::abi::Abi;
use crate::cache::Cache;
use crate::grant::{Capability, Grants};
use crate::load::Loaded;
use wasmtime::Engine;
use wasmtime::component::{Component, Linker};
use wasmtime_wasi_http::handler::ProxyPre;
use wasmtime_wasi_http::{p2, p3};

/// What its components share, beside what all plugins do.
pub(crate) struct Concurrent {
    pub(crate) engine: Engine,
    pub(crate) linker: Linker<HttpState>,
    pub(crate) cache: Option<Cache>,
}

/// All of WASI is there, so that what a stock toolchain makes finds its imports; behind files, sockets and the environment is nothing.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<HttpState>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi::p3::add_to_linker(&mut linker)?;
    p2::add_only_http_to_linker_async(&mut linker)?;
    p3::bindings::http::types::add_to_linker::<_, wasmtime_wasi_http::WasiHttp>(&mut linker, state::view)?;
    calls::add_to_linker(&mut linker)?;
    capabilities::add_to_linker(&mut linker)?;
    Ok(linker)
}

/// A component with its imports and its one export found.
pub(crate) fn link(
    linker: &Linker<HttpState>,
    abi: Abi,
    component: &Component,
) -> wasmtime::Result<ProxyPre<HttpState>> {
    let linked = linker.instantiate_pre(component)?;
    Ok(match abi {
        Abi::WasiHttp02 => ProxyPre::P2(p2::bindings::ProxyPre::new(linked)?),
        _ => ProxyPre::P3(p3::bindings::ServicePre::new(linked)?),
    })
}

/// What a component asks for. One without a manifest was written for another host: it has what is granted of what its interfaces can use.
pub(crate) fn asked(loaded: &Loaded, grants: &Grants) -> Vec<Capability> {
    if let Some(manifest) = &loaded.manifest {
        return manifest.capabilities.clone();
    }
    let uses = |interface: &str| loaded.capabilities.iter().any(|used| used == interface);
    let can_use = |capability: &Capability| match capability {
        Capability::Http => true,
        Capability::Identity | Capability::SetUpstream => uses("exchange"),
        named => uses(named.name()),
    };
    Capability::ALL.into_iter().filter(|capability| grants.has(*capability) && can_use(capability)).collect()
}

/// Whether a configuration says nothing.
pub(crate) fn is_empty(config: &str) -> bool {
    matches!(config, "" | "{}" | "null")
}
