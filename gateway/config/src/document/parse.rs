//! From one file's text to its document, with what can be said about broken syntax.

use toml::de::{DeTable, DeValue, Error};

use super::decode::{Decode, Decoder, Node};
use super::reports::{Reports, SYNTAX};
use super::sections::Document;
use crate::source::Source;
use crate::{Diagnostic, Place};

/// Reads what can be read of a file.
pub(crate) fn parse(source: &Source, reports: &mut Reports) -> Document {
    let (table, errors) = DeTable::parse_recoverable(source.text());
    report_syntax(source, &errors, reports);
    // A word that is no section's name may be a slip, and what stands below it missing elsewhere.
    let is_known = |word: &str| Document::section().keys.iter().any(|key| key.name == word);
    if table.get_ref().keys().any(|word| !is_known(word.get_ref())) {
        reports.lose_sections();
    }
    let root = Node::new(table.span(), DeValue::Table(table.into_inner()));
    Document::decode(&root, &mut Decoder::new(source, reports)).unwrap_or_default()
}

/// Reports one error for each stretch of lines that could not be read: the others follow from it.
fn report_syntax(source: &Source, errors: &[Error], reports: &mut Reports) {
    let mut errors: Vec<(Place, &Error)> =
        errors.iter().map(|error| (source.place(error.span().unwrap_or_default()), error)).collect();
    errors.sort_by(|(one, _), (other, _)| one.cmp(other));
    // A blank line does not end a stretch.
    let stretches = errors.chunk_by(|(one, _), (other, _)| other.line <= one.line + 2);
    for stretch in stretches {
        let (Some((first, error)), Some((last, _))) = (stretch.first(), stretch.last()) else {
            continue;
        };
        // That a bracket is missing is noticed at the end only, but explains what is odd before.
        let unclosed = stretch.iter().map(|(_, error)| *error).find(|error| error.message().starts_with("unclosed"));
        let (message, hint) = explain(unclosed.unwrap_or(error), source);
        let diagnostic = Diagnostic::error(SYNTAX, message).at(first).maybe_hint(hint);
        reports.add(match first_writing(error, source) {
            Some(place) => diagnostic.label(&place, "first written here"),
            None => diagnostic,
        });
        reports.lose_lines(&first.file, first.line..=last_lost_line(source, last.line));
    }
}

/// The parser's words, made to tell what to do.
fn explain(error: &Error, source: &Source) -> (String, Option<String>) {
    let message = error.message();
    let (what, expected) = message.split_once(", expected ").unwrap_or((message, "nothing"));
    let is_end_of_line = error.span().is_some_and(|span| {
        let rest = source.text().get(span.start..).unwrap_or_default();
        rest.is_empty() || rest.starts_with(['\n', '\r'])
    });
    let quotes = || Some("text is written in quotes: `\"…\"`".to_owned());
    match what {
        "duplicate key" => ("this key is written twice".to_owned(), None),
        "string values must be quoted" if is_end_of_line => ("a value is missing".to_owned(), None),
        "string values must be quoted" => ("this is no value".to_owned(), quotes()),
        "invalid float" | "invalid integer" | "invalid datetime" => ("this is no number".to_owned(), quotes()),
        _ if expected == "nothing" => (what.to_owned(), None),
        _ => (what.to_owned(), Some(format!("expected {expected}"))),
    }
}

/// Where a key that is written twice was written first. The parser knows, but does not tell: it is the nearest line above
/// that begins in the same way.
fn first_writing(error: &Error, source: &Source) -> Option<Place> {
    let span = error.span().filter(|_| error.message() == "duplicate key")?;
    let above = source.text().get(..span.start)?;
    let start = above.rfind('\n').map_or(0, |newline| newline + 1);
    let written = source.text().get(start..span.end)?.trim();
    let after = |line: &str| line.trim_start().strip_prefix(written).map(|rest| rest.trim_start().chars().next());
    let is_same = |line: &str| matches!(after(line), Some(Some('=' | ']')));
    let mut next = 0;
    let lines = above.get(..start)?.split_inclusive('\n').map(|line| {
        next += line.len();
        (next - line.len(), line)
    });
    let (first, line) = lines.filter(|(_, line)| is_same(line)).last()?;
    let indent = line.len() - line.trim_start().len();
    Some(source.place(first + indent..first + indent + written.len()))
}

/// Where the header of a table is broken, its keys seem to be another table's, up to the next header.
fn last_lost_line(source: &Source, line: u32) -> u32 {
    let index = usize::try_from(line).unwrap_or(usize::MAX);
    let is_header = |text: &str| text.trim_start().starts_with('[');
    let mut following = source.text().lines().skip(index.saturating_sub(1));
    match following.next() {
        Some(broken) if is_header(broken) => {
            let lost = following.take_while(|text| !is_header(text)).count();
            line.saturating_add(u32::try_from(lost).unwrap_or(u32::MAX))
        }
        _ => line,
    }
}
