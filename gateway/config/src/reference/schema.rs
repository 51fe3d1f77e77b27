//! A JSON Schema of configuration files, by which editors complete and check them.

use serde_json::{Map, Value, json};

use crate::document::definition::{Key, Presence, Rule, Section, Shape};
use crate::document::sections::Document;

/// The schema (draft 2020-12).
#[must_use]
pub fn schema() -> Value {
    let definitions = super::sections().into_iter().map(|section| (section.name.to_owned(), object(section)));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of the gateway",
        "$ref": reference(Document::section()),
        "$defs": definitions.collect::<Map<_, _>>(),
    })
}

fn reference(section: &Section) -> String {
    format!("#/$defs/{}", section.name)
}

fn object(section: &Section) -> Value {
    let is_required = |key: &&Key| matches!(key.presence, Presence::Required);
    let required: Vec<&str> = section.keys.iter().filter(is_required).map(|key| key.name).collect();
    let properties = section.keys.iter().map(|key| (key.name.to_owned(), property(key)));
    let rules: Vec<Value> = section.rules.iter().map(rule).collect();
    let object = json!({
        "description": section.doc,
        "type": "object",
        "properties": properties.collect::<Map<_, _>>(),
        "required": required,
        "additionalProperties": false,
    });
    match rules.is_empty() {
        true => object,
        // `allOf` of nothing is not a valid schema.
        false => with(object, "allOf", Value::Array(rules)),
    }
}

fn property(key: &Key) -> Value {
    let property = with(value(&key.shape), "description", json!(key.doc));
    match &key.presence {
        Presence::Default(default) => with(property, "default", default.clone()),
        Presence::Required | Presence::Optional | Presence::Empty => property,
    }
}

/// The schema with one more keyword.
fn with(mut schema: Value, keyword: &str, value: Value) -> Value {
    if let Value::Object(object) = &mut schema {
        object.insert(keyword.to_owned(), value);
    }
    schema
}

fn value(shape: &Shape) -> Value {
    match shape {
        Shape::Text(text) => {
            let schema = json!({ "type": "string" });
            let schema = match text.example {
                Some(example) => with(schema, "examples", json!([example])),
                None => schema,
            };
            match text.pattern {
                Some(pattern) => with(schema, "pattern", json!(pattern)),
                None => schema,
            }
        }
        Shape::Choice(words) => json!({ "enum": words }),
        Shape::Integer { least, most } => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Shape::Number(numbers) => json!({ "enum": numbers }),
        Shape::Boolean => json!({ "type": "boolean" }),
        Shape::True => json!({ "const": true }),
        Shape::List(element) => json!({ "type": "array", "items": value(element) }),
        Shape::NonEmpty(element) => json!({ "type": "array", "items": value(element), "minItems": 1 }),
        Shape::Named(element) => json!({ "type": "object", "additionalProperties": value(element) }),
        Shape::Section(section) => json!({ "$ref": reference(section()) }),
        Shape::Anything => json!({ "type": "object" }),
        Shape::Either(shapes) => json!({ "anyOf": shapes.iter().map(value).collect::<Vec<_>>() }),
    }
}

fn rule(rule: &Rule) -> Value {
    let required = |names: &[&str]| json!({ "required": names });
    match rule {
        Rule::ExactlyOne(names) => json!({ "oneOf": names.iter().map(|name| required(&[name])).collect::<Vec<_>>() }),
        Rule::AtMostOne(names) => {
            let others = |position: usize| names.iter().skip(position + 1);
            let pairs =
                names.iter().enumerate().flat_map(|(position, one)| others(position).map(move |other| [*one, *other]));
            json!({ "not": { "anyOf": pairs.map(|pair| required(&pair)).collect::<Vec<_>>() } })
        }
        Rule::Needs(names) => match names {
            [name, needed] => json!({ "dependentRequired": { *name: [needed] } }),
            [name, needed @ ..] => {
                let needed: Vec<_> = needed.iter().map(|name| required(&[name])).collect();
                json!({ "dependentSchemas": { *name: { "anyOf": needed } } })
            }
            [] => json!(true),
        },
    }
}
