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
pub mod listener;
mod measure;
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

/// Fields of a head for which hyper has room of itself. Where it is told a number, the same one too, it fills the room for each head it reads.
const ROOM_FOR_FIELDS: usize = 100;
