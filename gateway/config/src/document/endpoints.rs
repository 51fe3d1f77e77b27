//! A file of endpoints, which something else than people may write: `endpoints = […]`, as in `[upstream.NAME]`.

use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::decode::{Decode as _, Decoder, Node, NonEmpty};
use super::reports::Reports;
use super::section::section;
use super::sections::EndpointEntry;
use crate::Endpoint;
use crate::source::Source;

section! {
    /// A file of endpoints.
    EndpointFile {
        /// Where the service listens: URLs, or tables that give one a weight or a priority.
        "endpoints" => endpoints: NonEmpty<EndpointEntry>, required;
    }
}

/// The endpoints that a file of them lists. A file that was written in part is none: its list has no end.
///
/// # Errors
/// Each thing that is wrong with it, with its place, in a line.
pub fn parse_endpoints(file: &Path, text: &str) -> Result<Vec<Endpoint>, String> {
    let source = Source::new(file.to_owned(), text);
    let mut reports = Reports::default();
    let (table, errors) = DeTable::parse_recoverable(text);
    if let Some(error) = errors.first() {
        let place = source.place(error.span().unwrap_or_default());
        return Err(format!("{}:{}: {}", place.line, place.column, error.message()));
    }
    let root = Node::new(0..text.len().max(1), DeValue::Table(table.into_inner()));
    let decoded = EndpointFile::decode(&root, &mut Decoder::new(&source, &mut reports));
    let problems: Vec<String> = reports
        .finish()
        .iter()
        .map(|problem| match &problem.place {
            Some(place) => format!("{}:{}: {}", place.line, place.column, problem.message),
            None => problem.message.clone(),
        })
        .collect();
    match decoded.and_then(|file| file.endpoints).filter(|_| problems.is_empty()) {
        Some(NonEmpty(entries)) => Ok(entries.into_iter().map(|EndpointEntry(endpoint)| endpoint).collect()),
        None => Err(problems.join("; ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_good_as_a_whole_or_not_at_all() {
        for (text, expected) in [
            ("endpoints = [\"http://a:1\", { url = \"http://b\", weight = 2, priority = 1 }]", Ok(2)),
            ("", Err("`endpoints` is missing")),
            ("endpoints = []", Err("1:13: this list must not be empty")),
            ("endpoints = [\"http://a:1\"", Err("1:26: unclosed array")),
            ("endpoints = [\"http://a:1\", 7]", Err("1:28: expected a URL, found an integer")),
            ("endpoint = [\"http://a:1\"]", Err("1:1: unknown key `endpoint`")),
            ("endpoints = [\"http://a:1/x\"]", Err("1:14: only a host and a port")),
        ] {
            match (parse_endpoints(Path::new("file"), text), expected) {
                (Ok(found), Ok(count)) => assert_eq!(found.len(), count, "{text}"),
                (Err(said), Err(expected)) => assert!(said.contains(expected), "{text}: {said}"),
                (found, _) => panic!("{text}: {found:?}"),
            }
        }
    }
}
