//! From a folder in some language to a core module or a component, by the toolchain of that language.
//!
//! What a toolchain needs beside the author's files is made anew in `.gateway/` each time: the exact world, the SDK, and an entry
//! that calls the author's functions.

mod c;
mod go;
mod javascript;
mod python;
mod tool;

use super::{component, world};
use anyhow::Context as _;
use gateway_plugin_host::manifest::{Language, Source};
use std::fs;
use std::path::{Path, PathBuf};

/// What is made beside the author's files.
const MADE: &str = ".gateway";

/// A folder that is built.
pub(super) struct Workplace<'a> {
    /// The author's.
    folder: &'a Path,
    /// Ours in it.
    made: PathBuf,
    source: &'a Source,
}

/// The component that the folder makes; none for a language of which cargo knows more than we do.
pub(super) fn build(folder: &Path, source: &Source) -> anyhow::Result<Option<Vec<u8>>> {
    let Some(language) = source.language.filter(|language| *language != Language::Rust) else { return Ok(None) };
    let manifest = || folder.join("plugin.toml").display().to_string();
    world::text(source).with_context(manifest)?;
    let folder = folder.canonicalize().with_context(|| format!("there is no folder {}", folder.display()))?;
    let place = Workplace { made: folder.join(MADE), folder: &folder, source };
    // What an older version has made is not mixed with what this one makes.
    if place.made.exists() {
        fs::remove_dir_all(&place.made).with_context(|| format!("cannot empty {}", place.made.display()))?;
    }
    world::write(source, &place.made.join("wit"))?;
    let built = match language {
        Language::Rust => return Ok(None),
        Language::Javascript | Language::Typescript => javascript::build(&place, language)?,
        Language::Python => python::build(&place)?,
        Language::Go => component::bound(go::build(&place)?, source)?,
        Language::C => component::bound(c::build(&place)?, source)?,
    };
    Ok(Some(built))
}

impl Workplace<'_> {
    /// Writes a file into what is made.
    fn write(&self, name: &str, text: &str) -> anyhow::Result<PathBuf> {
        let path = self.made.join(name);
        let folder = path.parent().unwrap_or(&self.made);
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&path, text))
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    /// The author's file, which must be there.
    fn file(&self, name: &str) -> anyhow::Result<PathBuf> {
        let path = self.folder.join(name);
        anyhow::ensure!(path.is_file(), "{} is missing: the plugin starts there", path.display());
        Ok(path)
    }

    fn output(&self) -> PathBuf {
        self.made.join("plugin.wasm")
    }
}
