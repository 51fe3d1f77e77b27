//! Golden files: what a user is told about each mistake. `BLESS=1 cargo test -p gateway-config --test ui` rewrites them.
//!
//! A case is `ui/NAME.toml`, or a folder `ui/NAME/` with a `gateway.toml`; what is printed about it stands in
//! `ui/NAME.stderr`.

#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use gateway_config::{Environment, SystemEnvironment, load, render};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use similar::TextDiff;

/// The real files, with environment variables, a plugin folder, certificates and a time of the test's own.
struct UiEnvironment {
    variables: BTreeMap<&'static str, &'static str>,
    /// Keys are never committed, so these are made for each run.
    certificates: BTreeMap<&'static str, String>,
}

impl Environment for UiEnvironment {
    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).map(ToString::to_string)
    }

    fn read(&self, file: &Path) -> io::Result<Vec<u8>> {
        if !file.parent().is_some_and(|folder| folder.ends_with("certificates")) {
            return SystemEnvironment.read(file);
        }
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let text = self.certificates.get(&*name).ok_or(io::ErrorKind::NotFound)?;
        Ok(text.clone().into_bytes())
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

    fn now(&self) -> SystemTime {
        // 2026-01-01.
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600)
    }
}

/// Certificates and keys, and what people put in their places.
fn certificates() -> BTreeMap<&'static str, String> {
    let make = |from: i32, to: i32| {
        let mut parameters = CertificateParams::new(vec!["shop.example".to_owned()]).unwrap();
        (parameters.not_before, parameters.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(to, 1, 1));
        let key = KeyPair::generate().unwrap();
        (parameters.self_signed(&key).unwrap().pem(), key.serialize_pem())
    };
    let ((good, key), (expired, expired_key), (future, future_key)) =
        (make(2020, 2100), make(2020, 2025), make(2050, 2100));
    let (_, other_key) = make(2020, 2100);
    BTreeMap::from([
        ("cut.pem", good.lines().take(5).collect::<Vec<_>>().join("\n")),
        ("damaged.pem", good.replacen('M', "?", 1)),
        ("damaged.key", key.replacen("MI", "?!", 1)),
        ("empty.pem", String::new()),
        ("encrypted.key", key.replace("PRIVATE", "ENCRYPTED PRIVATE")),
        ("expired.pem", expired),
        ("expired.key", expired_key),
        ("future.pem", future),
        ("future.key", future_key),
        ("good.pem", good),
        ("good.key", key),
        ("other.key", other_key),
        ("text.pem", "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n".to_owned()),
        ("text.key", "-----BEGIN PRIVATE KEY-----\naGVsbG8=\n-----END PRIVATE KEY-----\n".to_owned()),
    ])
}

#[test]
fn every_mistake_is_explained() {
    let variables = BTreeMap::from([("API_KEYS", "s3cr3t-value"), ("EMPTY", "")]);
    let environment = UiEnvironment { variables, certificates: certificates() };
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
