//! From a core module to a component.

use anyhow::Context as _;
use wit_component::ComponentEncoder;

/// What stands in the header of a component and not in that of a core module: the version and the layer.
const COMPONENT: &[u8] = &[0x0d, 0, 1, 0];

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
