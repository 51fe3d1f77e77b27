//! Components of our own world whose module the host calls itself.
//!
//! The way through a component costs several times what a small filter does: for each call in either direction types are walked, functions are
//! looked up, tasks and handles are kept that such a component has none of. Where a component is one module in the usual
//! wrapping (`shape.rs`), the component is compiled and checked as any other, and then its module is linked to host functions that read
//! parameters from its memory (`lift.rs`, `types.rs`, `functions.rs`) and lay results out for it (`lower.rs`), with some guest code of
//! our own between (`glue.rs`). What a plugin may do, and what bounds it, is the same on both ways. See docs/decisions/0025.

mod functions;
mod fuzz;
mod glue;
mod lift;
mod lower;
mod shape;
mod types;

pub(crate) use fuzz::run as fuzz;
pub(crate) use lower::Parcel;
pub(crate) use shape::Shape;

use super::gateway::{Asked, Exports as ComponentExports, Indices, Said};
use crate::compile::{Target, compile};
use crate::state::State;
use bytes::Bytes;
use functions::{Function, reach};
use gateway_core::plugin::Summary;
use glue::{EXPORTS, HOST, TABLE};
use lift::Source;
use std::sync::Arc;
use wasmtime::component::{self, Component};
use wasmtime::{
    Caller, Engine, Extern, Func, Instance, InstancePre, Linker, Memory, Module, Ref, Result, Store, TypedFunc, bail,
};

/// Ticks of the host's clock within which a module's tables are filled.
const TICKS: u64 = 1000;

/// What a store holds for calls between the host and a module.
#[derive(Default)]
pub(crate) struct Desk {
    /// The module's memory, once it is there.
    pub(crate) memory: Option<Memory>,
    /// What a host function gives.
    pub(crate) parcel: Parcel,
    /// What a phase takes.
    given: Bytes,
    summary: Option<Summary>,
}

/// The glue, linked to the host functions.
pub(crate) struct Glue {
    /// All of them.
    whole: InstancePre<State>,
    /// Those that no guest waits for.
    prompt: InstancePre<State>,
    /// What a module may import.
    functions: Vec<Function>,
}

/// A component's module, ready to be instantiated.
pub(crate) struct Direct {
    glue: Arc<Glue>,
    module: Module,
    /// The glue's name for each of the module's imports.
    imports: Vec<String>,
    /// Whether it has imports that it may wait for.
    waits: bool,
    shape: Shape,
}

/// The functions of one instance.
pub(crate) struct Exports {
    /// The glue's, in the order of [`EXPORTS`]. A phase that is not exported is none.
    phases: [Option<Phase>; EXPORTS.len()],
    waits: bool,
}

/// It gives the address of what the plugin's gave.
type Phase = TypedFunc<(), u32>;

impl Glue {
    /// Compiles it, or takes it from the cache.
    pub(crate) fn new(target: &Target<'_>) -> Result<Self> {
        let (mut linker, functions) = functions::all(target.engine)?;
        own(&mut linker)?;
        let link = |functions: &[&Function]| {
            let source = glue::component(functions);
            let (component, _) = compile(target, "glue", &source).map_err(|error| wasmtime::format_err!("{error}"))?;
            match shown(target.engine, &component, |_, _| Ok(()))? {
                Some(module) => linker.instantiate_pre(&module),
                None => bail!("the glue shows no module"),
            }
        };
        let whole = link(&functions.iter().collect::<Vec<_>>())?;
        let prompt = link(&functions.iter().filter(|function| !function.waits).collect::<Vec<_>>())?;
        Ok(Self { whole, prompt, functions })
    }

    /// Whether there is such a host function.
    pub(crate) fn offers(&self, interface: &str, name: &str) -> bool {
        self.function(interface, name).is_some()
    }

    fn function(&self, interface: &str, name: &str) -> Option<&Function> {
        self.functions.iter().find(|function| function.interface == interface && function.name == name)
    }
}

