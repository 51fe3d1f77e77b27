//! Golden files: what a user is told about each mistake in a descriptor set. `BLESS=1 cargo test -p gateway-bridge --test ui` rewrites them.
//!
//! A case is `ui/NAME.proto`; what is said about the descriptor set that is made of it stands in `ui/NAME.stderr`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that fails may panic")]

use gateway_config::{Environment, Sources, SystemEnvironment, load, render};
use similar::TextDiff;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A configuration that names `NAME.pb`, which is made of `NAME.proto`; everything else is as it is.
struct Case<'c>(&'c Path);

const CONFIG: &str = "\
[[listener]]
name = \"public\"
address = \"127.0.0.1:0\"

[upstream.catalog]
endpoints = [\"http://127.0.0.1:50051\"]
grpc = { descriptors = \"descriptors.pb\" }

[[route]]
name = \"catalog\"
upstream = \"catalog\"
";

impl Environment for Case<'_> {
    fn variable(&self, _: &str) -> Option<String> {
        None
    }

    fn read(&self, file: &Path) -> io::Result<Vec<u8>> {
        match file.file_name().and_then(|name| name.to_str()) {
            Some("descriptors.pb") => Ok(descriptors(self.0)),
            Some("gateway.toml") => Ok(CONFIG.into()),
            _ => SystemEnvironment.read(file),
        }
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        SystemEnvironment.list(folder)
    }

    fn absolute(&self, path: &Path) -> PathBuf {
        path.to_owned()
    }

    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }
}

/// What `protoc` would write; a file with `without imports` in its first line lacks them, one with `as text` is no descriptor set.
fn descriptors(proto: &Path) -> Vec<u8> {
    let text = std::fs::read_to_string(proto).unwrap();
    let says = |what: &str| text.lines().next().is_some_and(|line| line.contains(what));
    if says("as text") {
        return text.into_bytes();
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut compiler = protox::Compiler::new([root.join("tests/ui"), root.join("../../examples/bridge")]).unwrap();
    compiler.include_imports(!says("without imports")).open_file(proto).unwrap_or_else(|error| panic!("{error:?}"));
    compiler.encode_file_descriptor_set()
}

#[test]
fn every_mistake_is_explained() {
    let mut cases: Vec<PathBuf> = std::fs::read_dir("tests/ui").unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.retain(|path| path.extension().is_some_and(|end| end == "proto"));
    cases.sort();
    assert!(cases.len() >= 4, "only {} cases were found", cases.len());
    let bless = std::env::vars().any(|(name, value)| name == "BLESS" && value == "1");
    let mut failures = String::new();
    for case in &cases {
        let loaded = load(Path::new("gateway.toml"), &Case(&std::path::absolute(case).unwrap()));
        let loaded =
            loaded.unwrap_or_else(|problems| panic!("{}", render(&problems.diagnostics, &problems.sources, false)));
        let found = explain(&loaded.config.upstreams["catalog"], &loaded.sources);
        let golden = case.with_extension("stderr");
        if bless {
            std::fs::write(&golden, &found).unwrap();
            continue;
        }
        let wanted = std::fs::read_to_string(&golden).unwrap_or_default();
        if wanted != found {
            let diff = TextDiff::from_lines(&wanted, &found);
            failures += &diff.unified_diff().header(&golden.display().to_string(), "found").to_string();
        }
    }
    assert!(failures.is_empty(), "golden files differ (BLESS=1 rewrites them):\n{failures}");
}

fn explain(upstream: &gateway_config::Upstream, sources: &Sources) -> String {
    match gateway_bridge::transcoder(upstream) {
        Ok(Some(_)) => "good\n".into(),
        Ok(None) => "not asked\n".into(),
        Err(problems) => render(&problems, sources, false),
    }
}
