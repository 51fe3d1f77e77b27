//! What a guest may call: a file for each interface of the WIT.

mod clock;
mod config;
mod exchange;
pub(crate) mod fields;
pub(crate) mod http;
pub(crate) mod kv;
pub(crate) mod log;
pub(crate) mod metrics;
mod random;
mod request;
mod response;
mod secrets;

use crate::abi::gateway::wit::types;
use crate::state::State;

impl types::Host for State {}

/// `invalid`, in short.
fn invalid(text: impl Into<String>) -> types::Error {
    types::Error::Invalid(text.into())
}
