//! A plugin's configuration: any table, made into JSON, with the place of each part and references to secrets.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use toml::de::{DeTable, DeValue};

use super::name::Name;
use crate::document::decode::{Decode, Decoder, Node, Spanned};
use crate::document::definition::Shape;
use crate::{Diagnostic, Place};

/// A table as JSON. Where a secret is to stand, `null` stands for now.
#[derive(Debug, Clone)]
pub(crate) struct JsonConfig {
    /// An object.
    pub(crate) value: Value,
    /// Where each part was written, by JSON pointer.
    pub(crate) places: BTreeMap<String, Place>,
    /// What is to stand where.
    pub(crate) secrets: Vec<SecretReference>,
}

/// `{ secret = "NAME" }`.
#[derive(Debug, Clone)]
pub(crate) struct SecretReference {
    /// JSON pointer to the value that it becomes.
    pub(crate) pointer: String,
    /// The secret's name.
    pub(crate) name: Spanned<Name>,
}

impl Default for JsonConfig {
    fn default() -> Self {
        Self { value: Value::Object(Map::new()), places: BTreeMap::new(), secrets: Vec::new() }
    }
}

impl Decode for JsonConfig {
    fn shape() -> Shape {
        Shape::Anything
    }

    fn decode(node: &Node<'_>, decoder: &mut Decoder<'_>) -> Option<Self> {
        if !node.get_ref().is_table() {
            decoder.wrong_type(node, "a table", None);
            return None;
        }
        let mut config = Self::default();
        config.value = config.convert(node, "", decoder);
        if !config.value.is_object() {
            let diagnostic = Diagnostic::error("invalid-config", "a secret cannot be a plugin's whole configuration");
            decoder.report(node, diagnostic.hint("give it a key: `config = { key = { secret = \"NAME\" } }`"));
            return None;
        }
        Some(config)
    }
}

impl JsonConfig {
    fn convert(&mut self, node: &Node<'_>, pointer: &str, decoder: &mut Decoder<'_>) -> Value {
        self.places.insert(pointer.to_owned(), decoder.place(node.span()));
        match node.get_ref() {
            DeValue::String(text) => Value::String(text.to_string()),
            DeValue::Boolean(value) => Value::Bool(*value),
            DeValue::Datetime(date) => Value::String(date.to_string()),
            DeValue::Integer(integer) => {
                let number = i64::from_str_radix(integer.as_str(), integer.radix());
                self.number(number.ok().map(Value::from), node, decoder)
            }
            DeValue::Float(float) => {
                let number = float.as_str().parse().ok().and_then(serde_json::Number::from_f64);
                self.number(number.map(Value::Number), node, decoder)
            }
            DeValue::Array(items) => {
                let items = items.iter().enumerate();
                items.map(|(index, item)| self.convert(item, &format!("{pointer}/{index}"), decoder)).collect()
            }
            DeValue::Table(table) => match secret_name(table) {
                Some(name) => {
                    let name = Spanned::decode(name, decoder);
                    let pointer = pointer.to_owned();
                    self.secrets.extend(name.map(|name| SecretReference { pointer, name }));
                    Value::Null
                }
                None => self.object(table, pointer, decoder),
            },
        }
    }

    fn number(&self, number: Option<Value>, node: &Node<'_>, decoder: &mut Decoder<'_>) -> Value {
        number.unwrap_or_else(|| {
            let diagnostic = Diagnostic::error("invalid-number", "a plugin cannot be handed this number");
            decoder.report(node, diagnostic.hint("JSON has neither `inf` nor `nan`; integers have 64 bits"));
            Value::Null
        })
    }

    fn object(&mut self, table: &DeTable<'_>, pointer: &str, decoder: &mut Decoder<'_>) -> Value {
        let entry = |(key, value): (&toml::Spanned<toml::de::DeString<'_>>, &Node<'_>)| {
            let escaped = key.get_ref().replace('~', "~0").replace('/', "~1");
            let value = self.convert(value, &format!("{pointer}/{escaped}"), decoder);
            (key.get_ref().to_string(), value)
        };
        Value::Object(table.iter().map(entry).collect())
    }
}

/// The name's node, when a table is a reference to a secret: it has this one key.
fn secret_name<'n, 't>(table: &'n DeTable<'t>) -> Option<&'n Node<'t>> {
    match table.len() {
        1 => table.get("secret"),
        _ => None,
    }
}
