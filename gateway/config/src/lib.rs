//! What the user wrote, and what it means: from TOML files to a [`Config`] that is valid by construction.
//!
//! [`load`] reads the files, reports every problem it finds as a [`Diagnostic`] with its place, and resolves all names.
//! Not here: anything that runs. This crate knows no socket, no plugin host and no runtime.

mod config;
mod diagnostic;
mod document;
mod effective;
mod environment;
#[doc(hidden)]
pub mod fuzz;
pub mod reference;
mod render;
mod resolve;
mod source;
mod suggest;

use std::path::{Path, PathBuf};

pub use config::*;
pub use diagnostic::{Diagnostic, Label, Severity};
pub use document::endpoints::parse_endpoints;
pub use effective::{Setting, effective, settings};
pub use environment::{Environment, SystemEnvironment};
pub use render::render;
pub use resolve::{Specificity, specificity};
pub use source::{Source, Sources};

use document::read::Reader;
use document::reports::Reports;

/// A configuration that can be used.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What it means.
    pub config: Config,
    /// What is probably not meant, in the order of files and lines.
    pub warnings: Vec<Diagnostic>,
    /// The texts that were read, to show warnings with.
    pub sources: Sources,
}

/// Why a configuration cannot be used.
#[derive(Debug, Clone)]
pub struct Problems {
    /// Everything that was found, errors first, in the order of files and lines.
    pub diagnostics: Vec<Diagnostic>,
    /// The files that were read, or should have been: what to watch for a repaired one.
    pub files: Vec<PathBuf>,
    /// The folders in which `include` looks: what to watch for a new fragment.
    pub folders: Vec<PathBuf>,
    /// The texts that were read, to show the diagnostics with.
    pub sources: Sources,
}

/// Loads a configuration file, or the `gateway.toml` of a folder, with everything that it includes.
///
/// # Errors
///
/// When anything in it is wrong: all of it is reported at once.
pub fn load(path: &Path, environment: &dyn Environment) -> Result<Loaded, Problems> {
    let mut reports = Reports::default();
    let mut reader = Reader::new(environment);
    let document = reader.read(path, &mut reports);
    let Reader { files, folders, sources, .. } = reader;
    let resolved = resolve::resolve(&document, environment, &mut reports);
    let diagnostics = reports.finish();
    let is_valid = diagnostics.iter().all(|diagnostic| diagnostic.severity == Severity::Warning);
    let config = Config { files, folders, ..resolved };
    match is_valid {
        true => Ok(Loaded { config, warnings: diagnostics, sources }),
        false => {
            let files = config.files.into_iter().chain(config.secret_files).chain(config.certificate_files).collect();
            Err(Problems { diagnostics, files, folders: config.folders, sources })
        }
    }
}
