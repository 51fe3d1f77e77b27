//! The phases that a component exports: found once, typed once an instance.

use super::convert::SummaryRecord;
use super::wit::types::{BodyFlow, Flow, Response};
use super::{Asked, Said};
use crate::detect::Surface;
use crate::load::LoadError;
use crate::state::State;
use bytes::Bytes;
use gateway_core::{Phase, Phases};
use wasmtime::Store;
use wasmtime::component::{Component, ComponentExportIndex, ComponentNamedList, Instance, Lift, Lower, TypedFunc};

/// Where a component's phases are.
pub(crate) struct Indices {
    configure: Option<ComponentExportIndex>,
    phases: Vec<(Phase, ComponentExportIndex)>,
}

impl Indices {
    /// Fails where an interface is exported without its function.
    pub(crate) fn find(component: &Component, surface: &Surface, phases: Phases) -> Result<Self, LoadError> {
        let function = |interface: &str| -> Result<Option<ComponentExportIndex>, LoadError> {
            let Some(export) = surface.gateway_export(interface) else {
                return Ok(None);
            };
            let instance = component.get_export_index(None, export);
            let function = instance.and_then(|instance| component.get_export_index(Some(&instance), interface));
            function.map(Some).ok_or_else(|| LoadError::Link(format!("`{export}` has no function `{interface}`")))
        };
        let mut indices = Self { configure: function("configure")?, phases: Vec::new() };
        for phase in phases.iter() {
            indices.phases.extend(function(phase.name())?.map(|index| (phase, index)));
        }
        Ok(indices)
    }
}

/// The functions of one instance. A phase that is not exported is none.
#[derive(Default)]
pub(crate) struct Exports {
    configure: Option<TypedFunc<(), (Result<(), String>,)>>,
    on_request: Option<TypedFunc<(), (Flow,)>>,
    on_request_body: Option<TypedFunc<(Bytes,), (BodyFlow,)>>,
    handle: Option<TypedFunc<(Bytes,), (Response,)>>,
    on_response: Option<TypedFunc<(), (Flow,)>>,
    on_response_body: Option<TypedFunc<(Bytes,), (BodyFlow,)>>,
    on_complete: Option<TypedFunc<(SummaryRecord,), ()>>,
}

impl Exports {
    /// Fails where a function has another type than the WIT says.
    pub(crate) fn of<T>(instance: &Instance, store: &mut Store<T>, indices: &Indices) -> wasmtime::Result<Self> {
        let mut exports = Self::default();
        if let Some(index) = &indices.configure {
            exports.configure = Some(instance.get_typed_func(&mut *store, index)?);
        }
        for (phase, index) in &indices.phases {
            match phase {
                Phase::OnRequest => exports.on_request = Some(instance.get_typed_func(&mut *store, index)?),
                Phase::OnRequestBody => exports.on_request_body = Some(instance.get_typed_func(&mut *store, index)?),
                Phase::Handle => exports.handle = Some(instance.get_typed_func(&mut *store, index)?),
                Phase::OnResponse => exports.on_response = Some(instance.get_typed_func(&mut *store, index)?),
                Phase::OnResponseBody => exports.on_response_body = Some(instance.get_typed_func(&mut *store, index)?),
                Phase::OnComplete => exports.on_complete = Some(instance.get_typed_func(&mut *store, index)?),
                Phase::Middleware | Phase::Service => {}
            }
        }
        Ok(exports)
    }

    /// Calls a phase; nothing where it is not exported.
    pub(crate) async fn call(&self, store: &mut Store<State>, asked: Asked) -> wasmtime::Result<Option<Said>> {
        Ok(match asked {
            Asked::Configure => called(&self.configure, store, ()).await?.map(|(result,)| Said::Configured(result)),
            Asked::Request => called(&self.on_request, store, ()).await?.map(|(flow,)| Said::Flow(flow)),
            Asked::RequestBody(body) => {
                called(&self.on_request_body, store, (body,)).await?.map(|(flow,)| Said::BodyFlow(flow))
            }
            Asked::Handle(body) => called(&self.handle, store, (body,)).await?.map(|(answer,)| Said::Response(answer)),
            Asked::Response => called(&self.on_response, store, ()).await?.map(|(flow,)| Said::Flow(flow)),
            Asked::ResponseBody(body) => {
                called(&self.on_response_body, store, (body,)).await?.map(|(flow,)| Said::BodyFlow(flow))
            }
            Asked::Complete(summary) => {
                called(&self.on_complete, store, (summary.into(),)).await?.map(|()| Said::Nothing)
            }
        })
    }
}

async fn called<P, R>(
    function: &Option<TypedFunc<P, R>>,
    store: &mut Store<State>,
    parameters: P,
) -> wasmtime::Result<Option<R>>
where
    P: ComponentNamedList + Lower + Send + Sync + 'static,
    R: ComponentNamedList + Lift + Send + Sync + 'static,
{
    match function {
        Some(function) => function.call_async(store, parameters).await.map(Some),
        None => Ok(None),
    }
}
