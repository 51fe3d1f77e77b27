//! Where the budgets of plugins are counted and their shared values kept: in the memory of this gateway, or in a Redis that
//! several gateways share.
//!
//! Not here: what a plugin may use (`gateway-plugin-host`), and its own values in memory (the `kv` of that crate).

mod memory;
mod redis;
mod rule;

pub use memory::Memory;
pub use redis::{Shared, SharedError, SharedOptions, WhenAway};
