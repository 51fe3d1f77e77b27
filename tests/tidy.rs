//! The rules of the house. Each failure says which rule was broken, why there is one, and where.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use gateway_tests::gateway::program;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What HARDENING.md names in its sections 1 to 4, in a few words.
const HARDENING: [(&str, &str); 52] = [
    ("P1", "a target without a path"),
    ("P2", "one authority, or 400"),
    ("P3", "CONNECT, PRI and * are not forwarded"),
    ("P4", "cookie crumbs are joined"),
    ("P5", "a message is framed once"),
    ("P6", "a client's bad chunk is the client's fault"),
    ("P7", "what belongs to one connection stays there"),
    ("P8", "bounded heads, both ways"),
    ("P9", "junk from an upstream is 502"),
    ("P10", "time-outs for everything a peer may delay"),
    ("P11", "a stalled reader pins little"),
    ("P12", "half-close is honoured"),
    ("P13", "control bytes are refused"),
    ("P14", "one normal form of the path"),
    ("P15", "underscores in field names are refused"),
    ("H1", "rapid reset"),
    ("H2", "MadeYouReset"),
    ("H3", "CONTINUATION and empty-frame floods"),
    ("H4", "HPACK bombs"),
    ("H5", "floods of control frames"),
    ("H6", "zero windows, stalled readers and uploads"),
    ("H7", "half prefaces, half header blocks, idling"),
    ("W1", "a plugin's endless loop"),
    ("W2", "memory, stack and lists of a plugin"),
    ("W3", "bad fields from a plugin"),
    ("W4", "floods of logs, metrics and keys"),
    ("W5", "traps and time-outs of a plugin"),
    ("W6", "state between requests and tenants"),
    ("W7", "no leak over reuse"),
    ("W8", "the pool is never exhausted"),
    ("W9", "capabilities: asked and granted"),
    ("W10", "only our own compiled artefacts"),
    ("W11", "pinned components, inside the folder"),
    ("W12", "files that are no plugin"),
    ("W13", "a request cancelled while the guest runs"),
    ("R1", "40 reloads under load"),
    ("R2", "files written in steps, renamed, touched"),
    ("R3", "a symlink swapped"),
    ("R4", "deleted and put back"),
    ("R5", "50 changes in two seconds"),
    ("R6", "no file events"),
    ("R7", "a broken change changes nothing"),
    ("R8", "a version that starts to fail"),
    ("F1", "an upstream refuses, resets, lies, stalls, cuts"),
    ("F2", "what is sent once more, and how much"),
    ("F3", "an upstream drowns"),
    ("F4", "an endpoint misbehaves"),
    ("F5", "DNS fails"),
    ("F6", "SIGTERM"),
    ("F7", "descriptors run out"),
    ("F8", "past the caps"),
    ("F9", "10,000 idle connections"),
];

/// Which crates of ours a crate may name; `*` is any of them.
const IMPORTS: [(&str, &[&str]); 11] = [
    ("gateway/core", &[]),
    ("gateway/config", &[]),
    ("gateway/bridge", &["gateway-core", "gateway-config"]),
    ("gateway/proxy", &["gateway-core", "gateway-config"]),
    ("gateway/plugin-host", &["gateway-core"]),
    ("gateway/store", &["gateway-core"]),
    (
        "gateway",
        &["gateway-bridge", "gateway-core", "gateway-config", "gateway-proxy", "gateway-plugin-host", "gateway-store"],
    ),
    ("plugin-sdk", &["plugin-sdk-macros"]),
    ("plugin-sdk/macros", &[]),
    ("plugins/*", &["plugin-sdk"]),
    ("tests", &[]),
];

const LONGEST: usize = 500;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// Every file that people write, relative to the repository, with its text.
fn sources() -> Vec<(String, String)> {
    const MADE: [&str; 4] = [".git", "target", "node_modules", "plugins.d"];
    let root = root();
    let is_made = |path: &Path| *path == root.join("build") || MADE.iter().any(|made| path.ends_with(made));
    let (mut folders, mut found) = (vec![root.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.extend((!is_made(&path)).then_some(path));
            } else if let Ok(text) = fs::read_to_string(&path) {
                found.push((path.strip_prefix(&root).unwrap().display().to_string(), text));
            }
        }
    }
    found.sort();
    found
}

