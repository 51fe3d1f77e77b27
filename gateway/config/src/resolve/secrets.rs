//! Secrets: found where the configuration says, read once, never printed.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::names::Names;
use crate::document::decode::Spanned;
use crate::document::read::{beside, reason};
use crate::document::reports::Reports;
use crate::document::sections::SecretSource;
use crate::document::value::{Name, PlainText};
use crate::environment::Environment;
use crate::suggest::did_you_mean;
use crate::{Diagnostic, Secret};

/// The secrets that were asked for so far.
pub(crate) struct Secrets<'d> {
    names: &'d Names<'d>,
    environment: &'d dyn Environment,
    found: BTreeMap<Arc<str>, Option<Secret>>,
    /// The files that secrets were read from.
    pub(crate) files: Vec<PathBuf>,
}

impl<'d> Secrets<'d> {
    /// None was asked for yet.
    pub(crate) fn new(names: &'d Names<'d>, environment: &'d dyn Environment) -> Self {
        Self { names, environment, found: BTreeMap::new(), files: Vec::new() }
    }

    /// The value of a secret; none when it is missing, which has been reported then.
    pub(crate) fn find(&mut self, name: &Spanned<Name>, reports: &mut Reports) -> Option<Secret> {
        let key = &name.value.0;
        if let Some(known) = self.found.get(key) {
            return known.clone();
        }
        let secret = match self.names.secrets.get(key) {
            // A broken section has been reported; so is what the source itself lacks, where it was written.
            Some(definition) => definition.value.and_then(|source| self.read(key, source, reports)),
            None => self.undefined(name, reports),
        };
        self.found.insert(Arc::clone(key), secret.clone());
        secret
    }

    fn read(&mut self, name: &str, source: &SecretSource, reports: &mut Reports) -> Option<Secret> {
        if let Some(variable) = &source.env {
            return self.variable(name, variable, None, reports);
        }
        let file = source.file.as_ref()?;
        let PlainText(written) = &file.value;
        let path = beside(&file.place.file, written.as_ref());
        self.files.push(path.clone());
        let problem = match self.environment.read(&path).map(String::from_utf8) {
            Ok(Ok(text)) => {
                let value = text.strip_suffix('\n').unwrap_or(&text);
                let value = value.strip_suffix('\r').unwrap_or(value);
                if !value.is_empty() {
                    return Some(Secret::new(value));
                }
                "the file is empty".to_owned()
            }
            Ok(Err(_)) => "it is not UTF-8".to_owned(),
            Err(error) => reason(&error),
        };
        let message = format!("cannot read the secret `{name}`: {problem}");
        reports.add(Diagnostic::error("missing-secret", message).at(&file.place));
        None
    }

    /// A secret without a section.
    fn undefined(&self, name: &Spanned<Name>, reports: &mut Reports) -> Option<Secret> {
        let define = || format!("set the environment variable `{0}`, or write `[secret.{0}]`", name.value);
        let hint = did_you_mean(&name.value.0, self.names.secrets.names()).unwrap_or_else(define);
        self.variable(&name.value.0, name, Some(hint), reports)
    }

    fn variable(
        &self,
        name: &str,
        variable: &Spanned<Name>,
        hint: Option<String>,
        reports: &mut Reports,
    ) -> Option<Secret> {
        let problem = match self.environment.variable(&variable.value.0) {
            Some(value) if !value.is_empty() => return Some(Secret::new(&value)),
            Some(_) => "is empty",
            None => "is not set",
        };
        let message =
            format!("the secret `{name}` is missing: the environment variable `{}` {problem}", variable.value);
        let diagnostic = Diagnostic::error("missing-secret", message).at(&variable.place).maybe_hint(hint);
        // What looks like a missing variable may be a section that could not be read.
        reports.add_absent(diagnostic);
        None
    }
}
