//! C, by Zig's C compiler or clang.

use super::Workplace;
use super::tool::{Tool, run};
use crate::commands::plugin::build::read;
use anyhow::Context as _;
use std::ffi::OsString;

const COMPILER: Tool = Tool {
    names: &["zig", "python-zig", "clang", "clang-22"],
    local: ".venv/bin",
    hint: "in the plugin's folder: `python3 -m venv .venv && .venv/bin/pip install ziglang==0.17.1`",
};

/// Bytes of stack. Zig would take 16 MiB, which each instance would have.
const STACK: &str = "-Wl,-z,stack-size=262144";

/// The bindings that `wit-bindgen c` makes of gateway.wit, and phases that nobody calls in place of those that are not written.
const SDK: [(&str, &str); 3] = [
    ("sdk/c/gateway_plugin.h", include_str!("../../../../../../plugin-sdk/c/gateway_plugin.h")),
    ("sdk/c/gateway_plugin.c", include_str!("../../../../../../plugin-sdk/c/gateway_plugin.c")),
    ("sdk/c/unwritten.c", include_str!("../../../../../../plugin-sdk/c/unwritten.c")),
];

/// The core module of every `*.c` in the folder.
pub(super) fn build(place: &Workplace<'_>) -> anyhow::Result<Vec<u8>> {
    let mut sources = Vec::new();
    for entry in place.folder.read_dir().with_context(|| format!("cannot read {}", place.folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "c") {
            sources.push(path.into_os_string());
        }
    }
    anyhow::ensure!(!sources.is_empty(), "{} has no file `*.c`", place.folder.display());
    sources.sort();
    let compiler = COMPILER.find(place)?;
    for (name, text) in SDK {
        let path = place.write(name, text)?;
        if path.extension().is_some_and(|extension| extension == "c") {
            sources.push(path.into_os_string());
        }
    }
    let is_zig = compiler.file_name().is_some_and(|name| name.to_string_lossy().ends_with("zig"));
    let target: &[&str] = if is_zig { &["cc", "-target", "wasm32-wasi"] } else { &["--target=wasm32-wasip1"] };
    let output = place.output();
    let mut arguments: Vec<OsString> = target.iter().map(OsString::from).collect();
    arguments.extend(
        ["-std=gnu17", "-Wall", "-Wextra", "-O2", "-s", "-mexec-model=reactor", STACK, "-I"].map(OsString::from),
    );
    arguments.push(place.made.join("sdk/c").into_os_string());
    arguments.extend(sources);
    arguments.extend(["-o".into(), output.clone().into_os_string()]);
    run(&compiler, arguments, &[], place)?;
    read(&output)
}
