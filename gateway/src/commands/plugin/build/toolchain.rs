//! Which Rust on this machine can build for WebAssembly.

use anyhow::bail;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What plugins are built for: no operating system, so that a component imports what `gateway.wit` has and nothing else.
pub(super) const TARGET: &str = "wasm32-unknown-unknown";

/// Names of LLVM's linker for WebAssembly, the newest of Debian's first.
const LINKERS: [&str; 6] = ["wasm-ld", "wasm-ld-22", "wasm-ld-21", "wasm-ld-20", "wasm-ld-19", "rust-lld"];

const MISSING: &str = "no Rust on this machine can build for WebAssembly. Install one of
  rustup:  rustup target add wasm32-unknown-unknown
  Debian:  apt-get install --no-install-recommends rustc-web cargo-web rust-web-src lld-19";

/// A Rust that can.
#[derive(Debug)]
pub(super) struct Toolchain {
    pub(super) rustc: PathBuf,
    pub(super) cargo: PathBuf,
    pub(super) std: Std,
}

/// Where the standard library comes from.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Std {
    /// It came with the target, as rustup installs it.
    Installed,
    /// It is built from its source, as Debian has it, and linked by this linker.
    Source { linker: PathBuf },
}

/// The first `rustc` in `path` that has the target, else the first that has what is needed to build its library.
pub(super) fn find(path: &OsStr) -> anyhow::Result<Toolchain> {
    let folders: Vec<PathBuf> = std::env::split_paths(path).collect();
    let rusts: Vec<(PathBuf, PathBuf)> = folders
        .iter()
        .map(|folder| (folder.join("rustc"), folder.join("cargo")))
        .filter(|(rustc, cargo)| rustc.is_file() && cargo.is_file())
        .collect();
    for (rustc, cargo) in &rusts {
        if has_target(rustc) {
            return Ok(Toolchain { rustc: rustc.clone(), cargo: cargo.clone(), std: Std::Installed });
        }
    }
    let linker =
        LINKERS.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name))).find(|file| file.is_file());
    for (rustc, cargo) in rusts {
        if let Some(linker) = linker.clone().filter(|_| has_source(&rustc)) {
            return Ok(Toolchain { rustc, cargo, std: Std::Source { linker } });
        }
    }
    bail!(MISSING)
}

fn has_target(rustc: &Path) -> bool {
    let folder = ask(rustc, &["--print", "target-libdir", "--target", TARGET]);
    folder.and_then(|folder| std::fs::read_dir(folder).ok()).is_some_and(|mut files| files.next().is_some())
}

fn has_source(rustc: &Path) -> bool {
    ask(rustc, &["--print", "sysroot"]).is_some_and(|sysroot| sysroot.join("lib/rustlib/src/rust/library/std").is_dir())
}

fn ask(rustc: &Path, arguments: &[&str]) -> Option<PathBuf> {
    let output = Command::new(rustc).args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim_end().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_rust_is_told_what_to_install() {
        let error = find(OsStr::new("/nowhere")).unwrap_err().to_string();
        assert!(error.contains("rustup target add") && error.contains("apt-get install"), "{error}");
    }
}
