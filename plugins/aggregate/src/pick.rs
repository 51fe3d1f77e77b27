//! Keeping some fields of a value.

use serde_json::{Map, Value};

/// The value with the fields at these paths and no others; of a list, each element so. What is absent is left out.
pub(crate) fn pick<P: AsRef<[String]>>(value: &Value, paths: &[P]) -> Value {
    match value {
        Value::Array(elements) => elements.iter().map(|element| pick(element, paths)).collect(),
        Value::Object(fields) => {
            let kept = fields.iter().filter_map(|(name, value)| Some((name.clone(), keep(name, value, paths)?)));
            Value::Object(kept.collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
}

/// What the paths that begin with this name keep of its value.
fn keep<P: AsRef<[String]>>(name: &str, value: &Value, paths: &[P]) -> Option<Value> {
    let through = paths.iter().filter_map(|path| path.as_ref().split_first());
    let rests: Vec<&[String]> = through.filter(|(first, _)| *first == name).map(|(_, rest)| rest).collect();
    if rests.iter().any(|rest| rest.is_empty()) {
        return Some(value.clone());
    }
    let goes_on = !rests.is_empty() && (value.is_object() || value.is_array());
    goes_on.then(|| pick(value, &rests))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn several_fields_of_a_lists_elements_are_kept() {
        let paths: Vec<Vec<String>> =
            ["items.name", "items.price"].iter().map(|path| path.split('.').map(str::to_owned).collect()).collect();
        let value = json!({ "items": [{ "id": 1, "name": "cup", "price": 6 }, { "name": "pot" }], "more": 1 });
        assert_eq!(pick(&value, &paths), json!({ "items": [{ "name": "cup", "price": 6 }, { "name": "pot" }] }));
    }
}
