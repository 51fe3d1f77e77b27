//! The problems found so far.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;

use crate::{Diagnostic, Severity};

/// Collects problems, and keeps apart those that conclude from something not being there.
///
/// Where a part of a file could not be understood, what seems to be missing may well stand in that part: such
/// conclusions are dropped then, so that one slip does not cause a cascade of false errors.
#[derive(Debug, Default)]
pub(crate) struct Reports {
    found: Vec<Diagnostic>,
    absent: Vec<Diagnostic>,
    /// Lines that could not be read.
    broken: Vec<(Arc<PathBuf>, RangeInclusive<u32>)>,
    /// Something was written that could not be understood as a whole.
    lost: bool,
}

impl Reports {
    /// A problem with something that is there.
    pub(crate) fn add(&mut self, diagnostic: Diagnostic) {
        self.found.push(diagnostic);
    }

    /// A problem with something that is not there.
    pub(crate) fn add_absent(&mut self, diagnostic: Diagnostic) {
        self.absent.push(diagnostic);
    }

    /// Takes note of lines with broken syntax: whatever else is said about them is noise.
    pub(crate) fn lose_lines(&mut self, file: &Arc<PathBuf>, lines: RangeInclusive<u32>) {
        self.broken.push((Arc::clone(file), lines));
        self.lost = true;
    }

    /// Takes note that whole sections could not be understood.
    pub(crate) fn lose_sections(&mut self) {
        self.lost = true;
    }

    /// How many problems were found.
    pub(crate) fn count(&self) -> usize {
        self.found.len() + self.absent.len()
    }

    /// Everything worth saying: errors first, by file and line.
    pub(crate) fn finish(self) -> Vec<Diagnostic> {
        let Self { mut found, absent, broken, lost } = self;
        let is_noise = |diagnostic: &Diagnostic| {
            let place = diagnostic.place.as_ref().filter(|_| diagnostic.code != SYNTAX);
            place.is_some_and(|place| {
                broken.iter().any(|(file, lines)| *file == place.file && lines.contains(&place.line))
            })
        };
        found.retain(|diagnostic| !is_noise(diagnostic));
        if !lost {
            // What nothing uses may be what a mistake elsewhere was to use.
            let is_error = |diagnostic: &Diagnostic| diagnostic.severity == Severity::Error;
            let has_errors = found.iter().chain(&absent).any(is_error);
            found.extend(absent.into_iter().filter(|diagnostic| is_error(diagnostic) || !has_errors));
        }
        let order = |one: &Diagnostic, other: &Diagnostic| {
            let by_place = (one.severity, &one.place).cmp(&(other.severity, &other.place));
            by_place.then_with(|| (one.code, &one.message).cmp(&(other.code, &other.message)))
        };
        found.sort_by(order);
        // What several others refer to is checked for each of them.
        found.dedup();
        found
    }
}

/// The code of diagnostics about broken syntax.
pub(crate) const SYNTAX: &str = "syntax";
