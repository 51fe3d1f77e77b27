//! JavaScript and TypeScript, by esbuild and componentize-qjs: QuickJS with the bundled script inside.

use super::Workplace;
use super::tool::{Tool, run};
use crate::commands::plugin::build::{read, world};
use gateway_plugin_host::manifest::Language;
use std::fmt::Write as _;

const LOCAL: &str = "node_modules/.bin";

const ESBUILD: Tool =
    Tool { names: &["esbuild"], local: LOCAL, hint: "in the plugin's folder: `npm install --save-dev esbuild@0.28`" };

const COMPONENTIZE: Tool = Tool {
    names: &["componentize-qjs"],
    local: LOCAL,
    hint: "in the plugin's folder: `npm install --save-dev componentize-qjs@0.4.5`",
};

macro_rules! sdk {
    ($($name:literal),*) => {
        [$((concat!("sdk/", $name), include_str!(concat!("../../../../../../plugin-sdk/javascript/", $name)))),*]
    };
}

/// The SDK, as it is published.
const SDK: [(&str, &str); 12] = sdk![
    "index.js",
    "index.d.ts",
    "http.js",
    "http.d.ts",
    "limit.js",
    "limit.d.ts",
    "secrets.js",
    "secrets.d.ts",
    "crypto.js",
    "crypto.d.ts",
    "phases.js",
    "package.json"
];

/// The name by which scripts import it.
const PACKAGE: &str = "@gateway/plugin";

/// The component of `plugin.js` or `plugin.ts`.
pub(super) fn build(place: &Workplace<'_>, language: Language) -> anyhow::Result<Vec<u8>> {
    let script = if language == Language::Typescript { "plugin.ts" } else { "plugin.js" };
    place.file(script)?;
    let (esbuild, componentize) = (ESBUILD.find(place)?, COMPONENTIZE.find(place)?);
    for (name, text) in SDK {
        place.write(name, text)?;
    }
    let entry = place.write("entry.js", &entry(script, &world::phases(place.source)?))?;
    let bundle = place.made.join("bundle.js");
    let sdk = place.made.join("sdk");
    let bundling = [
        entry.into_os_string(),
        "--bundle".into(),
        "--format=esm".into(),
        "--target=es2023".into(),
        "--log-level=warning".into(),
        "--external:gateway:*".into(),
        format!("--alias:{PACKAGE}={}", sdk.display()).into(),
        format!("--outfile={}", bundle.display()).into(),
    ];
    run(&esbuild, bundling, &[], place)?;
    let output = place.output();
    let componentizing = [
        "--sync".into(),
        "--stub-wasi".into(),
        "--wit".into(),
        place.made.join("wit").into_os_string(),
        "--world".into(),
        world::NAME.into(),
        "--js".into(),
        bundle.into_os_string(),
        "--output".into(),
        output.clone().into_os_string(),
    ];
    run(&componentize, componentizing, &[], place)?;
    read(&output)
}

/// A component exports an object for each phase of its world.
fn entry(script: &str, phases: &[&str]) -> String {
    let mut text = format!(
        "// Made by `gateway plugin build`.\nimport plugin from '../{script}';\nimport * as phases from '{PACKAGE}/phases.js';\n\n"
    );
    for phase in phases {
        let name = camel(phase);
        let _ = writeln!(text, "export const {name} = phases.{name}(plugin);");
    }
    text
}

fn camel(phase: &str) -> String {
    let mut capital = false;
    let mut name = String::new();
    for letter in phase.chars() {
        match (letter, capital) {
            ('-', _) => capital = true,
            (letter, true) => {
                name.extend(letter.to_uppercase());
                capital = false;
            }
            (letter, false) => name.push(letter),
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entry_has_the_phases_that_the_world_has() {
        let text = entry("plugin.ts", &["configure", "on-request-body"]);
        assert!(text.contains("from '../plugin.ts'"), "{text}");
        assert!(
            text.ends_with(
                "configure = phases.configure(plugin);\nexport const onRequestBody = phases.onRequestBody(plugin);\n"
            ),
            "{text}"
        );
    }
}
