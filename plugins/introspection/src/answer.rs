//! What the endpoint said of a token (RFC 7662 section 2.2).

use plugin_sdk::clock;
use serde_json::{Map, Value};
use std::time::Duration;

/// A JSON object whose `active` is true or false.
pub(crate) struct Answer {
    members: Map<String, Value>,
    active: bool,
}

impl Answer {
    pub(crate) fn parse(text: &[u8]) -> Result<Self, String> {
        let members: Map<String, Value> =
            serde_json::from_slice(text).map_err(|_| "the answer is no JSON object".to_owned())?;
        let active = members.get("active").and_then(Value::as_bool);
        Ok(Self { active: active.ok_or("the answer does not say `active`")?, members })
    }

    pub(crate) fn is_active(&self) -> bool {
        self.active
    }

    /// For how long it is in force, as far as it says.
    pub(crate) fn left(&self) -> Option<Duration> {
        let expires = self.members.get("exp")?.as_u64()?;
        Some(Duration::from_secs(expires).saturating_sub(clock::now()))
    }

    /// An answer that was kept may say what is over by now.
    pub(crate) fn in_force(&self) -> Result<(), &'static str> {
        if !self.active {
            return Err("it is not active");
        }
        if self.left().is_some_and(|left| left.is_zero()) {
            return Err("it has expired");
        }
        let begins = self.members.get("nbf").and_then(Value::as_u64).unwrap_or(0);
        if Duration::from_secs(begins) > clock::now() {
            return Err("it is not in force yet");
        }
        Ok(())
    }

    pub(crate) fn is_meant_for(&self, audiences: &[String]) -> bool {
        let is_meant = |value: &Value| value.as_str().is_some_and(|value| audiences.iter().any(|one| one == value));
        match self.members.get("aud") {
            Some(Value::Array(all)) => all.iter().any(is_meant),
            Some(one) => is_meant(one),
            None => false,
        }
    }

    /// A member as text, if it is there: lists with commas.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        fn text(value: &Value) -> Option<String> {
            match value {
                Value::Null => None,
                Value::String(text) => Some(text.clone()),
                Value::Array(values) => Some(values.iter().filter_map(text).collect::<Vec<_>>().join(",")),
                other => Some(other.to_string()),
            }
        }
        text(self.members.get(name)?)
    }

    /// All members.
    pub(crate) fn claims(&self) -> String {
        Value::Object(self.members.clone()).to_string()
    }

    /// A JSON list, or empty.
    pub(crate) fn groups(&self, name: &str) -> String {
        match self.members.get(name) {
            Some(Value::Array(groups)) => {
                Value::from_iter(groups.iter().filter(|group| group.is_string()).cloned()).to_string()
            }
            Some(Value::String(group)) => Value::from(vec![group.clone()]).to_string(),
            _ => String::new(),
        }
    }
}
