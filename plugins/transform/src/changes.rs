//! What is done to the fields of a message or to the query: parsed once, filled in for each exchange.

use crate::fields::Fields;
use plugin_sdk::template::Template;
use plugin_sdk::{Error, Result};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Changes as they are written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Written {
    remove: Vec<String>,
    rename: BTreeMap<String, String>,
    set: BTreeMap<String, String>,
    add: BTreeMap<String, String>,
}

/// Changes, in the order in which they are done.
pub(crate) struct Changes {
    remove: Vec<String>,
    rename: BTreeMap<String, String>,
    set: Vec<(String, Template)>,
    add: Vec<(String, Template)>,
}

impl Changes {
    /// `place` is where they are written, for errors.
    pub(crate) fn parse(written: Written, place: &str) -> Result<Self, String> {
        let templates = |table: BTreeMap<String, String>, kind: &str| -> Result<Vec<_>, String> {
            let parsed = table.into_iter().map(|(name, text)| match Template::parse(&text) {
                Ok(template) => Ok((name, template)),
                Err(error) => Err(format!("`{place}.{kind}.{name}`: {error}")),
            });
            parsed.collect()
        };
        Ok(Self {
            remove: written.remove,
            rename: written.rename,
            set: templates(written.set, "set")?,
            add: templates(written.add, "add")?,
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.rename.is_empty() && self.set.is_empty() && self.add.is_empty()
    }

    /// With the values of this exchange.
    pub(crate) fn fill(&self) -> Filled<'_> {
        Filled { changes: self, set: fill(&self.set), add: fill(&self.add) }
    }
}

/// Each with its value, none where that lacks a part.
fn fill(templates: &[(String, Template)]) -> Vec<(&str, Option<String>)> {
    templates.iter().map(|(name, template)| (name.as_str(), template.text())).collect()
}

/// Changes with the values of one exchange.
pub(crate) struct Filled<'a> {
    changes: &'a Changes,
    set: Vec<(&'a str, Option<String>)>,
    add: Vec<(&'a str, Option<String>)>,
}

impl Filled<'_> {
    pub(crate) fn apply(&self, fields: &mut impl Fields) -> Result<()> {
        for name in &self.changes.remove {
            tolerate(fields.remove(name), name)?;
        }
        for (name, to) in &self.changes.rename {
            tolerate(fields.rename(name, to), name)?;
        }
        for (name, value) in &self.set {
            // What the client sent must not pass for what is set, whether that has a value or not.
            let removed = fields.remove(name);
            let set = removed.and_then(|()| value.as_ref().map_or(Ok(()), |value| fields.set(name, value)));
            tolerate(set, name)?;
        }
        for (name, value) in &self.add {
            tolerate(value.as_ref().map_or(Ok(()), |value| fields.add(name, value)), name)?;
        }
        Ok(())
    }
}

/// A client must not be able to make the plugin fail: what its values make impossible is left out, and logged.
pub(crate) fn tolerate(done: Result<()>, name: &str) -> Result<()> {
    match done {
        Err(Error::Invalid(reason) | Error::TooLarge(reason)) => {
            plugin_sdk::warn!("`{name}` is left out: {reason}");
            Ok(())
        }
        other => other,
    }
}
