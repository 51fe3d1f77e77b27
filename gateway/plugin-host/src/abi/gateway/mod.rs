//! `gateway:plugin`: the bindings made from its WIT, and the exports that a component of it has.

mod calls;
pub(crate) mod convert;
mod exports;

pub(crate) use calls::{Asked, Calls, Said};
pub(crate) use exports::{Exports, Indices};

use crate::abi::direct::Direct;
use crate::state::State;
use std::sync::Arc;
use wasmtime::component::InstancePre;

/// The version of the WIT. A component of another patch version is accepted, as semantic versioning has it.
pub(crate) const VERSION: &str = "0.1.0";

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit/0.1",
        world: "imports",
        imports: {
            "gateway:plugin/http": async,
            "gateway:plugin/kv": async,
            "gateway:plugin/limit": async,
            "gateway:plugin/clock.wait": async,
            "gateway:plugin/crypto.verify-password": async,
            "gateway:plugin/random": trappable,
        },
    });
}

/// A component of it, linked.
#[derive(Clone)]
pub(crate) struct Component {
    pub(crate) linked: InstancePre<State>,
    pub(crate) indices: Arc<Indices>,
    /// Its module, where the host can call that itself.
    pub(crate) direct: Option<Arc<Direct>>,
}

pub(crate) use bindings::Imports;
pub(crate) use bindings::gateway::plugin as wit;
