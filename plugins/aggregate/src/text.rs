//! Text and values with `{…}` in them: what the route's path captured, what another part's answer holds, an element of a list.

use plugin_sdk::{exchange, path};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The answers of parts so far.
pub(crate) type Answers = BTreeMap<String, Value>;

/// What stands between braces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reference {
    /// `{id}`: what the route's path captured.
    Param(String),
    /// `{each}`, `{each.sku}`: of the element that a call is made for.
    Item(Vec<String>),
    /// `{order}`, `{order.customer.id}`: of the answer of a part.
    Part(String, Vec<String>),
}

impl Reference {
    /// `parts` are the names of all parts: one of them without a dot is the part, not a capture.
    pub(crate) fn parse(text: &str, parts: &[&str]) -> Result<Self, String> {
        let (first, rest) = text.split_once('.').map_or((text, None), |(first, rest)| (first, Some(rest)));
        let path: Vec<String> = rest.into_iter().flat_map(|rest| rest.split('.')).map(str::to_owned).collect();
        if first.is_empty() || path.iter().any(String::is_empty) {
            return Err(format!("`{{{text}}}` stands for nothing"));
        }
        if first == "each" {
            return Ok(Self::Item(path));
        }
        if parts.contains(&first) {
            return Ok(Self::Part(first.to_owned(), path));
        }
        match path.is_empty() {
            true => Ok(Self::Param(first.to_owned())),
            false => Err(format!("`{{{text}}}` stands for nothing: there is no part `{first}`")),
        }
    }

    /// The value; none where there is nothing.
    fn value(&self, answers: &Answers, item: Option<&Value>) -> Option<Value> {
        match self {
            Self::Param(name) => exchange::param(name).map(Value::String),
            Self::Item(path) => at(item?, path).cloned(),
            Self::Part(name, path) => at(answers.get(name)?, path).cloned(),
        }
    }
}

/// The value at a path; a number is a place in a list.
pub(crate) fn at<'v>(value: &'v Value, path: &[String]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, name| match value {
        Value::Array(elements) => elements.get(name.parse::<usize>().ok()?),
        other => other.get(name),
    })
}

/// Text with references in it. `{{` is a plain `{`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Plain(String),
    Reference(Reference),
}

impl Text {
    pub(crate) fn parse(text: &str, parts: &[&str]) -> Result<Self, String> {
        let (mut pieces, mut plain, mut rest) = (Vec::new(), String::new(), text);
        while let Some((before, after)) = rest.split_once('{') {
            plain.push_str(before);
            if let Some(after) = after.strip_prefix('{') {
                plain.push('{');
                rest = after;
                continue;
            }
            let (name, after) = after.split_once('}').ok_or_else(|| format!("`{text}` has a `{{` without `}}`"))?;
            pieces.push(Piece::Plain(std::mem::take(&mut plain)));
            pieces.push(Piece::Reference(Reference::parse(name, parts)?));
            rest = after;
        }
        plain.push_str(rest);
        pieces.push(Piece::Plain(plain));
        pieces.retain(|piece| !matches!(piece, Piece::Plain(text) if text.is_empty()));
        Ok(Self(pieces))
    }

    pub(crate) fn references(&self) -> impl Iterator<Item = &Reference> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Reference(reference) => Some(reference),
            Piece::Plain(_) => None,
        })
    }

    /// The text as a URL: what is filled in stays in its segment or parameter. Fails with what there is nothing for.
    pub(crate) fn url(&self, answers: &Answers, item: Option<&Value>) -> Result<String, String> {
        let mut url = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Plain(text) => url.push_str(text),
                Piece::Reference(reference) => {
                    let value = reference.value(answers, item).and_then(scalar).filter(|value| !value.is_empty());
                    let value = value.ok_or_else(|| format!("there is no text for {reference:?} in its URL"))?;
                    url.push_str(&path::segment(&value));
                }
            }
        }
        // No encoding keeps that from being another path.
        let path = url.split(['?', '#']).next().unwrap_or_default();
        if path.split('/').any(|segment| matches!(segment, "." | "..")) {
            return Err("a segment of its URL would be `.` or `..`".to_owned());
        }
        Ok(url)
    }

    /// A value where the text is nothing but one reference, else a text; absent things are null, and nothing in a text.
    fn value(&self, answers: &Answers, item: Option<&Value>) -> Value {
        if let [Piece::Reference(reference)] = self.0.as_slice() {
            return reference.value(answers, item).unwrap_or_default();
        }
        let filled = self.0.iter().map(|piece| match piece {
            Piece::Plain(text) => text.clone(),
            Piece::Reference(reference) => reference.value(answers, item).map(text_of).unwrap_or_default(),
        });
        Value::String(filled.collect())
    }
}

/// A value in which every text may have references.
#[derive(Debug, Clone)]
pub(crate) enum Pattern {
    Text(Text),
    List(Vec<Pattern>),
    Table(Vec<(String, Pattern)>),
    Other(Value),
}

impl Pattern {
    pub(crate) fn parse(value: &Value, parts: &[&str]) -> Result<Self, String> {
        Ok(match value {
            Value::String(text) => Self::Text(Text::parse(text, parts)?),
            Value::Array(elements) => {
                Self::List(elements.iter().map(|element| Self::parse(element, parts)).collect::<Result<_, _>>()?)
            }
            Value::Object(fields) => {
                let fields = fields.iter().map(|(name, value)| Ok((name.clone(), Self::parse(value, parts)?)));
                Self::Table(fields.collect::<Result<_, String>>()?)
            }
            other => Self::Other(other.clone()),
        })
    }

    pub(crate) fn references(&self) -> Vec<&Reference> {
        match self {
            Self::Text(text) => text.references().collect(),
            Self::List(elements) => elements.iter().flat_map(Self::references).collect(),
            Self::Table(fields) => fields.iter().flat_map(|(_, value)| value.references()).collect(),
            Self::Other(_) => Vec::new(),
        }
    }

    pub(crate) fn fill(&self, answers: &Answers, item: Option<&Value>) -> Value {
        match self {
            Self::Text(text) => text.value(answers, item),
            Self::List(elements) => elements.iter().map(|element| element.fill(answers, item)).collect(),
            Self::Table(fields) => {
                let fields = fields.iter().map(|(name, value)| (name.clone(), value.fill(answers, item)));
                Value::Object(fields.collect::<Map<_, _>>())
            }
            Self::Other(value) => value.clone(),
        }
    }
}

/// A text, number or truth value as text.
fn scalar(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

fn text_of(value: Value) -> String {
    match value {
        Value::String(text) => text,
        Value::Null => String::new(),
        other => other.to_string(),
    }
}
