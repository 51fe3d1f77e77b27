//! How a section is described: one description drives the decoder, the JSON Schema and the reference page.

use serde_json::Value;

/// A TOML table with a fixed set of keys.
pub(crate) struct Section {
    /// Its name in the schema and the reference.
    pub(crate) name: &'static str,
    /// What it is.
    pub(crate) doc: String,
    /// In the order of the reference.
    pub(crate) keys: Vec<Key>,
    /// What must hold between keys.
    pub(crate) rules: Vec<Rule>,
}

/// One key of a section.
pub(crate) struct Key {
    /// As it is written.
    pub(crate) name: &'static str,
    /// What it means.
    pub(crate) doc: String,
    /// What happens when it is not written.
    pub(crate) presence: Presence,
    /// What it may be.
    pub(crate) shape: Shape,
}

/// What happens when a key is not written.
pub(crate) enum Presence {
    /// That is an error.
    Required,
    /// That has a meaning of its own, told by the key's doc.
    Optional,
    /// The same as if nothing stood in it: an empty list, a section of defaults.
    Empty,
    /// This value is taken.
    Default(Value),
}

/// What must hold between the keys of a section.
pub(crate) enum Rule {
    /// One of them, and not more.
    ExactlyOne(&'static [&'static str]),
    /// Any two of them contradict each other.
    AtMostOne(&'static [&'static str]),
    /// The first means nothing without one of the others.
    Needs(&'static [&'static str]),
}

/// What a value may be.
#[derive(Clone)]
pub(crate) enum Shape {
    /// A string of a certain form.
    Text(Text),
    /// One of these strings.
    Choice(&'static [&'static str]),
    /// A whole number within bounds.
    Integer {
        /// The least.
        least: i64,
        /// The most.
        most: i64,
    },
    /// One of these numbers.
    Number(&'static [u16]),
    /// `true` or `false`.
    Boolean,
    /// Just `true`.
    True,
    /// Values of one kind.
    List(Box<Shape>),
    /// The same, at least one.
    NonEmpty(Box<Shape>),
    /// A table whose keys are names that the user chooses.
    Named(Box<Shape>),
    /// A table with known keys.
    Section(fn() -> &'static Section),
    /// Any table.
    Anything,
    /// One of several, told apart by their kind.
    Either(Vec<Shape>),
}

/// A string of a certain form.
#[derive(Clone, Copy)]
pub(crate) struct Text {
    /// With its article, for "expected …": "a duration".
    pub(crate) what: &'static str,
    /// One that is valid, where the form is not obvious.
    pub(crate) example: Option<&'static str>,
    /// An ECMA 262 pattern for editors; it may accept more than the decoder does.
    pub(crate) pattern: Option<&'static str>,
}

impl Shape {
    /// With its article, for "expected …, found …".
    pub(crate) fn what(&self) -> String {
        match self {
            Self::Text(text) => text.what.to_owned(),
            Self::Choice(choices) => {
                let quoted: Vec<String> = choices.iter().map(|choice| format!("`\"{choice}\"`")).collect();
                quoted.join(" or ")
            }
            Self::Integer { .. } | Self::Number(_) => "a whole number".to_owned(),
            Self::Boolean => "`true` or `false`".to_owned(),
            Self::True => "`true`".to_owned(),
            Self::List(_) | Self::NonEmpty(_) => "a list".to_owned(),
            Self::Named(_) | Self::Section(_) | Self::Anything => "a table".to_owned(),
            Self::Either(shapes) => {
                let each: Vec<String> = shapes.iter().map(Self::what).collect();
                each.join(" or ")
            }
        }
    }
}

/// Doc comment lines as one text.
pub(crate) fn doc_text(lines: &[&str]) -> String {
    let trimmed: Vec<&str> = lines.iter().map(|line| line.trim()).collect();
    trimmed.join(" ").trim().to_owned()
}
