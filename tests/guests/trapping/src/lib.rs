//! Traps on every request.

use plugin_sdk::{Flow, Plugin, Result};

struct Trapping;

#[plugin_sdk::plugin]
impl Plugin for Trapping {
    type Config = serde::de::IgnoredAny;

    fn configure(_: serde::de::IgnoredAny) -> Result<Self, String> {
        Ok(Self)
    }

    fn on_request(&self) -> Result<Flow> {
        panic!("on every request")
    }
}
