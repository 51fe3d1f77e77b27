//! Reads the first file and those that it includes, and makes one document of them.

use std::io;
use std::path::{Component, Path, PathBuf};

use super::decode::Spanned;
use super::parse::parse;
use super::reports::Reports;
use super::sections::Document;
use super::value::PlainText;
use crate::environment::Environment;
use crate::source::{Source, Sources};
use crate::{Diagnostic, Place};

/// The file that a folder is entered by.
const FIRST_FILE: &str = "gateway.toml";

/// Reads files.
pub(crate) struct Reader<'a> {
    environment: &'a dyn Environment,
    /// Every file that was read or should have been, the first one first.
    pub(crate) files: Vec<PathBuf>,
    /// Every folder in which a pattern of `include` looks.
    pub(crate) folders: Vec<PathBuf>,
    /// Their texts.
    pub(crate) sources: Sources,
    /// The files that are being read, each included by the one before it; absolute.
    open: Vec<PathBuf>,
    /// Those that were opened at any time; absolute.
    seen: Vec<PathBuf>,
}

impl<'a> Reader<'a> {
    /// Nothing was read yet.
    pub(crate) fn new(environment: &'a dyn Environment) -> Self {
        Self {
            environment,
            files: Vec::new(),
            folders: Vec::new(),
            sources: Sources::default(),
            open: Vec::new(),
            seen: Vec::new(),
        }
    }

    /// Reads a file, or a folder's first file, and all that it includes.
    pub(crate) fn read(&mut self, path: &Path, reports: &mut Reports) -> Document {
        let is_folder = self.environment.list(path).is_ok();
        let file = if is_folder { path.join(FIRST_FILE) } else { path.to_owned() };
        self.read_file(file, None, reports)
    }

    fn read_file(&mut self, file: PathBuf, included: Option<&Place>, reports: &mut Reports) -> Document {
        let identity = self.environment.absolute(&file);
        self.seen.push(identity.clone());
        self.files.push(file.clone());
        let text = self.environment.read(&file).and_then(|bytes| {
            String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))
        });
        let text = match text {
            Ok(text) => text,
            Err(error) => {
                let message = format!("cannot read `{}`: {}", file.display(), reason(&error));
                let diagnostic = Diagnostic::error("unreadable-file", message);
                reports.add(match included {
                    Some(place) => diagnostic.at(place),
                    None => diagnostic,
                });
                reports.lose_sections();
                return Document::default();
            }
        };
        let source = Source::new(file, &text);
        self.sources.insert(source.clone());
        let mut document = parse(&source, reports);

        self.open.push(identity);
        for pattern in std::mem::take(&mut document.include) {
            for included in self.matching_files(&source, &pattern, reports) {
                let other = self.read_file(included, Some(&pattern.place), reports);
                document.absorb(other, reports);
            }
        }
        self.open.pop();
        document
    }

    /// The files that an `include` asks for and that were not read yet, sorted.
    fn matching_files(&mut self, source: &Source, pattern: &Spanned<PlainText>, reports: &mut Reports) -> Vec<PathBuf> {
        let PlainText(text) = &pattern.value;
        let path = beside(source.file(), Path::new(text));
        let (folder, name) = (path.parent().unwrap_or(Path::new("")), path.file_name().unwrap_or_default());
        let name = name.to_string_lossy();
        if folder.to_string_lossy().contains('*') {
            let diagnostic =
                Diagnostic::error("invalid-include", "only the name of a file may have a star, not a folder's");
            reports.add(diagnostic.at(&pattern.place).hint("include each folder: `[\"a/*.toml\", \"b/*.toml\"]`"));
            return Vec::new();
        }
        if !name.contains('*') {
            let identity = self.environment.absolute(&path);
            if self.open.contains(&identity) {
                let diagnostic = Diagnostic::error("include-cycle", format!("`{}` includes itself", path.display()));
                reports.add(diagnostic.at(&pattern.place));
            }
            return if self.seen.contains(&identity) { Vec::new() } else { vec![path] };
        }
        self.folders.push(non_empty(folder).to_owned());
        // A folder that is not there has no files either.
        let names = self.environment.list(non_empty(folder)).unwrap_or_default();
        let mut names: Vec<String> = names.into_iter().filter(|candidate| matches_star(&name, candidate)).collect();
        names.sort();
        if names.is_empty() {
            let diagnostic = Diagnostic::warning("empty-include", format!("no file matches `{text}`"));
            reports.add(diagnostic.at(&pattern.place));
        }
        let paths = names.into_iter().map(|name| folder.join(name));
        paths.filter(|path| !self.seen.contains(&self.environment.absolute(path))).collect()
    }
}

/// A path that was written in a file, seen from where that file was seen, without `.` and `..` inside.
pub(crate) fn beside(file: &Path, written: &Path) -> PathBuf {
    let mut path = PathBuf::new();
    for component in file.parent().unwrap_or(Path::new("")).join(written).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if path.file_name().is_some() => {
                path.pop();
            }
            other => path.push(other),
        }
    }
    path
}

/// The folder itself, where the empty path stands for it.
pub(crate) fn non_empty(folder: &Path) -> &Path {
    if folder.as_os_str().is_empty() { Path::new(".") } else { folder }
}

/// Why a file cannot be read, in the same words on every system.
pub(crate) fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file or folder".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::IsADirectory => "it is a folder".to_owned(),
        _ => error.to_string(),
    }
}

/// Whether a name fits a pattern in which `*` stands for any text; hidden files are never meant.
fn matches_star(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first).filter(|_| !name.starts_with('.')) else {
        return false;
    };
    let Some(last) = parts.next_back() else {
        return rest.is_empty();
    };
    for part in parts {
        let Some((_, after)) =
            rest.split_once(part).filter(|_| !part.is_empty()).or(part.is_empty().then_some(("", rest)))
        else {
            return false;
        };
        rest = after;
    }
    rest.ends_with(last)
}
