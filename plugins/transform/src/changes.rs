//! What is done to the fields of a message or to the query: parsed once, filled in for each exchange.

use crate::fields::Fields;
use crate::template::Template;
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

/// Those whose value has all its parts.
fn fill(templates: &[(String, Template)]) -> Vec<(&str, String)> {
    templates.iter().filter_map(|(name, template)| Some((name.as_str(), template.text()?))).collect()
}

/// Changes with the values of one exchange.
pub(crate) struct Filled<'a> {
    changes: &'a Changes,
    set: Vec<(&'a str, String)>,
    add: Vec<(&'a str, String)>,
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
            tolerate(fields.set(name, value), name)?;
        }
        for (name, value) in &self.add {
            tolerate(fields.add(name, value), name)?;
        }
        Ok(())
    }
}

/// A client must not be able to make the plugin fail: what its values make impossible is left out, and logged.
pub(crate) fn tolerate(done: Result<()>, name: &str) -> Result<()> {
    match done {
        Err(Error::Invalid(reason) | Error::TooLarge(reason)) => {
            plugin_sdk::warn!("`{name}` is left as it is: {reason}");
            Ok(())
        }
        other => other,
    }
}
