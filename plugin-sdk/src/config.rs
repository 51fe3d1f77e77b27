//! The configuration, typed.

use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The configuration of a plugin that takes none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoConfig {}

/// Reads a configuration. The error names the place: `` `keys.alice`: invalid type: integer `3`, expected a string ``.
pub(crate) fn parse<T: DeserializeOwned>(json: &str) -> Result<T, String> {
    serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(json)).map_err(|error| {
        let reason = error.inner().to_string();
        // The line and column are those of generated JSON, which nobody wrote.
        let reason = reason.rsplit_once(" at line ").map_or(reason.as_str(), |(reason, _)| reason);
        match error.path().to_string().as_str() {
            "." => reason.to_owned(),
            path => format!("`{path}`: {reason}"),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn an_error_names_the_place() {
        let error = parse::<BTreeMap<String, Vec<String>>>(r#"{ "keys": ["a", 3] }"#).unwrap_err();
        assert_eq!(error, "`keys[1]`: invalid type: integer `3`, expected a string");
        assert_eq!(parse::<NoConfig>(r#"{ "a": 1 }"#).unwrap_err(), "`a`: unknown field `a`, there are no fields");
    }
}
