//! What is asked of a guest in each phase, what it says, and the two ways to it.

use super::wit::types::{BodyFlow, Flow, Response};
use super::{Component, Exports};
use crate::abi::direct;
use crate::state::State;
use bytes::Bytes;
use gateway_core::plugin::Summary;
use wasmtime::{Result, Store, bail};

/// A phase, with what it takes.
pub(crate) enum Asked {
    Configure,
    Request,
    RequestBody(Bytes),
    Handle(Bytes),
    Response,
    ResponseBody(Bytes),
    Complete(Summary),
}

/// What a phase gave.
pub(crate) enum Said {
    Configured(std::result::Result<(), String>),
    Flow(Flow),
    BodyFlow(BodyFlow),
    Response(Response),
    Nothing,
}

/// How the phases of one instance are called.
pub(crate) enum Calls {
    Component(Exports),
    Direct(Box<direct::Exports>),
}

impl Calls {
    /// Starts the guest in this store.
    pub(crate) async fn start(component: &Component, store: &mut Store<State>) -> Result<Self> {
        if let Some(direct) = &component.direct {
            return Ok(Self::Direct(Box::new(direct.instantiate(store).await?)));
        }
        let instance = component.linked.instantiate_async(&mut *store).await?;
        Exports::of(&instance, store, &component.indices).map(Self::Component)
    }

    /// Whether it can be called by [`Self::call_here`].
    pub(crate) fn is_callable_here(&self) -> bool {
        matches!(self, Self::Direct(exports) if !exports.may_wait())
    }

    /// Calls a phase on the stack of who calls; nothing where it is not exported.
    pub(crate) fn call_here(&self, store: &mut Store<State>, asked: Asked) -> Result<Option<Said>> {
        match self {
            Self::Direct(exports) => exports.call_here(store, asked),
            Self::Component(_) => bail!("a component is called on a stack of its own"),
        }
    }

    /// Calls a phase on a stack of its own, where it may stand aside: to wait, to start, or so that others have their turn.
    pub(crate) async fn call(&self, store: &mut Store<State>, asked: Asked) -> Result<Option<Said>> {
        match self {
            Self::Direct(exports) => exports.call(store, asked).await,
            // It is the larger one by far, and the other is the way that more calls go.
            Self::Component(exports) => Box::pin(exports.call(store, asked)).await,
        }
    }
}
