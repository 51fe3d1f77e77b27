//! Keeping some fields of a value.

use serde_json::{Map, Value};

/// The value with the fields at these paths and no others; of a list, each element so.
pub(crate) fn pick(value: &Value, paths: &[Vec<String>]) -> Value {
    match value {
        Value::Array(elements) => elements.iter().map(|element| pick(element, paths)).collect(),
        Value::Object(fields) => {
            let mut kept = Map::new();
            for path in paths {
                keep(fields, path, &mut kept);
            }
            Value::Object(kept)
        }
        other => other.clone(),
    }
}

/// Copies the field at this path; what is absent is left out.
fn keep(fields: &Map<String, Value>, path: &[String], kept: &mut Map<String, Value>) {
    let Some((name, rest)) = path.split_first() else { return };
    let Some(value) = fields.get(name) else { return };
    if rest.is_empty() {
        kept.insert(name.clone(), value.clone());
        return;
    }
    match value {
        Value::Object(inner) => {
            let below = kept.entry(name.clone()).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(below) = below {
                keep(inner, rest, below);
            }
        }
        Value::Array(_) => {
            kept.insert(name.clone(), pick(value, &[rest.to_vec()]));
        }
        _ => {}
    }
}
