//! What is known of an exchange. Claims and groups are read when a condition asks for them.

use plugin_sdk::claims::{Claims, Names};
use plugin_sdk::{attribute, request};
use serde_json::Value;
use std::cell::OnceCell;

/// The claims that have scopes.
pub(crate) const SCOPES: [&str; 2] = ["scope", "scp"];

/// Of an exchange whose consumer is known.
pub(crate) struct Facts<'n> {
    pub(crate) consumer: String,
    pub(crate) method: String,
    pub(crate) path: String,
    groups: OnceCell<Vec<String>>,
    claims: OnceCell<Claims>,
    /// The claims that conditions ask for.
    names: &'n Names,
}

impl<'n> Facts<'n> {
    /// None: nobody is known to ask.
    pub(crate) fn of_exchange(names: &'n Names) -> Option<Self> {
        let consumer = attribute::get(attribute::CONSUMER).filter(|consumer| !consumer.is_empty())?;
        Some(Self {
            consumer,
            method: request::method().as_str().to_owned(),
            path: request::path(),
            groups: OnceCell::new(),
            claims: OnceCell::new(),
            names,
        })
    }

    /// What cannot be read is none.
    pub(crate) fn groups(&self) -> &[String] {
        self.groups.get_or_init(|| {
            let text = attribute::get_bytes(attribute::GROUPS).unwrap_or_default();
            serde_json::from_slice(&text).unwrap_or_default()
        })
    }

    /// A claim by its name, or by a path of names with dots between them.
    pub(crate) fn claim(&self, path: &str) -> Option<&Value> {
        self.claims().find(path).filter(|value| !value.is_null())
    }

    /// `scope` (RFC 8693 section 4.2) or `scp`: text with spaces, or a list.
    pub(crate) fn has_scope(&self, scope: &str) -> bool {
        SCOPES.into_iter().filter_map(|name| self.claims().get(name)).any(|value| match value {
            Value::String(text) => text.split(' ').any(|one| one == scope),
            Value::Array(values) => values.iter().any(|one| one.as_str() == Some(scope)),
            _ => false,
        })
    }

    fn claims(&self) -> &Claims {
        self.claims.get_or_init(|| {
            let text = attribute::get_bytes(attribute::CLAIMS).unwrap_or_default();
            Claims::parse(&text, self.names).unwrap_or_default()
        })
    }
}
