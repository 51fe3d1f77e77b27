//! From a crate to a core module, by cargo.

use super::toolchain::{self, Std, TARGET, Toolchain};
use crate::commands::error;
use anyhow::{Context as _, bail};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How every plugin is built, whatever its `Cargo.toml` says: fast, and a panic is a trap. Optimizing for size instead (`s`) makes a
/// component a third smaller; hashing a key takes 0.18 µs instead of 0.12. What the environment sets stays.
const PROFILE: [(&str, &str); 5] = [
    ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "3"),
    ("CARGO_PROFILE_RELEASE_LTO", "true"),
    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1"),
    ("CARGO_PROFILE_RELEASE_PANIC", "abort"),
    ("CARGO_PROFILE_RELEASE_STRIP", "true"),
];

/// The core module that the crate in `folder` makes.
pub(super) fn compile(folder: &Path) -> anyhow::Result<Vec<u8>> {
    let manifest = folder.join("Cargo.toml").canonicalize();
    let manifest = manifest.with_context(|| format!("{} is no crate", folder.display()))?;
    let toolchain = toolchain::find(&variable("PATH").unwrap_or_default())?;
    let target = target_folder()?;
    announce(&toolchain, &target);

    let output = cargo(&toolchain, &manifest, &target)
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot run {}", toolchain.cargo.display()))?;
    if !output.status.success() {
        bail!("cargo could not build {}", manifest.display());
    }
    let module = module(&output.stdout, &manifest).with_context(|| {
        format!("{} makes no module; it needs `[lib] crate-type = [\"cdylib\"]`", manifest.display())
    })?;
    super::read(&module)
}

fn cargo(toolchain: &Toolchain, manifest: &Path, target: &Path) -> Command {
    let mut cargo = Command::new(&toolchain.cargo);
    // In its folder, so that its `.cargo/config.toml` counts, as it does for who builds it there.
    if let Some(folder) = manifest.parent() {
        cargo.current_dir(folder);
    }
    cargo
        .args(["build", "--release", "--lib", "--target", TARGET, "--message-format", "json-render-diagnostics"])
        .arg("--manifest-path")
        .arg(manifest)
        .env("RUSTC", &toolchain.rustc)
        .env("CARGO_TARGET_DIR", target)
        .envs(PROFILE.into_iter().filter(|(name, _)| variable(name).is_none()));
    if let Std::Source { linker } = &toolchain.std {
        cargo
            .arg("-Zbuild-std=std,panic_abort")
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
    }
    cargo
}

/// The file that cargo says it made of this crate.
fn module(messages: &[u8], manifest: &Path) -> Option<PathBuf> {
    let lines = messages.split(|byte| *byte == b'\n');
    lines.filter_map(|line| serde_json::from_slice::<serde_json::Value>(line).ok()).find_map(|message| {
        let of_this = message.get("manifest_path")?.as_str().is_some_and(|path| Path::new(path) == manifest);
        let mut files = message.get("filenames")?.as_array()?.iter().filter_map(|file| file.as_str());
        files.find(|file| of_this && Path::new(file).extension() == Some(OsStr::new("wasm"))).map(PathBuf::from)
    })
}

/// One for all plugins, so that what they share is built once.
fn target_folder() -> anyhow::Result<PathBuf> {
    if let Some(folder) = variable("CARGO_TARGET_DIR") {
        return Ok(std::path::absolute(folder)?);
    }
    let cache = crate::server::cache().context("neither CARGO_TARGET_DIR nor HOME is set")?;
    Ok(cache.with_file_name("guests"))
}

fn announce(toolchain: &Toolchain, target: &Path) {
    if toolchain.std != Std::Installed && !has_std(&target.join(TARGET).join("release/deps")) {
        error("building Rust's standard library for WebAssembly; this takes a few minutes the first time");
    }
}

fn has_std(folder: &Path) -> bool {
    let mut files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    files.any(|file| file.file_name().to_string_lossy().starts_with("libstd-"))
}

/// Where the tools are is told by the environment; it is no configuration of the gateway.
fn variable(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}
