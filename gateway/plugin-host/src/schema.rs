//! A plugin's configuration against the JSON Schema in its manifest.

use crate::reach::{self, Reach};
use jsonschema::error::ValidationErrorKind;
use jsonschema::{PatternOptions, ValidationError, Validator};
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
fn validator(schema: &Value, reach: Reach) -> Result<Validator, String> {
    jsonschema::options()
        .with_keyword(reach::KEYWORD, move |_, said, _| reach.keyword(said))
        // The linear engine: a pattern in a manifest is a stranger's.
        .with_pattern_options(PatternOptions::regex())
        .build(schema)
        .map_err(|error| error.masked().to_string())
}

/// Whether it is a schema at all, and one that is checked in bounded time.
pub(crate) fn check(schema: &Value) -> Result<(), String> {
    Walk { root: schema, followed: Vec::new(), left: WEIGHT }.over(schema)?;
    validator(schema, Reach::default()).map(drop)
}

/// Parts of a schema, references followed. Two references on each of thirty levels are a thousand million.
const WEIGHT: usize = 10_000;

/// References that lead from one to the next.
const CHAIN: usize = 64;

/// Keys and reasons that are told of one problem.
const SHOWN: usize = 20;

/// What stands apart until a reference leads there.
const APART: [&str; 2] = ["$defs", "definitions"];

/// A way through all of a schema, as the validator goes it.
struct Walk<'a> {
    root: &'a Value,
    followed: Vec<&'a str>,
    left: usize,
}

impl<'a> Walk<'a> {
    fn over(&mut self, part: &'a Value) -> Result<(), String> {
        self.left =
            self.left.checked_sub(1).ok_or_else(|| format!("with its references it has over {WEIGHT} parts"))?;
        match part {
            Value::Array(parts) => parts.iter().try_for_each(|part| self.over(part)),
            Value::Object(parts) => {
                parts.iter().filter(|(key, _)| !APART.contains(&key.as_str())).try_for_each(|(key, part)| {
                    match (key.as_str(), part) {
                        ("$ref", Value::String(reference)) => self.follow(reference),
                        ("$dynamicRef" | "$recursiveRef", Value::String(_)) => Err(format!("`{key}` is not supported")),
                        ("$id" | "id", Value::String(_))
                            if !self.root.get(key).is_some_and(|id| std::ptr::eq(id, part)) =>
                        {
                            Err(format!("`{key}` stands only at its root"))
                        }
                        _ => self.over(part),
                    }
                })
            }
            _ => Ok(()),
        }
    }

    fn follow(&mut self, reference: &'a str) -> Result<(), String> {
        // Recursion ends with the configuration that it describes.
        if self.followed.contains(&reference) {
            return Ok(());
        }
        let pointer = reference.strip_prefix('#').filter(|pointer| pointer.is_empty() || pointer.starts_with('/'));
        let part = pointer.and_then(|pointer| self.root.pointer(pointer));
        let part = part.ok_or("a `$ref` leads to no part of it; `#/$defs/NAME` does")?;
        if self.followed.len() == CHAIN {
            return Err(format!("over {CHAIN} references lead from one to the next"));
        }
        self.followed.push(reference);
        let done = self.over(part);
        self.followed.pop();
        done
    }
}

/// Everything in `configuration` that the schema does not allow, and every service in it that is out of reach.
pub(crate) fn problems(schema: &Value, configuration: &Value, reach: Reach) -> Vec<Problem> {
    match validator(schema, reach) {
        Ok(validator) => validator.iter_errors(configuration).flat_map(|error| each(schema, &error)).collect(),
        Err(reason) => {
            vec![Problem { pointer: String::new(), message: format!("the plugin's schema is none: {reason}") }]
        }
    }
}

/// The problems of an error: each key that is unknown stands at its own place.
fn each(schema: &Value, error: &ValidationError<'_>) -> Vec<Problem> {
    let place = error.instance_path().to_string();
    let ValidationErrorKind::AdditionalProperties { unexpected } = error.kind() else {
        return vec![Problem { pointer: place, message: told(error) }];
    };
    let message = match known(schema, error.schema_path().as_str()) {
        Some(known) => format!("there is no such key; there are {known}"),
        None => "there is no such key".to_owned(),
    };
    let pointer = |key: &String| format!("{place}/{}", key.replace('~', "~0").replace('/', "~1"));
    unexpected.iter().map(|key| Problem { pointer: pointer(key), message: message.clone() }).collect()
}

/// The keys that stand beside a keyword.
fn known(schema: &Value, keyword: &str) -> Option<String> {
    let (beside, _) = keyword.rsplit_once('/')?;
    let properties = schema.pointer(beside)?.get("properties")?.as_object()?;
    let names: Vec<_> = properties.keys().take(SHOWN).map(|name| format!("`{}`", name.escape_debug())).collect();
    let more = if properties.len() > SHOWN { ", …" } else { "" };
    (!names.is_empty()).then(|| format!("{}{more}", names.join(", ")))
}

