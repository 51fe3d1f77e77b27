//! `gateway plugin new`: a folder with a plugin that works.

mod templates;

use crate::cli::Language;
use crate::commands::{error, print};
use anyhow::{Context as _, bail};
use std::fs;
use std::path::{Path, PathBuf};

pub(super) fn run(name: &str, language: Language, into: &Path, sdk: Option<&Path>) -> anyhow::Result<()> {
    if !is_name(name) {
        bail!("`{name}` is not a name for a plugin: take lower-case letters, digits and dashes, with a letter first");
    }
    let folder = into.join(name);
    if folder.exists() {
        bail!("{} is there already", folder.display());
    }
    let sdk = if language == Language::Rust { dependency(sdk)? } else { String::new() };
    for (file, template) in templates::files(language) {
        let text = templates::fill(language, template).replace("{{name}}", name).replace("{{sdk}}", &sdk);
        write(&folder.join(file), &text)?;
    }
    print(format_args!("{}: a plugin that logs and sets a header. Next, as its README.md says:", folder.display()));
    print(format_args!("  cd {}", folder.display()));
    for line in templates::install(language).lines().filter(|line| !line.is_empty()) {
        print(format_args!("  {}", line.trim_start()));
    }
    print("  gateway plugin build");
    print("  gateway plugin test");
    Ok(())
}

/// Also the name of a crate.
fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name
            .chars()
            .all(|character| character.is_ascii_lowercase() || character.is_ascii_digit() || character == '-')
}

/// How `Cargo.toml` names the SDK: the one given, else that of a checkout around here, else the registry's.
fn dependency(sdk: Option<&Path>) -> anyhow::Result<String> {
    let found = match sdk {
        Some(folder) if is_sdk(folder) => Some(folder.to_path_buf()),
        Some(folder) => bail!("{} is not the SDK: there is no crate `plugin-sdk`", folder.display()),
        None => checkout(),
    };
    let Some(folder) = found else {
        error(
            "no checkout of the gateway is around here: the plugin depends on the published SDK; `--sdk FOLDER` names another",
        );
        return Ok(format!("\"{}\"", env!("CARGO_PKG_VERSION")));
    };
    Ok(format!("{{ path = {:?} }}", folder.canonicalize()?))
}

/// The SDK of the checkout that holds the current folder, or this program.
fn checkout() -> Option<PathBuf> {
    let starts = [std::env::current_dir().ok(), std::env::current_exe().ok()];
    let mut folders = starts.iter().flatten().flat_map(|start| start.ancestors());
    folders.find_map(|folder| Some(folder.join("plugin-sdk")).filter(|folder| is_sdk(folder)))
}

fn is_sdk(folder: &Path) -> bool {
    fs::read_to_string(folder.join("Cargo.toml")).is_ok_and(|manifest| manifest.contains("name = \"plugin-sdk\""))
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(path, text))
        .with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_crate_and_a_type() {
        assert!(is_name("key-check2"));
        for bad in ["", "Key", "2x", "a_b", "../x", "-a"] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
