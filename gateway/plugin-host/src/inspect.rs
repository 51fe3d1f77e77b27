//! What `gateway plugin inspect` shows of a file, found without compiling it.

use crate::abi::Abi;
use crate::cache;
use crate::detect::Surface;
use crate::load::LoadError;
use crate::manifest::Manifest;
use gateway_core::Phase;

/// A component from the outside.
#[derive(Debug, Clone)]
pub struct Inspection {
    /// How it is a plugin.
    pub abi: Abi,
    /// The version of the WIT that it was built against.
    pub version: String,
    /// What it exports.
    pub phases: Vec<Phase>,
    /// What it imports, by full name.
    pub imports: Vec<String>,
    /// What it says of itself.
    pub manifest: Option<Manifest>,
    /// In bytes.
    pub size: usize,
    /// SHA-256 of the file, in hexadecimal.
    pub hash: String,
}

/// Looks at a component.
///
/// # Errors
/// Why it is no plugin.
pub fn inspect(source: &[u8]) -> Result<Inspection, LoadError> {
    let surface = Surface::read(source)?;
    let (abi, phases) = surface.detect()?;
    Ok(Inspection {
        abi,
        version: surface.version().unwrap_or_default().to_owned(),
        phases: phases.iter().collect(),
        manifest: surface.manifest.as_deref().map(Manifest::parse).transpose().map_err(LoadError::Manifest)?,
        imports: surface.imports,
        size: source.len(),
        hash: cache::hash(source),
    })
}
