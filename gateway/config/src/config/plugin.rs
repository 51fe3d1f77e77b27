//! Plugins as chains and answers use them.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::Place;

/// One plugin with one configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct PluginUse {
    /// The plugin's name: `NAME.wasm` in the plugin folder unless `file` was written.
    pub name: Arc<str>,
    /// The component.
    pub file: PathBuf,
    /// Lower-case hex, where it was pinned.
    pub sha256: Option<String>,
    /// Handed to the guest.
    pub config: PluginConfig,
    /// Where each part of `config` was written, by JSON pointer; `""` is the whole.
    pub config_places: BTreeMap<String, Place>,
    /// What it may do.
    pub grants: Grants,
    /// How much it may take.
    pub limits: PluginLimits,
    /// What happens when it fails.
    pub on_error: OnError,
    /// Bodies are decoded before it reads them.
    pub decode: bool,
    /// A fresh instance for each request.
    pub isolate: bool,
    /// Where it was named, once for each use.
    pub places: Vec<Place>,
}

/// What a plugin is handed: a JSON object, in which secrets may stand. Those are printed as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct PluginConfig {
    value: Value,
    /// JSON pointers to the values that are secrets.
    secrets: Vec<String>,
}

impl PluginConfig {
    /// An object, and JSON pointers to the values in it that are secrets.
    #[must_use]
    pub fn new(value: Value, secrets: Vec<String>) -> Self {
        Self { value, secrets }
    }

    /// The object itself, secrets included: for the guest only.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The object as it may be shown, with `"***"` in the place of each secret.
    #[must_use]
    pub fn masked(&self) -> Value {
        let mut masked = self.value.clone();
        for pointer in &self.secrets {
            if let Some(secret) = masked.pointer_mut(pointer) {
                *secret = Value::from("***");
            }
        }
        masked
    }
}

impl fmt::Debug for PluginConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.masked())
    }
}

/// What the configuration lets a plugin do; nothing by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    /// Write `consumer`, `claims` and `groups`.
    pub identity: bool,
    /// Call these upstreams.
    pub http_upstreams: Vec<Arc<str>>,
    /// Call these origins (`http://host:port`, `https://host:port`).
    pub http_origins: Vec<String>,
    /// Read these secrets: name and value.
    pub secrets: Vec<(String, Secret)>,
    /// Send an exchange to these upstreams.
    pub set_upstream: Vec<Arc<str>>,
    /// Take from budgets.
    pub limit: LimitGrant,
    /// Keep values in this store.
    pub kv: Option<Arc<str>>,
    /// Have signatures and passwords verified.
    pub crypto: bool,
}

/// Where a plugin's budgets are counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum LimitGrant {
    /// It has none.
    #[default]
    None,
    /// In the memory of this gateway.
    Local,
    /// In this store.
    Store(Arc<str>),
}

/// A secret value; printed as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Wraps a value.
    #[must_use]
    pub fn new(value: &str) -> Self {
        Self(value.into())
    }

    /// The value itself: for the guest, or whoever asks for it, only.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}

/// How much a plugin may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PluginLimits {
    /// CPU time of one call (10 ms).
    pub cpu: Duration,
    /// CPU time of start-up and `configure` (1 s).
    pub start: Duration,
    /// One call in all; none: what the route has left.
    pub wall: Option<Duration>,
    /// Linear memory of one instance (64 MiB).
    pub memory: usize,
    /// A gathered body (1 MiB).
    pub body: usize,
    /// Calls that wait for a capability at once (64).
    pub waiting: NonZeroU32,
    /// Calls before an instance is thrown away (1,000).
    pub reuse: NonZeroU32,
}

/// What happens to a request when its plugin traps or runs out of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnError {
    /// 503.
    #[default]
    Deny,
    /// As if the plugin were not there.
    Skip,
}
