//! The decoder: from TOML nodes to the sections' structs, collecting every problem on the way.

use std::ops::Range;

use serde_json::json;
use toml::Spanned as TomlSpanned;
use toml::de::{DeString, DeTable, DeValue};

use super::definition::{Presence, Rule, Section, Shape};
use super::reports::Reports;
use crate::source::Source;
use crate::suggest::nearest;
use crate::{Diagnostic, Place};

/// A TOML value and its place.
pub(crate) type Node<'a> = TomlSpanned<DeValue<'a>>;

/// A value that is read from a TOML node.
pub(crate) trait Decode: Sized {
    /// What it may be.
    fn shape() -> Shape;

    /// Reads it. `None` when it is wrong, which has been reported then.
    fn decode(node: &Node<'_>, decoder: &mut Decoder<'_>) -> Option<Self>;
}

/// A value together with the place where it was written.
#[derive(Debug, Clone)]
pub(crate) struct Spanned<T> {
    /// What was written.
    pub(crate) value: T,
    /// Where.
    pub(crate) place: Place,
}

impl<T: Decode> Decode for Spanned<T> {
    fn shape() -> Shape {
        T::shape()
    }

    fn decode(node: &Node<'_>, decoder: &mut Decoder<'_>) -> Option<Self> {
        let place = decoder.place(node.span());
        T::decode(node, decoder).map(|value| Self { value, place })
    }
}

/// A value, and whether a part of it was wrong: then nothing can be concluded from what it lacks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Checked<T> {
    /// What could be read.
    pub(crate) value: T,
    /// A problem with a part of it was reported.
    pub(crate) is_broken: bool,
}

impl<T: Decode> Decode for Checked<T> {
    fn shape() -> Shape {
        T::shape()
    }

    fn decode(node: &Node<'_>, decoder: &mut Decoder<'_>) -> Option<Self> {
        let before = decoder.reports.count();
        let value = T::decode(node, decoder)?;
        let is_broken = decoder.reports.count() > before;
        Some(Self { value, is_broken })
    }
}

/// Reads the nodes of one file.
pub(crate) struct Decoder<'a> {
    source: &'a Source,
    reports: &'a mut Reports,
}

impl<'a> Decoder<'a> {
    /// A decoder of this file.
    pub(crate) fn new(source: &'a Source, reports: &'a mut Reports) -> Self {
        Self { source, reports }
    }

    /// The place of a byte range in this file.
    pub(crate) fn place(&self, span: Range<usize>) -> Place {
        self.source.place(span)
    }

    /// Reports a problem with a node.
    pub(crate) fn report(&mut self, node: &Node<'_>, diagnostic: Diagnostic) {
        // The parser stands an empty range in for a value that it could not read, and has said so.
        if !node.span().is_empty() {
            let place = self.place(node.span());
            self.reports.add(diagnostic.at(&place));
        }
    }

    /// Reports that a node is of the wrong kind.
    pub(crate) fn wrong_type(&mut self, node: &Node<'_>, expected: &str, hint: Option<String>) {
        let message = format!("expected {expected}, found {}", kind(node.get_ref()));
        self.report(node, Diagnostic::error("wrong-type", message).maybe_hint(hint));
    }

    /// Takes note that a table or a list of tables stands where it cannot be understood.
    fn lose_sections(&mut self, node: &Node<'_>) {
        if matches!(node.get_ref(), DeValue::Table(_) | DeValue::Array(_)) {
            self.reports.lose_sections();
        }
    }

    /// The node as a table whose keys are all known and keep the section's rules.
    pub(crate) fn section<'n, 't>(&mut self, node: &'n Node<'t>, section: &Section) -> Option<&'n DeTable<'t>> {
        let Some(table) = node.get_ref().as_table() else {
            self.wrong_type(node, "a table", None);
            return None;
        };
        let misspelt = self.unknown_keys(table, section);
        for key in &section.keys {
            let is_missing = matches!(key.presence, Presence::Required) && !table.contains_key(key.name);
            if is_missing && !misspelt.contains(&Some(key.name)) {
                let message = format!("`{}` is missing", key.name);
                self.absent(node, Diagnostic::error("missing-key", message).hint(format!("{}: {}", key.name, key.doc)));
            }
        }
        for rule in &section.rules {
            match rule {
                Rule::Needs(names) => {
                    if let Some((name, needed)) = names.split_first()
                        && let Some((key, _)) = table.get_key_value(*name)
                        && !needed.iter().any(|name| table.contains_key(*name))
                    {
                        let place = self.place(key.span());
                        let message = format!("`{name}` means nothing without `{}`", needed.join("` or `"));
                        self.reports.add_absent(Diagnostic::error("missing-key", message).at(&place));
                    }
                }
                Rule::AtMostOne(names) => self.at_most_one(table, names),
                Rule::ExactlyOne(names) => {
                    self.at_most_one(table, names);
                    if misspelt.is_empty() && !names.iter().any(|name| table.contains_key(*name)) {
                        let message = format!("one of {} is missing", quoted(names));
                        self.absent(node, Diagnostic::error("missing-key", message));
                    }
                }
            }
        }
        Some(table)
    }

    /// The value of a key, if it is there and right.
    pub(crate) fn value<T: Decode>(&mut self, table: &DeTable<'_>, key: &str) -> Option<T> {
        T::decode(table.get(key)?, self)
    }