/// The host functions that are for the glue alone.
fn own(linker: &mut Linker<State>) -> Result<()> {
    linker.func_wrap(HOST, "place", |mut caller: Caller<'_, State>, at: u32| -> Result<u64> {
        let (memory, state) = reach(&mut caller)?;
        state.desk.parcel.place(at, memory)
    })?;
    linker.func_wrap(HOST, "length", |caller: Caller<'_, State>| -> Result<u32> {
        Ok(u32::try_from(caller.data().desk.given.len())?)
    })?;
    linker.func_wrap(HOST, "summary", |mut caller: Caller<'_, State>| -> Result<(u32, u64, u64, u64, u32)> {
        let Some(summary) = caller.data_mut().desk.summary.take() else { bail!("there is no summary") };
        let micros = u64::try_from(summary.duration.as_micros()).unwrap_or(u64::MAX);
        let has_error = summary.error.is_some();
        Ok((summary.status.into(), micros, summary.request_bytes, summary.response_bytes, has_error.into()))
    })?;
    linker.func_wrap(HOST, "fill", |mut caller: Caller<'_, State>, at: u32| -> Result<()> {
        let (memory, state) = reach(&mut caller)?;
        let given = std::mem::take(&mut state.desk.given);
        let place = memory.get_mut(at as usize..).and_then(|rest| rest.get_mut(..given.len()));
        match place {
            Some(place) => place.copy_from_slice(&given),
            None => bail!("realloc return: beyond end of memory"),
        }
        Ok(())
    })?;
    Ok(())
}

/// The module that a component shows. Nothing of a guest runs for that: what its imports are here is never called.
fn shown(
    engine: &Engine,
    component: &Component,
    check: impl FnOnce(&component::Instance, &mut Store<()>) -> Result<()>,
) -> Result<Option<Module>> {
    let mut linker = component::Linker::<()>::new(engine);
    linker.define_unknown_imports_as_traps(component)?;
    let mut store = Store::new(engine, ());
    // Tables are filled by code of the engine's, which looks at the clock as a guest does.
    store.set_epoch_deadline(TICKS);
    let instance = linker.instantiate(&mut store, component)?;
    check(&instance, &mut store)?;
    Ok(instance.get_module(&mut store, glue::MODULE))
}

impl Direct {
    /// None where the component's functions have other types than the WIT says, which linking it tells better.
    pub(crate) fn new(
        glue: &Arc<Glue>,
        engine: &Engine,
        component: &Component,
        indices: &Indices,
        shape: Shape,
    ) -> Option<Self> {
        let check = |instance: &component::Instance, store: &mut Store<()>| {
            ComponentExports::of(instance, store, indices).map(drop)
        };
        let module = shown(engine, component, check).ok()??;
        let (mut imports, mut waits) = (Vec::new(), false);
        for import in module.imports() {
            let interface = crate::detect::Surface::interface(import.module())?;
            waits |= glue.function(interface, import.name())?.waits;
            imports.push(glue::wrapper(interface, import.name()));
        }
        Some(Self { glue: Arc::clone(glue), module, imports, waits, shape })
    }

    /// Starts the guest.
    pub(crate) async fn instantiate(&self, store: &mut Store<State>) -> Result<Exports> {
        let linked = if self.waits { &self.glue.whole } else { &self.glue.prompt };
        let glue = linked.instantiate_async(&mut *store).await?;
        let mut imports = Vec::with_capacity(self.imports.len());
        for name in &self.imports {
            let Some(function) = glue.get_func(&mut *store, name) else { bail!("the host has no `{name}`") };
            imports.push(Extern::Func(function));
        }
        let guest = Instance::new_async(&mut *store, &self.module, &imports).await?;
        store.data_mut().desk.memory = guest.get_memory(&mut *store, shape::MEMORY);
        let Some(table) = glue.get_table(&mut *store, TABLE) else { bail!("the glue has no table") };
        let set = |store: &mut Store<State>, at: u32, function: Option<Func>| match function {
            Some(function) => table.set(store, at.into(), Ref::Func(Some(function))),
            None => Ok(()),
        };
        let realloc = guest.get_func(&mut *store, shape::REALLOC);
        set(store, glue::REALLOC, realloc)?;
        for (number, function, post) in &self.shape.phases {
            let (function, post) = (guest.get_func(&mut *store, function), guest.get_func(&mut *store, post));
            set(store, glue::place(*number), function)?;
            set(store, glue::post_place(*number), post)?;
        }
        Exports::of(&glue, store, self)
    }
}

