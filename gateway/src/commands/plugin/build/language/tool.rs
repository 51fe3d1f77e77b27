//! Programs of other toolchains: where they are, and how to get them where they are not.

use super::Workplace;
use anyhow::{Context as _, bail};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A program that a build needs.
pub(super) struct Tool {
    /// Its names, the preferred one first.
    pub(super) names: &'static [&'static str],
    /// Folders to look in before `PATH`, from the plugin's folder upwards.
    pub(super) local: &'static str,
    /// How to get it.
    pub(super) hint: &'static str,
}

impl Tool {
    /// Where it is.
    ///
    /// # Errors
    /// It is nowhere; how it can be had.
    pub(super) fn find(&self, place: &Workplace<'_>) -> anyhow::Result<PathBuf> {
        let locals = place.folder.ancestors().map(|folder| folder.join(self.local));
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders: Vec<PathBuf> = locals.chain(std::env::split_paths(&path)).collect();
        // A better name further on comes before a worse one here.
        let found = self
            .names
            .iter()
            .find_map(|name| folders.iter().map(|folder| folder.join(name)).find(|program| is_program(program)));
        let Some(found) = found else {
            bail!(
                "this needs `{}`, which is neither in {} nor on PATH; {}",
                self.names.join("` or `"),
                self.local,
                self.hint
            );
        };
        Ok(found)
    }
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

/// Runs a program in the plugin's folder. What it says goes to standard error: standard output is ours.
pub(super) fn run(
    program: &Path,
    arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    variables: &[(&str, &str)],
    place: &Workplace<'_>,
) -> anyhow::Result<()> {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .envs(variables.iter().copied())
        .current_dir(place.folder)
        .stdout(Stdio::from(std::io::stderr()));
    let status = command.status().with_context(|| format!("cannot run {}", program.display()))?;
    anyhow::ensure!(status.success(), "{} failed", program.display());
    Ok(())
}
