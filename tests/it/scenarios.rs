//! `gateway plugin test`: the scenarios of every first-party plugin, and what becomes of those that do not fit.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn component(name: &str) -> PathBuf {
    repository().join(format!("build/plugins/{name}.wasm"))
}

fn test(folder: &Path, component: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(gateway_tests::gateway::program());
    command.args(["plugin", "test"]).arg(folder).arg("--component").arg(component).args(arguments);
    command.output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&*output.stdout, &*output.stderr].concat()).into_owned()
}

/// A folder with these files in `scenarios/`.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("scenarios")).unwrap();
    for (name, content) in files {
        fs::write(folder.path().join("scenarios").join(name), content).unwrap();
    }
    folder
}

#[test]
fn every_plugin_of_ours_does_what_its_scenarios_say() {
    let mut played = 0;
    for entry in fs::read_dir(repository().join("plugins")).unwrap() {
        let folder = entry.unwrap().path();
        if !folder.join("plugin.toml").exists() {
            continue;
        }
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let output = test(&folder, &component(&name), &[]);
        assert!(output.status.success(), "{}", said(&output));
        played += 1;
    }
    assert!(played >= 14, "{played}");
}

const REFUSED: &str = r#"
secrets = { KEYS = "ada:a" }
[plugin]
config = { keys = { secret = "KEYS" } }
grants = { identity = true }
[[exchange]]
request = "GET /orders"
"#;

#[test]
fn what_was_not_expected_is_shown_as_a_difference_and_can_be_blessed() {
    let expected = "=== GET /orders\n--- service GET /orders\n--- answer 200\n";
    let folder = folder(&[("refused.toml", REFUSED), ("refused.golden", expected)]);
    let output = test(folder.path(), &component("api-key"), &[]);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    for line in [
        "FAILED   refused",
        "- --- service GET /orders",
        "- --- answer 200",
        "+ --- answer 401",
        "1 of 1 scenario failed",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    // Nothing is written unless asked.
    assert_eq!(fs::read_to_string(folder.path().join("scenarios/refused.golden")).unwrap(), expected);
    assert!(test(folder.path(), &component("api-key"), &["--bless"]).status.success());
    let blessed = fs::read_to_string(folder.path().join("scenarios/refused.golden")).unwrap();
    assert!(blessed.contains("--- answer 401") && !blessed.contains("--- service"), "{blessed}");
    assert!(test(folder.path(), &component("api-key"), &[]).status.success());
}

#[test]
fn what_cannot_be_played_is_one_failure_that_says_where() {
    let unknown = REFUSED.replace("keys =", "kyes =");
    let folder = folder(&[
        ("field.toml", "[[exchange]]\nrequst = \"GET /\""),
        ("configuration.toml", &unknown),
        ("good.toml", REFUSED),
    ]);
    let output = test(folder.path(), &component("api-key"), &["--bless"]);
    let text = said(&output);
    for line in [
        "field.toml: TOML parse error at line 2",
        "unknown field `requst`",
        "configuration.toml (as a gateway.toml)",
        "`kyes`: there is no such key; there are `keys`",
        "blessed  good",
        "2 of 3 scenarios failed",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let none = test(folder.path(), &component("api-key"), &["missing"]);
    assert!(said(&none).contains("has no such scenario"), "{}", said(&none));
    let unbuilt = test(folder.path(), &folder.path().join("x.wasm"), &[]);
    assert!(said(&unbuilt).contains("`gateway plugin build"), "{}", said(&unbuilt));
}

#[test]
fn limits_hold_in_a_scenario_and_its_failures_are_told() {
    let scenario = "[plugin]\ngrants = { http = [\"service\"] }\n[[exchange]]\nrequest = \"GET /\"\nheaders = { x-do = \"loop\" }\n";
    let folder = folder(&[("endless.toml", scenario)]);
    let output = test(folder.path(), &component("hostile"), &["--bless"]);
    assert!(output.status.success(), "{}", said(&output));
    let seen = fs::read_to_string(folder.path().join("scenarios/endless.golden")).unwrap();
    assert!(seen.contains("--- failed: cpu in handle\n") && seen.contains("--- answer 503\n"), "{seen}");
}

#[test]
fn a_component_of_any_abi_can_be_tested() {
    let scenario = r#"
[plugin]
grants = { http = ["service"] }
[[answer]]
body = "hello"
[[exchange]]
request = "POST /x?y=1"
headers = { x-do = "upper" }
body = "abc"
"#;
    for (name, seen) in [
        ("middleware", "--- service POST /x?y=1\nx-do: upper\n\nabc\n--- answer 200\n\nHELLO\n"),
        ("service", "--- answer 200\nx-abi: wasi:http 0.3\nx-path: /x?y=1\n\nabc\n"),
        ("proxy", "--- answer 200\nx-abi: wasi:http 0.2\nx-path: /x?y=1\n\nabc\n"),
    ] {
        let folder = folder(&[("one.toml", scenario)]);
        assert!(test(folder.path(), &component(name), &["--bless"]).status.success(), "{name}");
        let golden = fs::read_to_string(folder.path().join("scenarios/one.golden")).unwrap();
        assert!(golden.ends_with(seen), "{name}: {golden}");
    }
}