impl Exports {
    fn of(glue: &Instance, store: &mut Store<State>, direct: &Direct) -> Result<Self> {
        let mut phases = [const { None }; EXPORTS.len()];
        for (number, ..) in &direct.shape.phases {
            if let (Some(phase), Some(export)) = (phases.get_mut(*number), EXPORTS.get(*number)) {
                *phase = Some(glue.get_typed_func(&mut *store, export.name)?);
            }
        }
        Ok(Self { phases, waits: direct.waits })
    }

    /// Whether it may have to wait for what it imports.
    pub(crate) fn may_wait(&self) -> bool {
        self.waits
    }

    /// Calls what is asked for. None where it is not exported.
    pub(crate) async fn call(&self, store: &mut Store<State>, asked: Asked) -> Result<Option<Said>> {
        let (number, read) = store.data_mut().desk.take(asked);
        let Some(function) = self.phase(number) else { return Ok(None) };
        let at = function.call_async(&mut *store, ()).await?;
        said(store, read, at)
    }

    /// The same on the stack of who calls, where the guest cannot stand aside.
    pub(crate) fn call_here(&self, store: &mut Store<State>, asked: Asked) -> Result<Option<Said>> {
        let (number, read) = store.data_mut().desk.take(asked);
        let Some(function) = self.phase(number) else { return Ok(None) };
        store.data_mut().meter.hold();
        let at = function.call(&mut *store, ())?;
        said(store, read, at)
    }

    fn phase(&self, number: usize) -> Option<&Phase> {
        self.phases.get(number).and_then(Option::as_ref)
    }
}

/// Reads what a phase gave from where it says that it stands.
fn said(store: &Store<State>, read: Read, at: u32) -> Result<Option<Said>> {
    let state = store.data();
    let Some(memory) = state.desk.memory else { bail!("the guest has no memory") };
    let limit = state.settings.limits.transfer();
    read(&mut Source::new(memory.data(store), limit), at).map(Some)
}

/// Reads what a phase gave.
type Read = fn(&mut Source<'_>, u32) -> Result<Said>;

impl Desk {
    /// Has ready what a phase takes; gives its place among [`EXPORTS`] and what reads what it gives.
    fn take(&mut self, asked: Asked) -> (usize, Read) {
        self.parcel.clear();
        match asked {
            Asked::Configure => (0, |source, at| source.value(at).map(Said::Configured)),
            Asked::Request => (1, flow),
            Asked::RequestBody(body) => (self.give(body, 2), body_flow),
            Asked::Handle(body) => (self.give(body, 3), |source, at| source.value(at).map(Said::Response)),
            Asked::Response => (4, flow),
            Asked::ResponseBody(body) => (self.give(body, 5), body_flow),
            Asked::Complete(summary) => {
                let error = Bytes::from_static(summary.error.unwrap_or_default().as_bytes());
                self.summary = Some(summary);
                (self.give(error, 6), |_, _| Ok(Said::Nothing))
            }
        }
    }

    fn give(&mut self, given: Bytes, number: usize) -> usize {
        self.given = given;
        number
    }
}

fn flow(source: &mut Source<'_>, at: u32) -> Result<Said> {
    source.value(at).map(Said::Flow)
}

fn body_flow(source: &mut Source<'_>, at: u32) -> Result<Said> {
    source.value(at).map(Said::BodyFlow)
}
