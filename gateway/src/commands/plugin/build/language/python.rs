//! Python, by componentize-py.

use super::Workplace;
use super::tool::{Tool, run};
use crate::commands::error;
use crate::commands::plugin::build::{read, world};

const COMPONENTIZE: Tool = Tool {
    names: &["componentize-py"],
    local: ".venv/bin",
    hint: "in the plugin's folder: `python3 -m venv .venv && .venv/bin/pip install componentize-py==0.25.1`",
};

/// The SDK, as it is published.
const SDK: [(&str, &str); 3] = [
    ("sdk/gateway_plugin/__init__.py", include_str!("../../../../../../plugin-sdk/python/gateway_plugin/__init__.py")),
    ("sdk/gateway_plugin/phases.py", include_str!("../../../../../../plugin-sdk/python/gateway_plugin/phases.py")),
    ("sdk/gateway_plugin/py.typed", ""),
];

/// The component of `plugin.py`.
pub(super) fn build(place: &Workplace<'_>) -> anyhow::Result<Vec<u8>> {
    place.file("plugin.py")?;
    let componentize = COMPONENTIZE.find(place)?;
    for (name, text) in SDK {
        place.write(name, text)?;
    }
    place.write("entry/gateway_entry.py", &entry(&world::phases(place.source)?))?;
    error("freezing Python and the plugin into a component; this takes some 20 seconds");
    let output = place.output();
    let path = |name: &str| place.made.join(name).into_os_string();
    let arguments = [
        "--quiet".into(),
        "--wit-path".into(),
        path("wit"),
        "--world".into(),
        world::NAME.into(),
        "componentize".into(),
        "--stub-wasi".into(),
        "--python-path".into(),
        place.folder.into(),
        "--python-path".into(),
        path("sdk"),
        "--python-path".into(),
        path("entry"),
        "--output".into(),
        output.clone().into_os_string(),
        "gateway_entry".into(),
    ];
    run(&componentize, arguments, &[], place)?;
    read(&output)
}

/// componentize-py looks for a class for each phase of the world.
fn entry(phases: &[&str]) -> String {
    let mut text = "\"\"\"Made by `gateway plugin build`.\"\"\"\n\nimport plugin\nfrom gateway_plugin import phases\n\nphases.check(plugin.__name__)\n".to_owned();
    for phase in phases {
        let class: String = phase.split('-').map(capitalized).collect();
        text.push_str(&format!("{class} = phases.{class}\n"));
    }
    text
}

fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entry_has_the_phases_that_the_world_has() {
        let text = entry(&["configure", "on-request-body"]);
        assert!(text.ends_with("Configure = phases.Configure\nOnRequestBody = phases.OnRequestBody\n"), "{text}");
    }
}
