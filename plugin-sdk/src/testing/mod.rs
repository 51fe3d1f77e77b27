//! Runs a plugin natively, on an exchange that is made up: `cargo test` in its own crate, in milliseconds.
//!
//! ```
//! use plugin_sdk::testing::Exchange;
//! # use plugin_sdk::{Flow, Plugin, Response, Result, request};
//! # #[derive(Default)]
//! # struct Closed;
//! # #[plugin_sdk::plugin]
//! # impl Plugin for Closed {
//! #     fn on_request(&self) -> Result<Flow> { Ok(Response::problem(403, "closed").into()) }
//! # }
//! let outcome = Exchange::get("/orders/17").header("x-tier", "gold").run::<Closed>(serde_json::json!({}));
//! assert_eq!(outcome.response.status, 403);
//! assert!(!outcome.reached_service);
//! ```
//!
//! Each phase runs in a fresh instance, so that what a plugin keeps in its memory from one phase for another is lost at
//! once. What `plugin.toml` in the current folder asks for is granted, and nothing else.
//!
//! Not here: limits, and all that the real gateway checks more strictly. It is a fake.

mod exchange;
pub(crate) mod host;
mod outcome;
mod run;
mod state;
#[cfg(test)]
mod tests;

pub use exchange::Exchange;
pub use outcome::Outcome;
