//! The data plane: listeners, entry, routing, chains, forwarding, upstreams.
//!
//! Not here: what a plugin is made of (`gateway-plugin-host`), how configuration is read (`gateway-config`).

pub mod alarm;
mod around;
pub mod cache;
pub mod chain;
pub mod completion;
mod compress;
pub mod entry;
pub mod forward;
#[doc(hidden)]
pub mod fuzz;
mod heap;
pub mod listener;
mod measure;
mod memory;
mod pipe;
pub mod pipeline;
pub mod route;
pub mod router;
pub mod snapshot;
pub mod tracing;
pub mod tunnel;
mod turns;
pub mod upstream;
mod wire;
pub mod workers;

/// Fields of a head that hyper has room for by default. Told any number, this one too, it fills that room for each head that it reads.
const ROOM_FOR_FIELDS: usize = 100;
