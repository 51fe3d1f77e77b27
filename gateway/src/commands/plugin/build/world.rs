//! The exact world of a plugin: what a toolchain that is bound to a world imports and exports.
//!
//! Such a toolchain exports every phase of its world, written or not, and a phase that is exported is called. So the world has the
//! phases that `plugin.toml` names and no others, and of the capabilities those that need no grant and those that are asked for.

use anyhow::{Context as _, bail};
use gateway_plugin_host::Capability;
use gateway_plugin_host::manifest::Source;
use std::fmt::Write as _;
use std::path::Path;

/// The interface of plugins.
const GATEWAY: &str = include_str!("../../../../../wit/0.1/gateway.wit");

/// Its version, as worlds name it.
const VERSION: &str = "0.1.0";

/// The name of the world.
pub(super) const NAME: &str = "this-plugin";

/// All phases, in the order of events.
const PHASES: [&str; 7] =
    ["configure", "on-request", "on-request-body", "handle", "on-response", "on-response-body", "on-complete"];

/// What needs no grant.
const OPEN: [&str; 9] = ["config", "log", "metrics", "clock", "random", "kv", "request", "response", "exchange"];

/// What a grant opens.
const GRANTED: [(Capability, &str); 4] = [
    (Capability::Http, "http"),
    (Capability::Limit, "limit"),
    (Capability::Secrets, "secrets"),
    (Capability::Crypto, "crypto"),
];

/// The interfaces that the plugin imports.
pub(super) fn imports(source: &Source) -> Vec<&'static str> {
    let asked = |(capability, name): &(Capability, &'static str)| source.may_use(*capability).then_some(*name);
    OPEN.into_iter().chain(GRANTED.iter().filter_map(asked)).collect()
}

/// The phases that the plugin exports, in the order of events.
pub(super) fn phases(source: &Source) -> anyhow::Result<Vec<&'static str>> {
    if source.phases.is_empty() {
        bail!("it names no phases; write `phases = [\"on-request\"]`, of {}", PHASES.join(", "));
    }
    if let Some(unknown) = source.phases.iter().find(|phase| !PHASES.contains(&phase.as_str())) {
        bail!("`{unknown}` is no phase; there are {}", PHASES.join(", "));
    }
    Ok(PHASES.into_iter().filter(|phase| source.phases.iter().any(|named| named == phase)).collect())
}

/// The text of the world.
pub(super) fn text(source: &Source) -> anyhow::Result<String> {
    let mut text = format!("package local:{NAME};\n\nworld {NAME} {{\n");
    for import in imports(source) {
        let _ = writeln!(text, "    import gateway:plugin/{import}@{VERSION};");
    }
    for phase in phases(source)? {
        let _ = writeln!(text, "    export gateway:plugin/{phase}@{VERSION};");
    }
    text.push_str("}\n");
    Ok(text)
}

/// Writes the world and the interface into a folder, as toolchains read them.
pub(super) fn write(source: &Source, folder: &Path) -> anyhow::Result<()> {
    let interface = folder.join("deps/gateway");
    std::fs::create_dir_all(&interface)
        .and_then(|()| std::fs::write(folder.join("world.wit"), text(source).unwrap_or_default()))
        .and_then(|()| std::fs::write(interface.join("gateway.wit"), GATEWAY))
        .with_context(|| format!("cannot write {}", folder.display()))
}

/// The world as `wit-component` takes it.
pub(super) fn resolve(source: &Source) -> anyhow::Result<(wit_parser::Resolve, wit_parser::WorldId)> {
    let mut resolve = wit_parser::Resolve::default();
    resolve.push_str("gateway.wit", GATEWAY)?;
    let package = resolve.push_str("world.wit", &text(source)?)?;
    let world = resolve.select_world(&[package], Some(NAME))?;
    Ok((resolve, world))
}

#[cfg(test)]
mod tests {
    use super::*;
    use gateway_plugin_host::manifest::parse_toml;

    fn source(lines: &str) -> Source {
        parse_toml(&format!("name = \"x\"\nversion = \"1\"\n{lines}")).unwrap()
    }

    #[test]
    fn a_world_has_what_the_plugin_names_and_no_more() {
        let (resolve, world) =
            resolve(&source("capabilities = [\"http\", \"identity\"]\nphases = [\"on-request\"]")).unwrap();
        let world = &resolve.worlds[world];
        let name = |key| resolve.name_world_key(key);
        let exports: Vec<_> = world.exports.keys().map(name).collect();
        assert_eq!(exports, ["gateway:plugin/on-request@0.1.0"]);
        let imports: Vec<_> = world.imports.keys().map(name).collect();
        assert!(imports.contains(&"gateway:plugin/http@0.1.0".to_owned()), "{imports:?}");
        assert!(!imports.contains(&"gateway:plugin/crypto@0.1.0".to_owned()), "{imports:?}");
    }

    #[test]
    fn every_interface_of_the_world_of_everything_is_known_here() {
        let all =
            source(&format!("capabilities = [\"http\", \"limit\", \"secrets\", \"crypto\"]\nphases = {PHASES:?}"));
        let (resolve, world) = resolve(&all).unwrap();
        let everything = resolve.worlds.iter().find(|(_, world)| world.name == "plugin").unwrap().0;
        let names = |id: wit_parser::WorldId| {
            let world = &resolve.worlds[id];
            let mut names: Vec<_> =
                world.imports.keys().chain(world.exports.keys()).map(|key| resolve.name_world_key(key)).collect();
            names.sort();
            names
        };
        assert_eq!(names(world), names(everything));
    }

    #[test]
    fn phases_are_named_and_known() {
        assert!(text(&source("")).unwrap_err().to_string().contains("names no phases"));
        assert!(text(&source("phases = [\"on-reqest\"]")).unwrap_err().to_string().contains("`on-reqest` is no phase"));
        let out_of_order = source("phases = [\"on-response\", \"configure\"]");
        assert_eq!(phases(&out_of_order).unwrap(), ["configure", "on-response"]);
    }
}
