//! The configuration as it is in force, setting by setting, each with the place it came from or as a default.
//!
//! It is read off the same texts that were loaded, along the same descriptions that decode them; nothing is opened. Values of
//! secrets are in no file of the configuration; what looks like one in a plugin's own table is not shown.

mod walk;

#[cfg(test)]
mod tests;

use std::fmt;

use serde_json::Value;

use crate::{Loaded, Place};
use walk::Walk;

/// One setting.
#[derive(Clone, PartialEq)]
pub struct Setting {
    /// `["route", "orders", "match", "path"]`: what stands in a list is named after its `name`, else by its position from 0.
    pub path: Vec<String>,
    /// None: nobody wrote it, it is the default.
    pub place: Option<Place>,
    value: Value,
    is_hidden: bool,
}

impl Setting {
    /// The value; `"***"` where it may be a credential.
    #[must_use]
    pub fn shown(&self) -> Value {
        if self.is_hidden { Value::from("***") } else { self.value.clone() }
    }

    /// Whether both say the same, hidden or not.
    #[must_use]
    pub fn says_the_same(&self, other: &Self) -> bool {
        self.value == other.value
    }

    /// The path as one text: `route.orders.match.path`.
    #[must_use]
    pub fn name(&self) -> String {
        let is_plain = |part: &&String| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        let part = |part: &String| Some(part).filter(is_plain).cloned().unwrap_or_else(|| format!("{part:?}"));
        self.path.iter().map(part).collect::<Vec<_>>().join(".")
    }
}

impl fmt::Debug for Setting {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} = {}", self.name(), self.shown())
    }
}

/// Every setting of a configuration, in the order of its files, defaults of sections that nobody wrote at the end.
#[must_use]
pub fn effective(loaded: &Loaded) -> Vec<Setting> {
    settings(&loaded.config.files, &loaded.sources)
}

/// The same of the texts that a configuration was read from.
#[must_use]
pub fn settings(files: &[std::path::PathBuf], sources: &crate::Sources) -> Vec<Setting> {
    let mut walk = Walk::default();
    files.iter().filter_map(|file| sources.source(file)).for_each(|source| walk.file(source));
    walk.finish()
}
