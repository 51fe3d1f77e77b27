//! `gateway diff`: what a reload would change, section by section.
//!
//! Settings are compared by name, so that order and spelling of a file do not matter; components and secret and certificate files
//! by their content.

use super::{print, unusable};
use crate::explain::at;
use crate::reload::Failure;
use gateway_config::{Loaded, Setting, SystemEnvironment, effective, load};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Sections whose entries have names: `[upstream.NAME]`, `[[route]]`.
const NAMED: [&str; 7] = ["listener", "upstream", "plugin", "chain", "store", "secret", "route"];

/// What belongs together: `route orders`, or `server`.
type Group = (String, String);
type Settings = BTreeMap<String, Setting>;

/// What happens to a part.
#[derive(Debug, PartialEq, Eq)]
enum Change {
    Added(String),
    Removed(String),
    Changed(String, Vec<String>),
}

pub(super) fn run(old: &Path, new: &Path) -> ExitCode {
    let loaded = |path: &Path| {
        load(path, &SystemEnvironment)
            .map_err(|problems| Failure { problems: problems.diagnostics, sources: problems.sources })
    };
    let (old, new) = match (loaded(old), loaded(new)) {
        (Ok(old), Ok(new)) => (old, new),
        (Err(failure), _) | (_, Err(failure)) => return unusable(&failure),
    };
    let mut changes = settings(&effective(&old), &effective(&new));
    changes.extend(contents(&old, &new));
    if changes.is_empty() {
        print("nothing would change");
    }
    for change in changes {
        match change {
            Change::Added(name) => print(format_args!("+ {name}")),
            Change::Removed(name) => print(format_args!("- {name}")),
            Change::Changed(name, lines) => {
                print(format_args!("~ {name}"));
                lines.iter().for_each(|line| print(format_args!("    {line}")));
            }
        }
    }
    ExitCode::SUCCESS
}

fn settings(old: &[Setting], new: &[Setting]) -> Vec<Change> {
    let (old, new) = (grouped(old), grouped(new));
    let mut groups: Vec<&Group> = old.keys().chain(new.keys()).collect();
    groups.sort();
    groups.dedup();
    let name = |(section, entry): &Group| format!("{section} {entry}").trim().to_owned();
    let change = |group: &Group| match (old.get(group), new.get(group)) {
        (None, _) => Some(Change::Added(name(group))),
        (_, None) => Some(Change::Removed(name(group))),
        (Some(old), Some(new)) => {
            let mut words: Vec<&String> = old.keys().chain(new.keys()).collect();
            words.sort();
            words.dedup();
            let lines: Vec<_> = words.into_iter().filter_map(|word| line(word, old.get(word), new.get(word))).collect();
            (!lines.is_empty()).then(|| Change::Changed(name(group), lines))
        }
    };
    groups.into_iter().filter_map(change).collect()
}

/// What is different in one setting.
fn line(word: &str, old: Option<&Setting>, new: Option<&Setting>) -> Option<String> {
    let place = |setting: &Setting| setting.place.as_ref().map_or_else(|| "default".to_owned(), at);
    match (old, new) {
        (Some(old), Some(new)) if old.says_the_same(new) => None,
        (Some(old), Some(new)) => Some(format!("{word}: {} -> {}    {}", old.shown(), new.shown(), place(new))),
        (None, Some(new)) => Some(format!("{word}: not written -> {}    {}", new.shown(), place(new))),
        (Some(old), None) => Some(format!("{word}: {} -> not written    {}", old.shown(), place(old))),
        (None, None) => None,
    }
}

fn grouped(settings: &[Setting]) -> BTreeMap<Group, Settings> {
    let mut groups: BTreeMap<Group, Settings> = BTreeMap::new();
    // Which files there are is no setting.
    for setting in settings.iter().filter(|setting| setting.path.first().is_some_and(|word| word != "include")) {
        let (section, rest) =
            setting.path.split_first().map_or((String::new(), &[][..]), |(word, rest)| (word.clone(), rest));
        let (entry, rest) = match rest.split_first() {
            Some((entry, rest)) if NAMED.contains(&section.as_str()) => (entry.clone(), rest),
            _ => (String::new(), rest),
        };
        groups.entry((section, entry)).or_default().insert(rest.join("."), setting.clone());
    }
    groups
}

/// Files that say the same in the configuration and hold something else.
fn contents(old: &Loaded, new: &Loaded) -> Vec<Change> {
    let components = |loaded: &Loaded| -> BTreeMap<String, PathBuf> {
        loaded
            .config
            .plugins
            .iter()
            .map(|plugin| (format!("component of plugin {}", plugin.name), plugin.file.clone()))
            .collect()
    };
    let files = |loaded: &Loaded| -> BTreeMap<String, PathBuf> {
        let (secrets, certificates) = (&loaded.config.secret_files, &loaded.config.certificate_files);
        let named = |what: &'static str| {
            move |file: &PathBuf| {
                let name = file.file_name().unwrap_or_default().to_string_lossy();
                (format!("{what} {name}"), file.clone())
            }
        };
        let secrets = secrets.iter().map(named("secret file"));
        secrets.chain(certificates.iter().map(named("certificate file"))).chain(components(loaded)).collect()
    };
    let (old, new) = (files(old), files(new));
    let both = new.iter().filter_map(|(name, file)| Some((name, old.get(name)?, file)));
    both.filter(|(_, old, new)| digest(old) != digest(new))
        .map(|(name, ..)| Change::Changed(name.clone(), vec!["its content differs".to_owned()]))
        .collect()
}

fn digest(file: &Path) -> Option<[u8; 32]> {
    Some(Sha256::digest(std::fs::read(file).ok()?).into())
}