fn rust_sources() -> impl Iterator<Item = (String, String)> {
    sources().into_iter().filter(|(path, _)| path.ends_with(".rs"))
}

/// Fails with the rule, its reason and the places, unless there are none.
fn check(rule: &str, reason: &str, broken: impl IntoIterator<Item = String>) {
    let broken: Vec<_> = broken.into_iter().collect();
    assert!(broken.is_empty(), "\nThe rule:  {rule}\nIts reason: {reason}\nBroken by:\n  {}\n", broken.join("\n  "));
}

#[test]
fn a_file_is_one_idea() {
    let broken = rust_sources().filter(|(_, text)| text.lines().count() > LONGEST);
    check(
        &format!("a file has at most {LONGEST} lines"),
        "a longer one holds several ideas, and nobody reads it to its end",
        broken.map(|(path, text)| format!("{path}: {} lines", text.lines().count())),
    );
}

#[test]
fn a_file_says_what_lives_in_it() {
    check(
        "a file begins with `//!`",
        "whoever opens it learns from the first line whether it is the right one",
        rust_sources().filter(|(_, text)| !text.starts_with("//!")).map(|(path, _)| path),
    );
}

#[test]
fn crates_name_only_those_below_them() {
    let manifests: Vec<_> = sources().into_iter().filter(|(path, _)| path.ends_with("Cargo.toml")).collect();
    let parsed: Vec<(String, toml::Table)> = manifests
        .iter()
        .map(|(path, text)| (path.trim_end_matches("/Cargo.toml").to_owned(), text.parse().unwrap()))
        .collect();
    let name = |manifest: &toml::Table| Some(manifest.get("package")?.get("name")?.as_str()?.to_owned());
    let ours: Vec<String> = parsed.iter().filter_map(|(_, manifest)| name(manifest)).collect();
    let mut broken = Vec::new();
    for (folder, manifest) in &parsed {
        let rule = IMPORTS.iter().find(|(rule, _)| match rule.strip_suffix("/*") {
            Some(parent) => Path::new(folder).parent() == Some(Path::new(parent)),
            None => folder == rule,
        });
        let named = dependencies(manifest);
        if let Some((_, allowed)) = rule {
            let wrong = named.iter().filter(|name| ours.contains(name) && !allowed.contains(&name.as_str()));
            broken.extend(wrong.map(|name| format!("{folder} names {name}")));
        }
        if folder != "gateway/plugin-host" && named.iter().any(|name| name.starts_with("wasmtime")) {
            broken.push(format!("{folder} names wasmtime"));
        }
    }
    check(
        "core and config name no crate of ours, proxy and plugin-host meet in core, plugins name the SDK only, and only \
         plugin-host names wasmtime",
        "features that do not know each other can be understood, tested and replaced one by one",
        broken,
    );
}

/// Everything that a manifest depends on, whatever for.
fn dependencies(manifest: &toml::Table) -> Vec<String> {
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    let tables = targets.into_iter().flat_map(|targets| targets.values().filter_map(toml::Value::as_table));
    let tables = tables.chain([manifest]);
    tables
        .flat_map(|table| ["dependencies", "dev-dependencies", "build-dependencies"].map(|kind| table.get(kind)))
        .filter_map(|dependencies| dependencies?.as_table())
        .flat_map(|dependencies| dependencies.keys().cloned())
        .collect()
}

