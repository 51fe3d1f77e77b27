//! The exchange itself: who asks, and what matched.

use crate::Result;
use crate::sys::exchange as sys;
use std::net::IpAddr;

/// The request id, as in the log and in `x-request-id`.
#[must_use]
pub fn id() -> String {
    sys::id()
}

/// The name of the matched route; empty for a request that matched none.
#[must_use]
pub fn route() -> String {
    sys::route()
}

/// What `{name}` in the route's path captured, percent-decoded.
#[must_use]
pub fn param(name: &str) -> Option<String> {
    sys::param(name)
}

/// All that the route's path captured.
#[must_use]
pub fn params() -> Vec<(String, String)> {
    sys::params()
}

/// The client's address; behind a trusted proxy, the one that the proxy names.
#[must_use]
pub fn client_address() -> Option<IpAddr> {
    sys::client_address().parse().ok()
}

/// Sends this exchange to another upstream. `plugin.toml` asks for `set-upstream`, the configuration grants it by name.
///
/// # Errors
/// It is not granted, does not exist, or the request was sent.
pub fn set_upstream(name: &str) -> Result<()> {
    sys::set_upstream(name)
}
