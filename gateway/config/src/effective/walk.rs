//! Goes through the texts along the descriptions of the sections.

use serde_json::{Map, Value};
use toml::de::{DeTable, DeValue};

use super::Setting;
use crate::document::decode::Node;
use crate::document::definition::{Presence, Section, Shape};
use crate::document::sections::Document;
use crate::source::Source;

/// What a key is called in a plugin's table whose value is a credential.
const CREDENTIALS: [&str; 8] =
    ["password", "passwd", "secret", "token", "credential", "authorization", "api-key", "private"];

#[derive(Default)]
pub(super) struct Walk {
    settings: Vec<Setting>,
    /// Words of the top level that were written in some file.
    written: Vec<&'static str>,
}

/// Where the walk is.
struct At<'a> {
    source: &'a Source,
    path: Vec<String>,
    /// Below a plugin's own configuration, whose meaning only the plugin knows.
    is_foreign: bool,
}

impl At<'_> {
    fn below(&self, word: &str) -> Self {
        let path = self.path.iter().cloned().chain([word.to_owned()]).collect();
        Self { source: self.source, path, is_foreign: self.is_foreign }
    }
}

impl Walk {
    pub(super) fn file(&mut self, source: &Source) {
        let (table, _) = DeTable::parse_recoverable(source.text());
        let at = At { source, path: Vec::new(), is_foreign: false };
        for key in &Document::section().keys {
            if let Some(node) = table.get_ref().get(key.name) {
                self.written.push(key.name);
                self.value(&at.below(key.name), node, &key.shape);
            }
        }
    }

    /// With what holds where a whole section was not written.
    pub(super) fn finish(mut self) -> Vec<Setting> {
        for key in &Document::section().keys {
            if let (false, Shape::Section(section)) = (self.written.contains(&key.name), &key.shape) {
                self.defaults(&[key.name.to_owned()], section());
            }
        }
        self.settings
    }

    fn defaults(&mut self, path: &[String], section: &Section) {
        for key in &section.keys {
            let path: Vec<String> = path.iter().cloned().chain([key.name.to_owned()]).collect();
            match (&key.presence, &key.shape) {
                (Presence::Default(value), _) => {
                    self.settings.push(Setting { path, place: None, value: value.clone(), is_hidden: false });
                }
                (Presence::Empty, Shape::Section(section)) => self.defaults(&path, section()),
                _ => {}
            }
        }
    }

    fn section(&mut self, at: &At<'_>, table: &DeTable<'_>, section: &Section) {
        for key in &section.keys {
            let below = at.below(key.name);
            match (table.get(key.name), &key.presence, &key.shape) {
                (Some(node), ..) => self.value(&below, node, &key.shape),
                (None, Presence::Default(value), _) => {
                    let value = value.clone();
                    self.settings.push(Setting { path: below.path, place: None, value, is_hidden: false });
                }
                (None, Presence::Empty, Shape::Section(section)) => self.defaults(&below.path, section()),
                _ => {}
            }
        }
    }

    fn value(&mut self, at: &At<'_>, node: &Node<'_>, shape: &Shape) {
        match (meant(shape, node), node.get_ref()) {
            (Shape::Section(section), DeValue::Table(table)) => self.section(at, table, section()),
            (Shape::Named(inner), DeValue::Table(table)) => {
                table.iter().for_each(|(name, node)| self.value(&at.below(name.get_ref()), node, inner));
            }
            (Shape::List(inner) | Shape::NonEmpty(inner), DeValue::Array(items))
                if items.iter().any(|item| item.get_ref().is_table()) =>
            {
                for (position, item) in items.iter().enumerate() {
                    self.value(&at.below(&named(item, position)), item, inner);
                }
            }
            (Shape::Anything, _) => {
                let at = At { source: at.source, path: at.path.clone(), is_foreign: true };
                self.foreign(&at, node);
            }
            _ => self.leaf(at, node),
        }
    }

    fn foreign(&mut self, at: &At<'_>, node: &Node<'_>) {
        match node.get_ref() {
            DeValue::Table(table) if !is_reference(table) && !table.is_empty() => {
                table.iter().for_each(|(name, node)| self.foreign(&at.below(name.get_ref()), node));
            }
            DeValue::Array(items) if items.iter().any(|item| item.get_ref().is_table()) => {
                let items = items.iter().enumerate();
                items.for_each(|(position, item)| self.foreign(&at.below(&named(item, position)), item));
            }
            _ => self.leaf(at, node),
        }
    }

    fn leaf(&mut self, at: &At<'_>, node: &Node<'_>) {
        let is_credential =
            |word: &String| CREDENTIALS.iter().any(|part| word.to_ascii_lowercase().replace('_', "-").contains(part));
        let is_named = node.get_ref().as_table().is_some_and(is_reference);
        // The words above count too: `passwords.alice` is one.
        let own = at.path.iter().skip_while(|word| *word != "config").skip(1);
        self.settings.push(Setting {
            is_hidden: at.is_foreign && !is_named && own.clone().any(is_credential),
            value: json(node),
            place: Some(at.source.place(node.span())),
            path: at.path.clone(),
        });
    }
}

/// Of several shapes the one that a value has.
fn meant<'s>(shape: &'s Shape, node: &Node<'_>) -> &'s Shape {
    let Shape::Either(shapes) = shape else { return shape };
    let fits = |shape: &&Shape| match (shape, node.get_ref()) {
        (Shape::Section(section), DeValue::Table(table)) => {
            table.keys().all(|word| section().keys.iter().any(|key| key.name == word.get_ref()))
        }
        (Shape::Named(_) | Shape::Anything, DeValue::Table(_)) => true,
        (Shape::List(_) | Shape::NonEmpty(_), DeValue::Array(_)) => true,
        _ => false,
    };
    shapes.iter().find(fits).unwrap_or(shape)
}

/// `{ secret = "NAME" }`, which names a secret and is none.
fn is_reference(table: &DeTable<'_>) -> bool {
    table.len() == 1 && table.get("secret").is_some_and(|name| name.get_ref().is_str())
}

fn named(item: &Node<'_>, position: usize) -> String {
    let name = item.get_ref().as_table().and_then(|table| table.get("name"));
    name.and_then(|name| name.get_ref().as_str()).map_or_else(|| position.to_string(), str::to_owned)
}

fn json(node: &Node<'_>) -> Value {
    match node.get_ref() {
        DeValue::String(text) => Value::from(text.to_string()),
        DeValue::Boolean(value) => Value::from(*value),
        DeValue::Datetime(date) => Value::from(date.to_string()),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).map_or(Value::Null, Value::from)
        }
        DeValue::Float(number) => number.as_str().parse::<f64>().map_or(Value::Null, Value::from),
        DeValue::Array(items) => items.iter().map(json).collect(),
        DeValue::Table(table) => {
            let fields = table.iter().map(|(name, node)| (name.get_ref().to_string(), json(node)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
    }
}
