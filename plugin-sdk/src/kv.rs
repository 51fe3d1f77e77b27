//! Values that outlive instances and reloads, not the process: this plugin's own, in the memory of the gateway. Where the
//! configuration says `grants = { kv = "NAME" }`, they stand in that store instead, which several gateways share.
//!
//! At most 10,000 keys and 16 MiB. Keys have at most 512 bytes, values 256 KiB. A time to live counts from when it is set.

use crate::Result;
use crate::sys::kv as sys;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// A value that [`set`] wrote.
///
/// # Errors
/// It is of another type, or the store does not answer.
pub fn get<T: DeserializeOwned>(key: &str) -> Result<Option<T>> {
    let Some(value) = sys::get(key)? else { return Ok(None) };
    Ok(Some(serde_json::from_slice(&value)?))
}

/// Keeps a value, as JSON.
///
/// # Errors
/// A bound is passed, or the value has no form in JSON.
pub fn set<T: Serialize + ?Sized>(key: &str, value: &T, ttl: Option<Duration>) -> Result<()> {
    set_bytes(key, &serde_json::to_vec(value)?, ttl)
}

/// A value as it is kept.
///
/// # Errors
/// The key is too long, or the store does not answer.
pub fn get_bytes(key: &str) -> Result<Option<Vec<u8>>> {
    sys::get(key)
}

/// Keeps bytes.
///
/// # Errors
/// A bound is passed.
pub fn set_bytes(key: &str, value: &[u8], ttl: Option<Duration>) -> Result<()> {
    sys::set(key, value, milliseconds(ttl))
}

/// Forgets a value; none is no error.
///
/// # Errors
/// The key is too long.
pub fn delete(key: &str) -> Result<()> {
    sys::delete(key)
}

/// Adds to a number, from 0 when there is none, and gives the sum. Atomic. The time to live is set when the key is made and
/// kept afterwards, so that a key is a counting window.
///
/// # Errors
/// The value is no number, or a bound is passed.
pub fn increment(key: &str, by: i64, ttl: Option<Duration>) -> Result<i64> {
    sys::increment(key, by, milliseconds(ttl))
}

/// Sets the value if the present one is `expected` (none: absent), and gives whether it did. Atomic.
///
/// # Errors
/// A bound is passed.
pub fn compare_and_swap(key: &str, expected: Option<&[u8]>, value: &[u8], ttl: Option<Duration>) -> Result<bool> {
    sys::compare_and_swap(key, expected, value, milliseconds(ttl))
}

fn milliseconds(ttl: Option<Duration>) -> Option<u64> {
    ttl.map(|ttl| u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX))
}
