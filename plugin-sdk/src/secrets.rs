//! Secrets by name. `plugin.toml` asks for `secrets`, the configuration grants them by name.

use crate::Result;

/// The secret of this name.
///
/// # Errors
/// It is not granted.
pub fn get(name: &str) -> Result<String> {
    crate::sys::secrets::get(name)
}
