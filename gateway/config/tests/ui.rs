//! Golden files: what a user is told about each mistake. `BLESS=1 cargo test -p gateway-config --test ui` rewrites them.
//!
//! A case is `ui/NAME.toml`, or a folder `ui/NAME/` with a `gateway.toml`; what is printed about it stands in
//! `ui/NAME.stderr`.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use gateway_config::{Environment, SystemEnvironment, load, render};
use similar::TextDiff;

/// The real files, with environment variables and a plugin folder of the test's own.
struct UiEnvironment {
    variables: BTreeMap<&'static str, &'static str>,
}

impl Environment for UiEnvironment {
    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).map(ToString::to_string)
    }

    fn read(&self, file: &Path) -> io::Result<Vec<u8>> {
        SystemEnvironment.read(file)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let plugins: &[&str] = match folder {
            // Components are never committed, so the plugin folder is made up.
            folder if folder.ends_with("plugins.d/vendor") => &["waf.wasm"],
            folder if folder.ends_with("plugins.d") => &["api-key.wasm", "rate-limit.wasm", "transform.wasm"],
            folder => return SystemEnvironment.list(folder),
        };
        Ok(plugins.iter().map(ToString::to_string).collect())
    }

    fn absolute(&self, path: &Path) -> PathBuf {
        SystemEnvironment.absolute(path)
    }
}

#[test]
fn every_mistake_is_explained() {
    let environment = UiEnvironment { variables: BTreeMap::from([("API_KEYS", "s3cr3t-value"), ("EMPTY", "")]) };
    let mut cases: Vec<PathBuf> = std::fs::read_dir("tests/ui")
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("gateway.toml").exists() || path.extension().is_some_and(|end| end == "toml"))
        .collect();
    cases.sort();
    assert!(cases.len() >= 40, "only {} cases were found", cases.len());
    let bless = std::env::vars().any(|(name, value)| name == "BLESS" && value == "1");

    let mut failures = String::new();
    for case in &cases {
        let found = explain(case, &environment);
        assert!(!found.contains("s3cr3t"), "{} prints a secret", case.display());
        let golden = case.with_extension("stderr");
        if bless {
            std::fs::write(&golden, &found).unwrap();
            continue;
        }
        let wanted = std::fs::read_to_string(&golden).unwrap_or_default();
        if wanted != found {
            let diff = TextDiff::from_lines(&wanted, &found);
            let header = golden.display().to_string();
            failures += &diff.unified_diff().header(&header, "found").to_string();
        }
    }
    assert!(failures.is_empty(), "golden files differ (BLESS=1 rewrites them):\n{failures}");
}

/// Everything that is said about a case, with file names relative to the folder of all cases.
fn explain(case: &Path, environment: &dyn Environment) -> String {
    match load(case, environment) {
        Ok(loaded) => format!("{}loads\n", render(&loaded.warnings, &loaded.sources, false)),
        Err(problems) => render(&problems.diagnostics, &problems.sources, false),
    }
}
