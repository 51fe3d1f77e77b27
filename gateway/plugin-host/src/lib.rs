//! The host of WebAssembly plugins: loads components, bounds what they may do, and calls their phases.
//!
//! The way of a plugin: [`Host::load`] checks, compiles (or takes from the cache) and links a component; [`Host::plugin`]
//! gives it a configuration, grants and limits, runs `configure` once and yields what the pipeline calls, a
//! [`gateway_core::Plugin`]. A call takes an idle instance of its thread, lends it the exchange, and gives both back.
//!
//! This is the only crate that names wasmtime. Not here: what the user wrote (`gateway-config`), when a plugin is called
//! (`gateway-proxy`), when one is replaced (`gateway`).

mod abi;
mod cache;
mod capabilities;
mod compile;
mod detect;
mod engine;
#[doc(hidden)]
pub mod fuzz;
mod grant;
mod host;
mod inspect;
mod instance;
mod kept;
mod limits;
mod load;
pub mod manifest;
mod meter;
mod plugin;
mod pool;
mod pulse;
mod reach;
mod schema;
#[expect(unreachable_pub, reason = "`tests/models` has this file as well, and others see it there")]
mod shelves;
mod state;
mod statistics;
mod sync;
mod threads;
mod watch;

pub use abi::Abi;
pub use capabilities::metrics::{Distribution, Readings};
pub use compile::{Compiler, compile_into};
pub use grant::{Capability, Grants};
pub use host::{Host, HostError, HostOptions};
pub use inspect::{Inspection, inspect};
pub use limits::Limits;
pub use load::{LoadError, Loaded};
pub use manifest::Manifest;
pub use plugin::{Instances, LastFault, PluginSettings, WasmPlugin};
pub use schema::Problem;
pub use statistics::{Outcomes, Statistics};
