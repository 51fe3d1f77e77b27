//! A plugin's configuration against the JSON Schema in its manifest.

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

/// Something in a configuration that the schema does not allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where it stands, as a JSON Pointer (RFC 6901); empty for the whole.
    pub pointer: String,
    /// What is wrong, without the value: it may be a secret.
    pub message: String,
}

/// A validator of a schema; the error says why it is none.
fn validator(schema: &Value) -> Result<Validator, String> {
    jsonschema::options()
        // The linear engine: a pattern in a manifest is a stranger's.
        .with_pattern_options(PatternOptions::regex())
        .build(schema)
        .map_err(|error| error.masked().to_string())
}

/// Whether it is a schema at all.
pub(crate) fn check(schema: &Value) -> Result<(), String> {
    validator(schema).map(drop)
}

/// Everything in `configuration` that the schema does not allow.
pub(crate) fn problems(schema: &Value, configuration: &Value) -> Vec<Problem> {
    match validator(schema) {
        Ok(validator) => validator
            .iter_errors(configuration)
            .map(|error| Problem { pointer: error.instance_path().to_string(), message: error.masked().to_string() })
            .collect(),
        Err(reason) => {
            vec![Problem { pointer: String::new(), message: format!("the plugin's schema is none: {reason}") }]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_problem_has_its_place_and_no_value() {
        let schema = json!({
            "type": "object",
            "properties": { "header": { "type": "string" }, "keys": { "type": "array", "items": { "type": "string", "minLength": 8 } } },
            "required": ["header"],
            "additionalProperties": false,
        });
        assert_eq!(problems(&schema, &json!({ "header": "x" })), []);
        let found = problems(&schema, &json!({ "keys": ["hunter2"], "header": 1, "kyes": 1 }));
        let pointers: Vec<_> = found.iter().map(|problem| &*problem.pointer).collect();
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(pointers.contains(&"/keys/0") && pointers.contains(&"/header") && pointers.contains(&""), "{found:?}");
        assert!(found.iter().all(|problem| !problem.message.contains("hunter2")), "{found:?}");
    }

    #[test]
    fn a_schema_is_not_fetched_and_not_taken_on_trust() {
        assert!(check(&json!({ "type": "nothing" })).is_err());
        assert!(check(&json!({ "$ref": "http://127.0.0.1:1/schema" })).is_err());
        assert!(check(&json!({ "type": "string", "pattern": "(a)\\1" })).is_err());
    }
}
