//! From a file's bytes to a component that is compiled and linked. Off the request path: compiling takes up to seconds.

use crate::abi::Abi;
use crate::abi::direct::{Direct, Shape};
use crate::abi::gateway::{self, Indices, VERSION};
use crate::abi::wasi_http::{self, HttpState};
use crate::cache;
use crate::capabilities::log::printable;
use crate::compile::{Target, compile};
use crate::detect::{SIZE, Surface};
use crate::grant::Capability;
use crate::host::Host;
use crate::manifest::Manifest;
use gateway_core::{Phases, clock};
use std::sync::Arc;
use std::time::Duration;
use wasmtime_wasi_http::handler::ProxyPre;

/// A component, ready to be configured.
pub struct Loaded {
    /// The word it is known by.
    pub name: Arc<str>,
    /// How it is a plugin.
    pub abi: Abi,
    /// What it exports.
    pub phases: Phases,
    /// What it says of itself, where it says anything.
    pub manifest: Option<Manifest>,
    /// SHA-256 of its source, in hexadecimal.
    pub hash: String,
    /// Bytes of its source.
    pub size: usize,
    /// How long compiling took, or reading what was compiled before.
    pub compile_time: Duration,
    /// Whether it had been compiled before.
    pub cached: bool,
    /// Places of the process that an instance of it takes: one for each of its linear memories, of which most languages make one.
    pub(crate) slots: u32,
    /// Interfaces of `gateway:plugin` that a component of `wasi:http` imports.
    pub(crate) capabilities: Vec<String>,
    pub(crate) linked: Linked,
}

/// A component with all that it imports.
pub(crate) enum Linked {
    Gateway(gateway::Component),
    WasiHttp(Arc<ProxyPre<HttpState>>),
}

impl Loaded {
    /// Whether calls of it go past the component to its module.
    #[must_use]
    pub fn is_direct(&self) -> bool {
        matches!(&self.linked, Linked::Gateway(component) if component.direct.is_some())
    }

    /// What it asks for; nothing without a manifest.
    #[must_use]
    pub fn asked(&self) -> &[Capability] {
        self.manifest.as_ref().map_or(&[], |manifest| &manifest.capabilities)
    }

    /// What it can do without; nothing without a manifest.
    #[must_use]
    pub fn optional(&self) -> &[Capability] {
        self.manifest.as_ref().map_or(&[], |manifest| &manifest.optional)
    }
}

/// Why something is no plugin, or cannot be one here. Reads after the plugin's name and a colon.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// No bytes.
    #[error("the file is empty; a plugin is a WebAssembly component")]
    Empty,
    /// Too many bytes.
    #[error("the file has {0} bytes; at most {SIZE} are accepted")]
    TooLarge(usize),
    /// WebAssembly text.
    #[error("the file is WebAssembly text; make it binary with `wasm-tools parse`")]
    Text,
    /// A module, not a component.
    #[error("the file is a core module; a plugin is a component: make one with `wasm-tools component new`")]
    CoreModule,
    /// Something else.
    #[error("the file is no WebAssembly component (it begins with other bytes)")]
    NotWasm,
    /// Broken.
    #[error("the component is malformed: {0}")]
    Malformed(String),
    /// Another version of our WIT.
    #[error("it uses `{}`, another version of the interface; `gateway:plugin@{VERSION}` is accepted", .0.escape_debug())]
    Version(String),
    /// Exports, but no phase.
    #[error("it exports {}, and none of what makes a plugin; accepted are {ACCEPTED}", list(.0))]
    NoPhase(Vec<String>),
    /// Another ABI.
    #[error("it exports {}, which is not supported; accepted are {ACCEPTED}", list(.0))]
    Unsupported(Vec<String>),
    /// Two ABIs.
    #[error("it exports {}, which are several interfaces of a plugin; accepted is exactly one of {ACCEPTED}", list(.0))]
    Ambiguous(Vec<String>),
    /// Imports of something that is not there.
    #[error("it imports {}; only interfaces of {} are offered to it", list(.0), .1)]
    Foreign(Vec<String>, &'static str),
    /// An interface of WASI that is not there, or is there with another type.
    #[error("it does not fit `wasi:http`, or imports what is not offered: {0}")]
    Import(String),
    /// Without a way to read it.
    #[error("it does not import `gateway:plugin/config`, so it has no way to read a configuration: leave out `config`")]
    Unreadable,
    /// A bad manifest.
    #[error("its manifest is not usable: {0}")]
    Manifest(String),
    /// Not valid, or not compilable.
    #[error("it does not compile: {0}")]
    Compile(String),
    /// Another type than the WIT says.
    #[error("it does not fit `gateway:plugin@{VERSION}`: {0}")]
    Link(String),
    /// Asked for and not granted.
    #[error("it asks for `{}`, which the configuration does not grant", .0.name())]
    NotGranted(Capability),
    /// A granted origin that is none.
    #[error("the granted origin `{0}` is none: {1}")]
    Origin(String, String),
    /// More than can be given to any instance.
    #[error("`limits.memory` is {0} bytes; at most {ceiling} can be given", ceiling = crate::limits::MEMORY_CEILING)]
    Memory(usize),
    /// A trap or a time-out before the first call.
    #[error("it failed at its start: {0}")]
    Start(String),
    /// The guest's own words.
    #[error("it refuses its configuration: {0}")]
    Configure(String),
    /// The process-wide bound.
    #[error("no instance can be made: {0}")]
    Full(String),
}

