//! The text of the files that were read, and places in it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::Place;

/// One file's text.
#[derive(Debug, Clone)]
pub struct Source {
    file: Arc<PathBuf>,
    text: Arc<str>,
    /// Offset of the first byte of each line.
    lines: Arc<[usize]>,
}

impl Source {
    /// The text of a file.
    #[must_use]
    pub fn new(file: PathBuf, text: &str) -> Self {
        let after_newlines = text.match_indices('\n').map(|(offset, _)| offset + 1);
        Self { file: Arc::new(file), text: text.into(), lines: std::iter::once(0).chain(after_newlines).collect() }
    }

    /// The file's name, as it was reached.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// All of it.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The place of a byte range. A range that reaches past the end stands at the end.
    #[must_use]
    pub fn place(&self, span: Range<usize>) -> Place {
        let start = self.text.floor_char_boundary(span.start);
        let end = self.text.ceil_char_boundary(span.end.max(start));
        let line = self.lines.partition_point(|first| *first <= start);
        let first = self.lines.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let column = self.text.get(first..start).map_or(0, |before| before.chars().count());
        Place {
            file: Arc::clone(&self.file),
            line: u32::try_from(line).unwrap_or(u32::MAX),
            column: u32::try_from(column + 1).unwrap_or(u32::MAX),
            span: (start, end),
        }
    }
}

/// Every file that was read, so that diagnostics can show the lines they speak of.
#[derive(Debug, Clone, Default)]
pub struct Sources(BTreeMap<PathBuf, Source>);

impl Sources {
    /// The text of a file, if it was read.
    #[must_use]
    pub fn text(&self, file: &Path) -> Option<&str> {
        self.0.get(file).map(Source::text)
    }

    pub(crate) fn source(&self, file: &Path) -> Option<&Source> {
        self.0.get(file)
    }

    pub(crate) fn insert(&mut self, source: Source) {
        self.0.insert(source.file().to_owned(), source);
    }
}
