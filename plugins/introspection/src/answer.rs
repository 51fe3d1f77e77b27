//! What the endpoint said of a token (RFC 7662 section 2.2).

use plugin_sdk::claims::{Claims, Names};
use plugin_sdk::clock;
use serde_json::Value;
use std::time::Duration;

/// A JSON object whose `active` is true or false.
pub(crate) struct Answer {
    /// Those of its members that somebody asks for.
    pub(crate) claims: Claims,
    /// All of it.
    pub(crate) text: String,
    active: bool,
}

/// What every answer is asked for.
pub(crate) const MEMBERS: [&str; 4] = ["active", "exp", "nbf", "aud"];

impl Answer {
    pub(crate) fn parse(text: Vec<u8>, names: &Names) -> Result<Self, String> {
        let claims = Claims::parse(&text, names).map_err(|_| "the answer is no JSON object".to_owned())?;
        let text = String::from_utf8(text).map_err(|_| "the answer is not UTF-8".to_owned())?;
        let active = claims.get("active").and_then(Value::as_bool);
        Ok(Self { active: active.ok_or("the answer does not say `active`")?, claims, text })
    }

    pub(crate) fn is_active(&self) -> bool {
        self.active
    }

    /// For how long it is in force, as far as it says.
    pub(crate) fn left(&self) -> Option<Duration> {
        let expires = self.claims.get("exp")?.as_u64()?;
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
        let begins = self.claims.get("nbf").and_then(Value::as_u64).unwrap_or(0);
        if Duration::from_secs(begins) > clock::now() {
            return Err("it is not in force yet");
        }
        Ok(())
    }

    pub(crate) fn is_meant_for(&self, audiences: &[String]) -> bool {
        let is_meant = |value: &Value| value.as_str().is_some_and(|value| audiences.iter().any(|one| one == value));
        match self.claims.get("aud") {
            Some(Value::Array(all)) => all.iter().any(is_meant),
            Some(one) => is_meant(one),
            None => false,
        }
    }
}
