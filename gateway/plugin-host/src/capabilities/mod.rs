//! What a guest may call: a file for each interface of the WIT.

mod clock;
mod config;
pub(crate) mod crypto;
mod exchange;
pub(crate) mod fields;
pub(crate) mod http;
pub(crate) mod kv;
mod limit;
pub(crate) mod log;
pub(crate) mod metrics;
mod random;
mod request;
mod response;
mod secrets;

use crate::abi::gateway::wit::types;
use crate::state::State;

impl types::Host for State {}

/// Characters of a guest's text that are repeated to it and to the log.
const SHOWN: usize = 80;

/// The beginning of a guest's text, escaped and in quotes.
pub(crate) fn quoted(text: &str) -> String {
    let shown: String = text.chars().take(SHOWN).flat_map(char::escape_debug).collect();
    let more = if text.chars().nth(SHOWN).is_some() { "…" } else { "" };
    format!("`{shown}{more}`")
}

/// `invalid`, in short.
fn invalid(text: impl Into<String>) -> types::Error {
    types::Error::Invalid(text.into())
}