/// What is wrong; where nothing of several fits, why none does.
fn told(error: &ValidationError<'_>) -> String {
    let (ValidationErrorKind::OneOfNotValid { context } | ValidationErrorKind::AnyOf { context }) = error.kind() else {
        return error.masked().to_string();
    };
    // Not further down: a stranger's schema may branch in every branch.
    let reasons = context.iter().filter_map(|errors| errors.first()).map(|error| error.masked().to_string());
    let mut told: Vec<String> = Vec::new();
    for reason in reasons {
        if told.last() == Some(&reason) {
            continue;
        }
        if told.len() == SHOWN {
            told.push("…".to_owned());
            break;
        }
        told.push(reason);
    }
    told.join(", or ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn problems(schema: &Value, configuration: &Value) -> Vec<Problem> {
        super::problems(schema, configuration, Reach::default())
    }

    #[test]
    fn where_nothing_fits_it_is_told_what_would() {
        let schema = json!({ "properties": { "missing": { "oneOf": [
            { "enum": ["null", "omit"] },
            { "type": "object" },
        ] } } });
        let [problem] = problems(&schema, &json!({ "missing": "skip" })).try_into().unwrap();
        assert_eq!(problem.message, "value is not one of \"null\" or \"omit\", or value is not of type \"object\"");
        let many: Vec<Value> =
            (0..SHOWN + 1).flat_map(|number| [json!({ "const": number }), json!({ "const": number })]).collect();
        let [problem] = problems(&json!({ "anyOf": many }), &json!("none")).try_into().unwrap();
        assert_eq!(problem.message.matches(", or ").count(), SHOWN, "{}", problem.message);
        assert!(
            problem.message.contains(&format!("{}", SHOWN - 1)) && problem.message.ends_with(", or …"),
            "{}",
            problem.message
        );
    }

    #[test]
    fn a_service_is_one_where_the_schema_says_so() {
        let service = |said: Value| json!({ "properties": { "url": { "x-service": said } } });
        let configuration = json!({ "url": "upstream://nowhere" });
        assert_eq!(problems(&service(json!(true)), &configuration).len(), 1);
        assert_eq!(problems(&service(json!(false)), &configuration), []);
        let refused = check(&service(json!("yes"))).unwrap_err();
        assert!(refused.contains("`x-service` is neither true nor false"), "{refused}");
    }

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
        assert!(
            pointers.contains(&"/keys/0") && pointers.contains(&"/header") && pointers.contains(&"/kyes"),
            "{found:?}"
        );
        assert!(found.iter().all(|problem| !problem.message.contains("hunter2")), "{found:?}");
        let unknown = found.iter().find(|problem| problem.pointer == "/kyes").unwrap();
        assert_eq!(unknown.message, "there is no such key; there are `header`, `keys`");
    }

    #[test]
    fn w12_a_schema_is_checked_in_bounded_time() {
        // Each level refers to the next so many times.
        let levels = |levels: usize, times: usize| {
            let level = |number: usize| json!({ "allOf": vec![json!({ "$ref": format!("#/$defs/{number}") }); times] });
            let defs: serde_json::Map<_, _> = (1..=levels).map(|at| (at.to_string(), level(at + 1))).collect();
            let mut schema = level(1);
            schema["$defs"] = defs.into();
            schema["$defs"][(levels + 1).to_string()] = json!({ "type": "object" });
            schema
        };
        assert_eq!(check(&levels(5, 2)), Ok(()));
        for bomb in [levels(40, 2), levels(100_000, 1), json!({ "$dynamicRef": "#a" })] {
            assert!(check(&bomb).is_err());
        }
        // Also by another base, where the same reference is another part.
        let mut hidden = levels(40, 2);
        hidden["$id"] = "http://a/".into();
        let hidden = json!({ "$defs": { "x": hidden, "1": {} }, "$ref": "#/$defs/x" });
        assert!(check(&hidden).is_err());
        let tree = json!({ "$id": "https://example/tree", "properties": { "more": { "items": { "$ref": "#" } } } });
        assert_eq!(check(&tree), Ok(()));
        assert_eq!(problems(&tree, &json!({ "more": [{ "more": [] }] })), []);
    }

    #[test]
    fn a_schema_is_not_fetched_and_not_taken_on_trust() {
        assert!(check(&json!({ "type": "nothing" })).is_err());
        assert!(check(&json!({ "$ref": "http://127.0.0.1:1/schema" })).is_err());
        assert!(check(&json!({ "type": "string", "pattern": "(a)\\1" })).is_err());
    }
}