#[test]
fn no_file_knows_the_machine_it_was_written_on() {
    // In two parts, so that this file does not break its own rule.
    let needles = [format!("{}/", root().display()), ["/ro", "ot/"].concat(), ["/Us", "ers/"].concat()];
    let broken = sources().into_iter().flat_map(|(path, text)| {
        let lines =
            text.lines().enumerate().filter(|(_, line)| needles.iter().any(|needle| line.contains(needle.as_str())));
        lines.map(|(number, line)| format!("{path}:{}: {}", number + 1, line.trim())).collect::<Vec<_>>()
    });
    check("no file holds a path of somebody's machine", "it works nowhere else", broken);
}

#[test]
fn every_example_loads() {
    let examples = fs::read_dir(root().join("examples")).unwrap().map(|entry| entry.unwrap().path());
    let examples = examples.filter(|example| example.join("gateway.toml").is_file());
    let said = examples.filter_map(|example| refused(|folder| copy_folder(&example, folder)));
    check(
        "`gateway check` accepts every configuration under examples, with the plugins of `make plugins`",
        "an example that does not load teaches mistakes",
        said,
    );
}

/// What `gateway check` says against a folder that is made like this.
fn refused(make: impl FnOnce(&Path)) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    make(folder.path());
    copy_folder(&root().join("build/plugins"), &folder.path().join("plugins.d"));
    let output = Command::new(program()).arg("check").current_dir(folder.path()).output().unwrap();
    (!output.status.success()).then(|| String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Every file, those of folders in it included.
fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for path in fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()) {
        let to = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => copy_folder(&path, &to),
            false => drop(fs::copy(&path, to).unwrap()),
        }
    }
}

#[test]
fn hardening_is_named_by_tests() {
    let tests = tests_by_row();
    println!("\nHARDENING, sections 1 to 4: what the gateway withstands, and the tests in tests/it that show it\n");
    for (row, what) in HARDENING {
        let named = tests.get(row).map_or("NONE".to_owned(), |tests| tests.join(&format!("\n{:53}", "")));
        println!("  {row:4} {what:45} {named}");
    }
    println!();
    check(
        "each row of HARDENING.md in sections 1 to 4 is named by a test over a socket, as `p1_…` or `w13_…`",
        "what no test shows is a hope",
        HARDENING.iter().filter(|(row, _)| !tests.contains_key(row)).map(|(row, what)| format!("{row}: {what}")),
    );
}

/// The names of the tests in tests/it that begin with one or several rows (`p5_p13_…`) and are run.
fn tests_by_row() -> BTreeMap<&'static str, Vec<String>> {
    let mut found: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (_, text) in rust_sources().filter(|(path, _)| path.starts_with("tests/it/")) {
        for item in text.split("#[test]\n").skip(1) {
            let Some(name) = item.strip_prefix("fn ").and_then(|rest| rest.split('(').next()) else { continue };
            let row = |word: &str| HARDENING.iter().map(|(row, _)| *row).find(|row| row.to_lowercase() == word);
            for row in name.split('_').map_while(row) {
                found.entry(row).or_default().push(name.to_owned());
            }
        }
    }
    found
}

const BEGIN: &str = "<!-- Made by tests/tidy.rs: BLESS=1 cargo test --workspace --test tidy -->\n";
const END: &str = "<!-- End of what is made. -->";

#[test]
fn the_posture_names_its_proofs() {
    let path = root().join("gateway/docs/security.md");
    let page = fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let tests = tests_by_row();
    let row = |(row, what): (&str, &str)| {
        let named: Vec<_> = tests.get(row).into_iter().flatten().map(|test| format!("`{test}`")).collect();
        format!("| {row} | {what} | {} |\n", named.join(" "))
    };
    let table: String = HARDENING.into_iter().map(row).collect();
    let made = format!("{before}{BEGIN}| row | what holds | tests in `tests/it` |\n|---|---|---|\n{table}{END}{after}");
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, &made).unwrap();
    }
    let is_fresh = std::env::var_os("BLESS").is_some() || made == page;
    check(
        "gateway/docs/security.md has the table of rows and tests as they are",
        "a claim is told with its proof; BLESS=1 writes the table",
        (!is_fresh).then(|| "gateway/docs/security.md".to_owned()),
    );
}