    /// Reports the keys that the section does not know; gives, for each, what it was probably meant to be.
    fn unknown_keys(&mut self, table: &DeTable<'_>, section: &Section) -> Vec<Option<&'static str>> {
        let known = || section.keys.iter().map(|key| key.name);
        let unknown = table.keys().filter(|key| !known().any(|name| name == key.get_ref()));
        let unknown: Vec<&TomlSpanned<DeString<'_>>> = unknown.collect();
        unknown
            .into_iter()
            .map(|key| {
                let meant = nearest(key.get_ref(), known());
                let hint = match meant {
                    Some(name) => format!("did you mean `{name}`?"),
                    None => format!("known here: {}", known().collect::<Vec<_>>().join(", ")),
                };
                let message = format!("unknown key `{}`", key.get_ref());
                let place = self.place(key.span());
                self.reports.add(Diagnostic::error("unknown-key", message).at(&place).hint(hint));
                meant
            })
            .collect()
    }

    fn at_most_one(&mut self, table: &DeTable<'_>, names: &[&'static str]) {
        let written = table.keys().filter(|key| names.contains(&key.get_ref().as_ref()));
        let written: Vec<_> = written.collect();
        if let [first, second, ..] = written.as_slice() {
            let message = format!("`{}` and `{}` exclude each other", first.get_ref(), second.get_ref());
            let (first, second) = (self.place(first.span()), self.place(second.span()));
            let diagnostic = Diagnostic::error("conflicting-keys", message).at(&second).label(&first, "the other one");
            self.reports.add(diagnostic.hint(format!("keep one of {}", quoted(names))));
        }
    }

    fn absent(&mut self, node: &Node<'_>, diagnostic: Diagnostic) {
        let place = self.place(node.span());
        self.reports.add_absent(diagnostic.at(&place));
    }
}

/// `a`, `b`.
fn quoted(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

/// What a value is, with its article.
fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

impl Decode for bool {
    fn shape() -> Shape {
        Shape::Boolean
    }

    fn decode(node: &Node<'_>, decoder: &mut Decoder<'_>) -> Option<Self> {
        let value = node.get_ref().as_bool();
        if value.is_none() {
            decoder.wrong_type(node, "`true` or `false`", None);
        }
        value
    }
}

/// A list that has at least one element, unless it was not written or was wrong.
#[derive(Debug, Clone)]
pub(crate) struct NonEmpty<T>(pub(crate) Vec<T>);

impl<T> Default for NonEmpty<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Decode> Decode for NonEmpty<T> {
    fn shape() -> Shape {
        Shape::NonEmpty(Box::new(T::shape()))
    }

    fn decode(node: &Node<'_>, decoder: &mut Decoder<'_>) -> Option<Self> {
        if node.get_ref().as_array().is_some_and(|items| items.is_empty()) {
            decoder.report(node, Diagnostic::error("empty-list", "this list must not be empty"));
            return None;
        }
        Decode::decode(node, decoder).map(Self)
    }
}

impl<T: Decode> Decode for Vec<T> {
    fn shape() -> Shape {
        Shape::List(Box::new(T::shape()))
    }

    fn decode(node: &Node<'_>, decoder: &mut Decoder<'_>) -> Option<Self> {
        let Some(items) = node.get_ref().as_array() else {
            decoder.wrong_type(node, "a list", list_hint(node, &T::shape()));
            decoder.lose_sections(node);
            return None;
        };
        Some(items.iter().filter_map(|item| T::decode(item, decoder)).collect())
    }
}

/// How to make a list of what was written instead.
fn list_hint(node: &Node<'_>, element: &Shape) -> Option<String> {
    match (node.get_ref(), element) {
        (DeValue::Table(_), Shape::Section(section)) => {
            Some(format!("write `[[{}]]`, one for each", section().name.to_lowercase()))
        }
        (DeValue::String(text), Shape::Text(_) | Shape::Choice(_) | Shape::Either(_)) => {
            Some(format!("write `[{}]`", json!(text)))
        }
        _ => None,
    }
}

/// A table whose keys the user chooses, in the order written. An entry that is wrong keeps its name, so that those who
/// refer to it are not told that it does not exist.
#[derive(Debug, Clone)]
pub(crate) struct Named<K, T>(pub(crate) Vec<(Spanned<K>, Option<T>)>);

impl<K, T> Default for Named<K, T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: super::value::Scalar, T: Decode> Decode for Named<K, T> {
    fn shape() -> Shape {
        Shape::Named(Box::new(T::shape()))
    }

    fn decode(node: &Node<'_>, decoder: &mut Decoder<'_>) -> Option<Self> {
        let Some(table) = node.get_ref().as_table() else {
            let is_list = node.get_ref().is_array();
            let hint = is_list.then(|| "give each a name: `[section.NAME]` instead of `[[section]]`".to_owned());
            decoder.wrong_type(node, "a table", hint);
            decoder.lose_sections(node);
            return None;
        };
        let mut entries = Vec::new();
        for (key, value) in table {
            let key_node = Node::new(key.span(), DeValue::String(key.get_ref().clone()));
            let name = Spanned::<K>::decode(&key_node, decoder);
            let value = T::decode(value, decoder);
            entries.extend(name.map(|name| (name, value)));
        }
        Some(Self(entries))
    }
}
