//! Attributes: what a phase leaves for another, and a plugin for the plugins after it.
//!
//! An attribute belongs to its writer. The names `consumer`, `claims` and `groups` are shared; to write them a plugin asks
//! for `identity` in `plugin.toml`. `plugin/name` reads another plugin's. All attributes of an exchange together have 16 KiB.
//! Names that begin with `tls.` are facts of the connection, which no plugin can write.
//!
//! ```
//! use plugin_sdk::attribute::Attribute;
//!
//! /// When this plugin saw the request.
//! const SEEN: Attribute<u64> = Attribute::new("seen");
//! # fn phases() -> plugin_sdk::Result<()> {
//! SEEN.set(&plugin_sdk::clock::monotonic())?; // in `on_request`
//! let seen = SEEN.get()?; // in `on_response`
//! # Ok(()) }
//! ```

use crate::Result;
use crate::sys::exchange as sys;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::marker::PhantomData;

/// The shared attribute that names who asks. Setting it removes [`CLAIMS`] and [`GROUPS`], which were of whoever was known before: set it
/// first.
pub const CONSUMER: &str = "consumer";

/// The shared attribute with what is known of the consumer, a JSON object.
pub const CLAIMS: &str = "claims";

/// The shared attribute with the groups of the consumer, a JSON list of strings.
pub const GROUPS: &str = "groups";

/// Whose certificate the client has shown, where the listener asks for one: the subject's name (RFC 4514).
pub const TLS_SUBJECT: &str = "tls.subject";

/// Its alternative names, a JSON list: `["DNS:alice.example","URI:spiffe://example/alice"]`.
pub const TLS_SANS: &str = "tls.sans";

/// Names who asks: [`CONSUMER`], [`CLAIMS`] and [`GROUPS`] all at once, or none of them. What is empty is absent afterwards.
///
/// # Errors
/// `identity` is not granted, there is no room, or the exchange is over.
pub fn identify(consumer: &str, claims: &str, groups: &str) -> Result<()> {
    sys::identify(consumer, claims, groups)
}

/// The attribute, where it is text.
#[must_use]
pub fn get(name: &str) -> Option<String> {
    sys::attribute(name)
}

/// The attribute's bytes.
#[must_use]
pub fn get_bytes(name: &str) -> Option<Vec<u8>> {
    sys::attribute_bytes(name)
}

/// Sets an attribute; an empty value removes it.
///
/// # Errors
/// The name is shared and `identity` is not granted, there is no room, or the exchange is over.
pub fn set(name: &str, value: &str) -> Result<()> {
    sys::set_attribute(name, value)
}

/// Sets an attribute to bytes.
///
/// # Errors
/// As for [`set`].
pub fn set_bytes(name: &str, value: &[u8]) -> Result<()> {
    sys::set_attribute_bytes(name, value)
}

/// Removes an attribute.
///
/// # Errors
/// As for [`set`].
pub fn remove(name: &str) -> Result<()> {
    sys::set_attribute(name, "")
}

/// An attribute with a type, kept as JSON.
#[derive(Debug)]
pub struct Attribute<T> {
    name: &'static str,
    of: PhantomData<fn(T) -> T>,
}

impl<T> Attribute<T> {
    /// An attribute of this name.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self { name, of: PhantomData }
    }

    /// Removes it.
    ///
    /// # Errors
    /// As for [`set`].
    pub fn remove(&self) -> Result<()> {
        remove(self.name)
    }
}

impl<T: DeserializeOwned> Attribute<T> {
    /// Its value, if it is set.
    ///
    /// # Errors
    /// It holds something of another type.
    pub fn get(&self) -> Result<Option<T>> {
        let Some(value) = get_bytes(self.name) else { return Ok(None) };
        Ok(Some(serde_json::from_slice(&value)?))
    }
}

impl<T: Serialize> Attribute<T> {
    /// Sets it.
    ///
    /// # Errors
    /// As for [`set`], or the value has no form in JSON.
    pub fn set(&self, value: &T) -> Result<()> {
        set_bytes(self.name, &serde_json::to_vec(value)?)
    }
}