/// What makes a component a plugin.
const ACCEPTED: &str = "phases of `gateway:plugin@0.1` (on-request, on-request-body, handle, on-response, on-response-body, on-complete), `wasi:http/handler@0.3` and `wasi:http/incoming-handler@0.2`";

fn list(names: &[String]) -> String {
    if names.is_empty() {
        return "nothing".to_owned();
    }
    let shown: Vec<_> = names.iter().take(8).map(|name| format!("`{}`", name.escape_debug())).collect();
    let more = names.len().saturating_sub(shown.len());
    if more > 0 { format!("{} and {more} more", shown.join(", ")) } else { shown.join(", ") }
}

impl Host {
    /// Checks, compiles and links a component. Blocks for as long as compiling takes.
    ///
    /// # Errors
    /// Why it is no plugin, and what would be one.
    pub fn load(&self, name: &str, source: &[u8]) -> Result<Arc<Loaded>, LoadError> {
        let surface = Surface::read(source)?;
        let (abi, phases) = surface.detect()?;
        let foreign = surface.foreign(abi);
        if !foreign.is_empty() {
            let offered = match abi {
                Abi::Gateway => "`gateway:plugin@0.1`",
                Abi::WasiHttp02 | Abi::WasiHttp03 => {
                    "`wasi` and of `gateway:plugin@0.1`, without its `request` and `response`,"
                }
            };
            return Err(LoadError::Foreign(foreign, offered));
        }
        let manifest = surface.manifest.as_deref().map(Manifest::parse).transpose();
        let manifest = manifest.map_err(|text| LoadError::Manifest(printable(&text)))?;
        let begin = clock::now();
        let (engine, cache) = match abi {
            Abi::Gateway => (&self.engine, self.cache.as_ref()),
            Abi::WasiHttp02 | Abi::WasiHttp03 => {
                let concurrent = self.concurrent()?;
                (&concurrent.engine, concurrent.cache.as_ref())
            }
        };
        let target = Target { engine, cache, compiler: self.compiler.as_ref(), abi };
        let shape = match abi {
            Abi::Gateway => {
                let glue = self.glue()?;
                Shape::of(source, &surface, |interface, name| glue.offers(interface, name))
            }
            Abi::WasiHttp02 | Abi::WasiHttp03 => None,
        };
        let showing = shape.as_ref().map(|shape| shape.showing(source));
        let (component, cached) = compile(&target, name, showing.as_deref().unwrap_or(source))?;
        let compile_time = begin.elapsed();
        let slots = component.resources_required().map_or(1, |required| required.num_memories.max(1));
        let linked = match abi {
            Abi::Gateway => {
                let link = |error| LoadError::Link(format!("{error:#}"));
                let linked = self.linker.instantiate_pre(&component).map_err(link)?;
                let indices = Arc::new(Indices::find(&component, &surface, phases)?);
                let direct = match shape {
                    Some(shape) => Direct::new(self.glue()?, &self.engine, &component, &indices, shape).map(Arc::new),
                    None => None,
                };
                Linked::Gateway(gateway::Component { linked, indices, direct })
            }
            Abi::WasiHttp02 | Abi::WasiHttp03 => {
                let linked = wasi_http::link(&self.concurrent()?.linker, abi, &component);
                Linked::WasiHttp(Arc::new(linked.map_err(|error| LoadError::Import(format!("{error:#}")))?))
            }
        };
        Ok(Arc::new(Loaded {
            name: name.into(),
            abi,
            phases,
            manifest,
            hash: cache::hash(source),
            size: source.len(),
            compile_time,
            cached,
            slots,
            capabilities: surface.capabilities(abi),
            linked,
        }))
    }
}
