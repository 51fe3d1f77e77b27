//! What is made of a JSON value: parsed once, done to each body.

use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Changes as they are written; paths are `a.b`, and go through each element of a list.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Written {
    root: Option<String>,
    pick: Option<Vec<String>>,
    drop: Vec<String>,
    flatten: Vec<String>,
    rename: BTreeMap<String, String>,
    set: BTreeMap<String, Value>,
}

/// Changes, in the order in which they are done.
pub(crate) struct Shape {
    root: Path,
    pick: Option<Vec<Path>>,
    drop: Vec<Path>,
    flatten: Vec<Path>,
    rename: Vec<(Path, String)>,
    set: Vec<(Path, Value)>,
}

type Path = Vec<String>;

impl Shape {
    /// None where nothing is to be done. `place` is where it is written, for errors.
    pub(crate) fn parse(written: Option<Written>, place: &str) -> Result<Option<Self>, String> {
        let Some(Written { root, pick, drop, flatten, rename, set }) = written else { return Ok(None) };
        let path = |kind: &str, text: &str| {
            let path: Path = text.split('.').map(str::to_owned).collect();
            match path.iter().any(String::is_empty) {
                true => Err(format!("`{place}.{kind}`: `{text}` is no path of fields such as `address.city`")),
                false => Ok(path),
            }
        };
        let paths = |kind: &str, texts: Vec<String>| -> Result<Vec<Path>, String> {
            texts.iter().map(|text| path(kind, text)).collect()
        };
        let rename = rename.into_iter().map(|(from, to)| match to.is_empty() || to.contains('.') {
            true => Err(format!("`{place}.rename`: `{to}` is not the name of a field in the same place")),
            false => Ok((path("rename", &from)?, to)),
        });
        Ok(Some(Self {
            root: root.map(|root| path("root", &root)).transpose()?.unwrap_or_default(),
            pick: pick.map(|pick| paths("pick", pick)).transpose()?,
            drop: paths("drop", drop)?,
            flatten: paths("flatten", flatten)?,
            rename: rename.collect::<Result<_, _>>()?,
            set: set.into_iter().map(|(to, value)| Ok((path("set", &to)?, value))).collect::<Result<_, String>>()?,
        }))
    }

    /// The value as it should be.
    pub(crate) fn apply(&self, mut value: Value) -> Value {
        for name in &self.root {
            value = match value {
                Value::Object(mut fields) => fields.remove(name).unwrap_or_default(),
                _ => Value::Null,
            };
        }
        if let Some(paths) = &self.pick {
            let paths: Vec<&[String]> = paths.iter().map(Vec::as_slice).collect();
            value = pick(value, &paths);
        }
        for path in &self.drop {
            at(&mut value, path, &mut |fields, name| {
                fields.remove(name);
            });
        }
        for path in &self.flatten {
            at(&mut value, path, &mut |fields, name| flatten(fields, name));
        }
        for (path, to) in &self.rename {
            at(&mut value, path, &mut |fields, name| rename(fields, name, to));
        }
        for (path, set) in &self.set {
            at(&mut value, path, &mut |fields, name| {
                fields.insert(name.to_owned(), set.clone());
            });
        }
        value
    }
}

/// The fields at these paths and no others; of a list, each element so.
fn pick(value: Value, paths: &[&[String]]) -> Value {
    match value {
        Value::Array(elements) => elements.into_iter().map(|element| pick(element, paths)).collect(),
        Value::Object(fields) => {
            let kept = fields.into_iter().filter_map(|(name, value)| {
                let through = paths.iter().filter_map(|path| path.split_first());
                let rests: Vec<&[String]> =
                    through.filter(|(first, _)| **first == name).map(|(_, rest)| rest).collect();
                match rests.iter().any(|rest| rest.is_empty()) {
                    true => Some((name, value)),
                    false if rests.is_empty() || !(value.is_object() || value.is_array()) => None,
                    false => Some((name, pick(value, &rests))),
                }
            });
            Value::Object(kept.collect())
        }
        other => other,
    }
}

/// Does something to the last field of a path, wherever there is what holds it.
fn at(value: &mut Value, path: &[String], change: &mut impl FnMut(&mut Map<String, Value>, &str)) {
    match value {
        Value::Array(elements) => elements.iter_mut().for_each(|element| at(element, path, change)),
        Value::Object(fields) => match path {
            [] => {}
            [name] => change(fields, name),
            [name, rest @ ..] => {
                if let Some(inner) = fields.get_mut(name) {
                    at(inner, rest, change);
                }
            }
        },
        _ => {}
    }
}

/// Puts the fields of an object into what holds it, as `address_city`, in its place.
fn flatten(fields: &mut Map<String, Value>, name: &str) {
    if !fields.get(name).is_some_and(Value::is_object) {
        return;
    }
    let before = std::mem::take(fields);
    for (key, value) in before {
        match value {
            Value::Object(inner) if key == name => {
                fields.extend(inner.into_iter().map(|(inner, value)| (format!("{name}_{inner}"), value)));
            }
            value => drop(fields.insert(key, value)),
        }
    }
}

/// Gives a field another name, in its place.
fn rename(fields: &mut Map<String, Value>, name: &str, to: &str) {
    if fields.contains_key(name) {
        let before = std::mem::take(fields);
        let named = before.into_iter().filter(|(key, _)| key == name || key != to);
        fields.extend(named.map(|(key, value)| (if key == name { to.to_owned() } else { key }, value)));
    }
}
