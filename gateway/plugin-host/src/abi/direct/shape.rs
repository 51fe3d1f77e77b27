//! Which components have one module that the host can call itself, past the component around it.
//!
//! Rust's toolchain, as others, makes one module of a plugin, and `wit-component` wraps it: into a module of jumps, one that fills
//! them in, and the canonical functions, which translate between the module's memory and values. Where there is nothing else, the module
//! can be linked to host functions that do the translating (`functions.rs`). Everything else is called as a component.

use super::glue::{self, EXPORTS};
use crate::detect::Surface;
use wasm_encoder::ComponentSection as _;
use wasmparser::{
    CanonicalFunction, CanonicalOption, ComponentAlias, ComponentExternalKind, ComponentOuterAliasKind, Encoding,
    ExternalKind, Parser, Payload, TypeRef,
};

/// What `wit-component` calls its table of jumps.
const JUMPS: &str = "$imports";

/// The guest's memory.
pub(super) const MEMORY: &str = "memory";

/// The guest's allocator.
pub(super) const REALLOC: &str = "cabi_realloc";

/// Where the functions of a component stand in its module.
#[derive(Debug)]
pub(crate) struct Shape {
    /// Its index among the component's modules.
    module: u32,
    /// Each phase and `configure`: its place among [`EXPORTS`], its function's name and that of its `post-return`.
    pub(super) phases: Vec<(usize, String, String)>,
}

/// A module inside the component.
#[derive(Debug, Default)]
struct Inner {
    /// It runs code when it is instantiated.
    starts: bool,
    imports: Vec<(String, String)>,
    exports: Vec<(String, ExternalKind)>,
    /// It imports something that is no function.
    odd: bool,
}

impl Shape {
    /// None where it has to be called as a component.
    pub(crate) fn of(source: &[u8], surface: &Surface, offers: impl Fn(&str, &str) -> bool) -> Option<Self> {
        let modules = modules(source)?;
        let mut own = modules.iter().enumerate().filter(|(_, inner)| !inner.is_wrapping());
        let ((number, inner), None) = (own.next()?, own.next()) else { return None };
        let exports = |name: &str, kind| inner.exports.iter().any(|export| export.0 == name && export.1 == kind);
        let is_offered = |(module, name): &(String, String)| {
            Surface::interface(module).is_some_and(|interface| offers(interface, name))
        };
        if modules.iter().any(|module| module.starts) || inner.odd || !inner.imports.iter().all(is_offered) {
            return None;
        }
        if !exports(MEMORY, ExternalKind::Memory) || !exports(REALLOC, ExternalKind::Func) {
            return None;
        }
        let mut phases = Vec::new();
        for (number, export) in EXPORTS.iter().enumerate() {
            if let Some(interface) = surface.gateway_export(export.name) {
                let function = format!("{interface}#{}", export.name);
                exports(&function, ExternalKind::Func).then_some(())?;
                let post = format!("cabi_post_{function}");
                phases.push((number, function, post));
            }
        }
        Some(Self { module: u32::try_from(number).ok()?, phases })
    }

    /// The component, showing its module besides.
    pub(crate) fn showing(&self, source: &[u8]) -> Vec<u8> {
        let mut component = source.to_vec();
        glue::shown(self.module).append_to_component(&mut component);
        component
    }
}

/// The modules of a component that has nothing but them around its canonical functions; whatever is odd is none of ours.
fn modules(source: &[u8]) -> Option<Vec<Inner>> {
    let mut modules: Vec<Inner> = Vec::new();
    // Of components inside each other, and of modules inside those.
    let mut nested: Vec<Encoding> = Vec::new();
    for payload in Parser::new(0).parse_all(source) {
        match payload.ok()? {
            Payload::Version { encoding, .. } => {
                // A module inside a component inside: that is something composed.
                if encoding == Encoding::Module && nested.len() > 1 {
                    return None;
                }
                if encoding == Encoding::Module {
                    modules.push(Inner::default());
                }
                nested.push(encoding);
            }
            Payload::End(_) => {
                nested.pop();
            }
            payload if nested.last() == Some(&Encoding::Module) => modules.last_mut()?.read(payload)?,
            Payload::ComponentCanonicalSection(section) => {
                section.into_iter().all(|function| function.is_ok_and(|function| is_simple(&function))).then_some(())?;
            }
            Payload::ComponentAliasSection(section) => {
                section.into_iter().all(|alias| alias.is_ok_and(|alias| !is_of_module(&alias))).then_some(())?;
            }
            Payload::ComponentExportSection(section) if nested.len() == 1 => {
                for export in section {
                    let export = export.ok()?;
                    if export.name.name == glue::MODULE || export.kind == ComponentExternalKind::Module {
                        return None;
                    }
                }
            }
            Payload::ComponentStartSection { .. } => return None,
            _ => {}
        }
    }
    Some(modules)
}

/// A function that is lifted or lowered without more than memory, allocator, `post-return` and UTF-8.
fn is_simple(function: &CanonicalFunction) -> bool {
    let (CanonicalFunction::Lift { options, .. } | CanonicalFunction::Lower { options, .. }) = function else {
        return false;
    };
    options.iter().all(|option| {
        use CanonicalOption::{Memory, PostReturn, Realloc, UTF8};
        matches!(option, UTF8 | Memory(_) | Realloc(_) | PostReturn(_))
    })
}

/// Whether it names a module: then the modules are not numbered by their order.
fn is_of_module(alias: &ComponentAlias<'_>) -> bool {
    matches!(
        alias,
        ComponentAlias::InstanceExport { kind: ComponentExternalKind::Module, .. }
            | ComponentAlias::Outer { kind: ComponentOuterAliasKind::CoreModule, .. }
    )
}

impl Inner {
    /// Whether it is one of `wit-component`'s own: jumps under numbers, or what fills them in.
    fn is_wrapping(&self) -> bool {
        let is_number = |name: &str| name.bytes().all(|byte| byte.is_ascii_digit());
        let mut functions = self.exports.iter().filter(|(name, _)| name != JUMPS);
        let jumps = self.exports.iter().any(|(name, kind)| name == JUMPS && *kind == ExternalKind::Table);
        let is_shim = jumps && self.imports.is_empty() && functions.all(|(name, _)| is_number(name));
        let is_fixups = self.exports.is_empty() && self.imports.iter().all(|(module, _)| module.is_empty());
        is_shim || is_fixups
    }

    fn read(&mut self, payload: Payload<'_>) -> Option<()> {
        match payload {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import.ok()?;
                    self.odd |= !matches!(import.ty, TypeRef::Func(_));
                    self.imports.push((import.module.to_owned(), import.name.to_owned()));
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export.ok()?;
                    self.starts |= export.name == "_initialize";
                    self.exports.push((export.name.to_owned(), export.kind));
                }
            }
            Payload::StartSection { .. } => self.starts = true,
            _ => {}
        }
        Some(())
    }
}
