//! What must hold: a tree of conditions.

use crate::facts::Facts;
use crate::path::Pattern;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// All that is written in it must hold.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Condition {
    /// One of them.
    consumers: Option<Vec<String>>,
    /// One of them.
    groups: Option<Vec<String>>,
    /// All of them, as RFC 6749 section 3.3 has scopes add up.
    scopes: Option<Vec<String>>,
    /// Each of them.
    claims: Option<BTreeMap<String, Expected>>,
    present: Option<Vec<String>>,
    methods: Option<Vec<String>>,
    paths: Option<Vec<Pattern>>,
    all: Option<Vec<Condition>>,
    any: Option<Vec<Condition>>,
    not: Option<Box<Condition>>,
}

/// A value of a claim, or several of which one is enough.
#[derive(Debug)]
struct Expected(Vec<Value>);

impl<'de> Deserialize<'de> for Expected {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let values = match Value::deserialize(deserializer)? {
            Value::Array(values) => values,
            value => vec![value],
        };
        match values.iter().all(|value| value.is_string() || value.is_number() || value.is_boolean()) {
            true if !values.is_empty() => Ok(Self(values)),
            _ => Err(serde::de::Error::custom("a claim is compared with text, numbers or booleans")),
        }
    }
}

impl Condition {
    /// Fails for what always or never holds: nobody means that. `place` is where it stands.
    pub(crate) fn check(&self, place: &str) -> Result<(), String> {
        let Self { consumers, groups, scopes, claims, present, methods, paths, all, any, not } = self;
        let lists = [
            ("consumers", consumers.as_ref().map(Vec::len)),
            ("groups", groups.as_ref().map(Vec::len)),
            ("scopes", scopes.as_ref().map(Vec::len)),
            ("claims", claims.as_ref().map(BTreeMap::len)),
            ("present", present.as_ref().map(Vec::len)),
            ("methods", methods.as_ref().map(Vec::len)),
            ("paths", paths.as_ref().map(Vec::len)),
            ("all", all.as_ref().map(Vec::len)),
            ("any", any.as_ref().map(Vec::len)),
        ];
        if let Some((name, _)) = lists.iter().find(|(_, length)| *length == Some(0)) {
            return Err(format!("`{place}.{name}` is empty"));
        }
        if not.is_none() && lists.iter().all(|(_, length)| length.is_none()) {
            return Err(format!("`{place}` is empty: it would let everybody through"));
        }
        let several = |name: &str, conditions: &Option<Vec<Self>>| {
            let mut conditions = conditions.iter().flatten().enumerate();
            conditions.try_for_each(|(position, inner)| inner.check(&format!("{place}.{name}[{position}]")))
        };
        several("all", all)?;
        several("any", any)?;
        not.as_ref().map_or(Ok(()), |inner| inner.check(&format!("{place}.not")))
    }

    /// The claims that it asks for, scopes aside.
    pub(crate) fn claims(&self) -> Vec<&str> {
        let own = self.claims.iter().flat_map(BTreeMap::keys).chain(self.present.iter().flatten()).map(String::as_str);
        let inner = self.all.iter().chain(&self.any).flatten().chain(self.not.as_deref());
        own.chain(inner.flat_map(Self::claims)).collect()
    }

    /// Whether it holds.
    pub(crate) fn holds(&self, facts: &Facts<'_>) -> bool {
        let Self { consumers, groups, scopes, claims, present, methods, paths, all, any, not } = self;
        let is = |wanted: &Option<Vec<String>>, has: &dyn Fn(&str) -> bool| {
            wanted.as_ref().is_none_or(|wanted| wanted.iter().any(|one| has(one)))
        };
        is(methods, &|method| facts.method == method)
            && paths.as_ref().is_none_or(|paths| paths.iter().any(|path| path.fits(&facts.path)))
            && is(consumers, &|consumer| facts.consumer == consumer)
            && is(groups, &|group| facts.groups().iter().any(|one| one == group))
            && scopes.as_ref().is_none_or(|scopes| scopes.iter().all(|scope| facts.has_scope(scope)))
            && present.as_ref().is_none_or(|names| names.iter().all(|name| facts.claim(name).is_some()))
            && claims.as_ref().is_none_or(|claims| {
                claims.iter().all(|(name, expected)| facts.claim(name).is_some_and(|value| expected.fits(value)))
            })
            && all.as_ref().is_none_or(|all| all.iter().all(|inner| inner.holds(facts)))
            && any.as_ref().is_none_or(|any| any.iter().any(|inner| inner.holds(facts)))
            && not.as_ref().is_none_or(|inner| !inner.holds(facts))
    }
}

impl Expected {
    /// Types count: `"1"` is not `1`.
    fn fits(&self, value: &Value) -> bool {
        let is = |value: &Value| self.0.iter().any(|expected| same(expected, value));
        match value {
            Value::Array(values) => values.iter().any(is),
            value => is(value),
        }
    }
}

fn same(one: &Value, other: &Value) -> bool {
    match (one.as_f64(), other.as_f64()) {
        // 1 and 1.0 are the same number (RFC 8259 section 6).
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}
