//! What a file is, read from its outside: nothing is compiled or validated here.

use crate::abi::Abi;
use crate::abi::gateway::VERSION;
use crate::capabilities::log::printable;
use crate::load::LoadError;
use crate::manifest::SECTION;
use gateway_core::{Phase, Phases};
use wasmparser::{Parser, Payload};

/// The biggest file that is looked at, in bytes.
pub(crate) const SIZE: usize = 64 << 20;

const PACKAGE: &str = "gateway:plugin/";

/// The outside of a component.
#[derive(Debug, Default)]
pub(crate) struct Surface {
    pub(crate) imports: Vec<String>,
    pub(crate) exports: Vec<String>,
    /// The bytes of the manifest's section.
    pub(crate) manifest: Option<Vec<u8>>,
}

impl Surface {
    /// Reads a component's names; anything else is told by what it is.
    pub(crate) fn read(source: &[u8]) -> Result<Self, LoadError> {
        if source.is_empty() {
            return Err(LoadError::Empty);
        }
        if source.len() > SIZE {
            return Err(LoadError::TooLarge(source.len()));
        }
        if !source.starts_with(b"\0asm") {
            return Err(if is_text(source) { LoadError::Text } else { LoadError::NotWasm });
        }
        if Parser::is_core_wasm(source) {
            return Err(LoadError::CoreModule);
        }
        if !Parser::is_component(source) {
            return Err(LoadError::NotWasm);
        }
        Self::parse(source).map_err(LoadError::Malformed)
    }

    fn parse(source: &[u8]) -> Result<Self, String> {
        let text = |error: wasmparser::BinaryReaderError| printable(&error.to_string());
        let mut surface = Self::default();
        // Modules and components inside have imports, exports and sections of their own.
        let mut depth = 0_u32;
        for payload in Parser::new(0).parse_all(source) {
            match payload.map_err(text)? {
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::ComponentImportSection(section) if depth == 0 => {
                    for import in section {
                        surface.imports.push(import.map_err(text)?.name.name.to_owned());
                    }
                }
                Payload::ComponentExportSection(section) if depth == 0 => {
                    for export in section {
                        surface.exports.push(export.map_err(text)?.name.name.to_owned());
                    }
                }
                Payload::CustomSection(section) if depth == 0 && section.name() == SECTION => {
                    surface.manifest = Some(section.data().to_vec());
                }
                _ => {}
            }
        }
        // The validator would refuse them too, and much later.
        if surface.imports.iter().chain(&surface.exports).any(|name| name.contains(char::is_control)) {
            return Err("a name has control characters".to_owned());
        }
        Ok(surface)
    }

    /// The one interface by which it is a plugin, and its phases; else what is accepted.
    pub(crate) fn detect(&self) -> Result<(Abi, Phases), LoadError> {
        let exported = |is: fn(&str) -> bool| self.exports.iter().any(|export| is(export));
        let ours = exported(|export| export.starts_with(PACKAGE));
        let (proxy, handler) = (exported(is_proxy), exported(is_handler));
        let others: Vec<_> = self.exports.iter().filter(|export| export.starts_with("wasi:http/")).cloned().collect();
        match (ours, proxy, handler) {
            (true, false, false) if others.is_empty() => self.phases().map(|phases| (Abi::Gateway, phases)),
            (true, ..) | (_, true, true) => Err(LoadError::Ambiguous(self.exports.clone())),
            (false, true, false) => Ok((Abi::WasiHttp02, Phases::default().with(Phase::Service))),
            (false, false, true) => {
                // A middleware imports what it exports: the rest of the chain.
                let rest = self.imports.iter().any(|import| is_handler(import));
                let phase = if rest { Phase::Middleware } else { Phase::Service };
                Ok((Abi::WasiHttp03, Phases::default().with(phase)))
            }
            (false, false, false) if others.is_empty() => Err(LoadError::NoPhase(self.exports.clone())),
            (false, false, false) => Err(LoadError::Unsupported(others)),
        }
    }

    fn phases(&self) -> Result<Phases, LoadError> {
        let wrong = |name: &&String| name.starts_with(PACKAGE) && !is_compatible(name);
        if let Some(name) = self.exports.iter().chain(&self.imports).find(wrong) {
            return Err(LoadError::Version(name.clone()));
        }
        let phases: Phases =
            Phase::INTERFACES.into_iter().filter(|phase| self.gateway_export(phase.name()).is_some()).collect();
        if phases == Phases::default() { Err(LoadError::NoPhase(self.exports.clone())) } else { Ok(phases) }
    }

    /// The full name of an interface of ours that it exports.
    pub(crate) fn gateway_export(&self, interface: &str) -> Option<&str> {
        let is = |name: &&String| split(name).is_some_and(|(of, _)| of == interface);
        self.exports.iter().find(is).map(String::as_str)
    }

    /// The interface of ours that an import's module names.
    pub(crate) fn interface(module: &str) -> Option<&str> {
        split(module).filter(|_| is_compatible(module)).map(|(interface, _)| interface)
    }

    /// The version of its interface's package that it was built against.
    pub(crate) fn version(&self) -> Option<&str> {
        let ours = self.exports.iter().find_map(|name| split(name)).map(|(_, version)| version);
        let handler = || self.exports.iter().find(|name| is_proxy(name) || is_handler(name))?.rsplit('@').next();
        ours.or_else(handler)
    }

    /// Imports that nothing here offers to a plugin by this interface.
    pub(crate) fn foreign(&self, abi: Abi) -> Vec<String> {
        let is_offered = |name: &str| match abi {
            Abi::Gateway => name.starts_with(PACKAGE),
            // The messages are `wasi:http`'s there.
            Abi::WasiHttp02 | Abi::WasiHttp03 => {
                let messages = |name| matches!(split(name), Some(("request" | "response", _)));
                name.starts_with("wasi:") || (is_compatible(name) && !messages(name))
            }
        };
        self.imports.iter().filter(|name| !is_offered(name)).cloned().collect()
    }

    /// The interfaces of ours that a component of `wasi:http` imports.
    pub(crate) fn capabilities(&self, abi: Abi) -> Vec<String> {
        match abi {
            Abi::Gateway => Vec::new(),
            _ => self.imports.iter().filter_map(|name| split(name)).map(|(name, _)| name.to_owned()).collect(),
        }
    }
}

/// What the world `proxy` of `wasi:http` 0.2 exports.
fn is_proxy(name: &str) -> bool {
    is_release(name, "wasi:http/incoming-handler@0.2.")
}

/// What the worlds `service` and `middleware` of `wasi:http` 0.3 export.
fn is_handler(name: &str) -> bool {
    is_release(name, "wasi:http/handler@0.3.")
}

/// Release candidates differ from what was released.
fn is_release(name: &str, version: &str) -> bool {
    name.strip_prefix(version).is_some_and(|patch| !patch.is_empty() && patch.bytes().all(|byte| byte.is_ascii_digit()))
}

/// `gateway:plugin/INTERFACE@VERSION` in its two parts.
fn split(name: &str) -> Option<(&str, &str)> {
    name.strip_prefix(PACKAGE)?.split_once('@')
}

/// Before 1.0 a minor version breaks; a patch does not.
fn is_compatible(name: &str) -> bool {
    let minor = |version: &str| version.rsplit_once('.').map(|(minor, _)| minor.to_owned());
    split(name).is_some_and(|(_, version)| minor(version) == minor(VERSION))
}

fn is_text(source: &[u8]) -> bool {
    source.trim_ascii_start().starts_with(b"(") || source.trim_ascii_start().starts_with(b";;")
}
