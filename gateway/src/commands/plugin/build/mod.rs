//! `gateway plugin build`: a folder in any language, or what a toolchain made, becomes a checked component with its manifest
//! inside.

mod compile;
mod component;
mod language;
mod toolchain;
mod world;

use crate::commands::{error, print};
use anyhow::{Context as _, bail};
use gateway_plugin_host::manifest::{Source, embed, parse_toml};
use gateway_plugin_host::{Capability, Manifest, inspect};
use std::fs;
use std::path::{Path, PathBuf};

/// What the imports of a component say about what it should ask for.
const IMPORTS: [(&str, Capability); 4] = [
    ("gateway:plugin/http@", Capability::Http),
    ("gateway:plugin/secrets@", Capability::Secrets),
    ("wasi:http/client@", Capability::Http),
    ("wasi:http/outgoing-handler@", Capability::Http),
];

/// Builds the plugin in `folder`. `module` is what some toolchain made of it; without one, `plugin.toml` says which is to be asked.
pub(super) fn run(folder: &Path, module: Option<&Path>, output: Option<&Path>) -> anyhow::Result<()> {
    let (source, schema) = describe(folder)?;
    let output = destination(folder, &source.name, output);
    let made = match module {
        Some(module) => Some(read(module)?),
        None => language::build(folder, &source)?,
    };
    let component = component::encode(made.map_or_else(|| compile::compile(folder), Ok)?)?;
    let manifest = source.manifest(&component, schema).map_err(anyhow::Error::msg)?;
    warn_of_what_is_not_asked(&component, &manifest)?;
    let component = embed(&component, &manifest);
    if let Some(folder) = output.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    replace(&output, &component).with_context(|| format!("cannot write {}", output.display()))?;
    print(format_args!(
        "{} ({} KiB): {}",
        output.display(),
        component.len().div_ceil(1024),
        manifest.phases.join(", ")
    ));
    Ok(())
}

/// `plugin.toml`, and the schema that it names.
fn describe(folder: &Path) -> anyhow::Result<(Source, Option<serde_json::Value>)> {
    let path = folder.join("plugin.toml");
    let text = fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}; `gateway plugin new` makes a folder that has one", path.display()))?;
    let source = parse_toml(&text).map_err(anyhow::Error::msg).with_context(|| path.display().to_string())?;
    if source.name.is_empty() || source.name.contains(['/', '\\']) || source.name.starts_with('.') {
        bail!("{}: `{}` is not a name; it becomes the name of a file", path.display(), source.name);
    }
    let schema = source.schema.as_ref().map(|file| {
        let path = folder.join(file);
        serde_json::from_slice(&read(&path)?).with_context(|| format!("{} is not JSON", path.display()))
    });
    Ok((source, schema.transpose()?))
}

/// A name that ends in `.wasm` is the file; any other is a folder, which need not exist yet.
fn destination(folder: &Path, name: &str, output: Option<&Path>) -> PathBuf {
    let file = format!("{name}.wasm");
    match output {
        None => folder.join(file),
        Some(output) if output.extension() == Some("wasm".as_ref()) && !output.is_dir() => output.to_path_buf(),
        Some(folder) => folder.join(file),
    }
}

fn warn_of_what_is_not_asked(component: &[u8], manifest: &Manifest) -> anyhow::Result<()> {
    let imports = inspect(component)?.imports;
    for (import, capability) in IMPORTS {
        let is_asked =
            [&manifest.capabilities, &manifest.optional].into_iter().any(|asked| asked.contains(&capability));
        if imports.iter().any(|name| name.starts_with(import)) && !is_asked {
            let name = capability.name();
            error(format_args!("warning: it uses `{name}`, which plugin.toml does not ask for: calls will be denied"));
        }
    }
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Written whole and renamed: a gateway that watches the folder never sees half a file.
fn replace(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(format!(".{}.unfinished", std::process::id()));
    fs::write(&unfinished, content)
        .and_then(|()| fs::rename(&unfinished, path))
        .inspect_err(|_| drop(fs::remove_file(&unfinished)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_takes_the_plugin_under_its_name() {
        let folder = std::env::temp_dir();
        assert_eq!(destination(Path::new("here"), "a", None), Path::new("here/a.wasm"));
        assert_eq!(destination(Path::new("here"), "a", Some(&folder)), folder.join("a.wasm"));
        assert_eq!(destination(Path::new("here"), "a", Some(Path::new("b.wasm"))), Path::new("b.wasm"));
        assert_eq!(destination(Path::new("here"), "a", Some(Path::new("new"))), Path::new("new/a.wasm"));
    }
}
