//! The problems found so far.

use crate::{Diagnostic, Place};

/// Collects problems, and keeps apart those that conclude from something not being there.
///
/// Where a part of a file could not be understood, what seems to be missing may well stand in that part: such
/// conclusions are dropped then, so that one slip does not cause a cascade of false errors.
#[derive(Debug, Default)]
pub(crate) struct Reports {
    found: Vec<Diagnostic>,
    absent: Vec<Diagnostic>,
    /// Lines with broken syntax.
    broken: Vec<Place>,
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

    /// Broken syntax: whatever else is said about its line is noise.
    pub(crate) fn add_syntax(&mut self, diagnostic: Diagnostic) {
        self.broken.extend(diagnostic.place.clone());
        self.found.push(diagnostic);
        self.lost = true;
    }

    /// Takes note that whole sections could not be understood.
    pub(crate) fn lose_sections(&mut self) {
        self.lost = true;
    }

    /// Everything worth saying, by file and line.
    pub(crate) fn finish(mut self) -> Vec<Diagnostic> {
        let is_noise = |diagnostic: &Diagnostic| {
            let on_broken_line = |place: &Place| {
                let shares_line =
                    |broken: &Place| broken.file == place.file && broken.line == place.line;
                let contains = |broken: &Place| {
                    broken.file == place.file
                        && place.span.0 <= broken.span.0
                        && broken.span.0 <= place.span.1
                };
                self.broken
                    .iter()
                    .any(|broken| shares_line(broken) || contains(broken))
            };
            diagnostic.code != SYNTAX && diagnostic.place.as_ref().is_some_and(on_broken_line)
        };
        let mut all: Vec<Diagnostic> = self
            .found
            .drain(..)
            .filter(|diagnostic| !is_noise(diagnostic))
            .collect();
        if !self.lost {
            all.append(&mut self.absent);
        }
        all.sort_by(|one, other| {
            (one.severity, &one.place, one.code, &one.message).cmp(&(
                other.severity,
                &other.place,
                other.code,
                &other.message,
            ))
        });
        // What several others refer to is checked for each of them.
        all.dedup();
        all
    }
}

/// The code of what [`Reports::add_syntax`] takes.
pub(crate) const SYNTAX: &str = "syntax";
