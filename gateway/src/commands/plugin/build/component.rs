//! From a core module to a component.

use super::world;
use anyhow::Context as _;
use gateway_plugin_host::manifest::Source;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};

/// What stands in the header of a component and not in that of a core module: the version and the layer.
const COMPONENT: &[u8] = &[0x0d, 0, 1, 0];

/// What a language finds in place of WASI.
const SYSTEM: &str = include_str!("system.wat");

/// The component that a core module's description of itself makes of it. A component stays as it is.
pub(super) fn encode(module: Vec<u8>) -> anyhow::Result<Vec<u8>> {
    if module.get(4..8) == Some(COMPONENT) {
        return Ok(module);
    }
    ComponentEncoder::default()
        .module(&module)
        .and_then(|encoder| encoder.validate(true).encode())
        .context("the module is no plugin; it imports and exports what `gateway.wit` has, and no WASI")
}

/// The component of a core module that was linked against everything: the world says which phases it has, and what it does not
/// use it does not import. The system that its language wants around it is inside (`system.wat`).
pub(super) fn bound(module: Vec<u8>, source: &Source) -> anyhow::Result<Vec<u8>> {
    let (resolve, world) = world::resolve(source)?;
    let mut module = without_worlds(&module)?;
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)?;
    let system = wat::parse_str(SYSTEM)?;
    ComponentEncoder::default()
        .module(&module)
        .and_then(|encoder| encoder.adapter("wasi_snapshot_preview1", &system)?.validate(true).encode())
        .context("the module does not fit the world of its plugin.toml")
}

/// The module without what its bindings say of a world: they were made for everything.
fn without_worlds(module: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut kept = wasm_encoder::Module::new();
    for payload in wasmparser::Parser::new(0).parse_all(module) {
        let payload = payload?;
        let is_world = matches!(&payload, wasmparser::Payload::CustomSection(custom) if custom.name().starts_with("component-type"));
        if let Some((id, range)) = payload.as_section().filter(|_| !is_world) {
            let data = module.get(range).unwrap_or_default();
            kept.section(&wasm_encoder::RawSection { id, data });
        }
    }
    Ok(kept.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_stays_as_it_is_and_junk_is_refused() {
        let component = [b"\0asm".as_slice(), COMPONENT].concat();
        assert_eq!(encode(component.clone()).unwrap(), component);
        for junk in [b"".as_slice(), b"\0asm", b"int main() {}"] {
            assert!(encode(junk.to_vec()).is_err());
        }
    }
}
