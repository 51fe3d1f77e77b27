//! Write plugins for the gateway in Rust.
//!
//! A plugin is a type with an `impl Plugin`; each method of the trait is a *phase* of a request, and a phase that is not
//! written is not exported and costs nothing.
//!
//! ```
//! use plugin_sdk::{Flow, Plugin, Result, request};
//!
//! struct Hello {
//!     greeting: String,
//! }
//!
//! #[derive(serde::Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Config {
//!     greeting: String,
//! }
//!
//! #[plugin_sdk::plugin]
//! impl Plugin for Hello {
//!     type Config = Config;
//!
//!     fn configure(config: Config) -> Result<Self, String> {
//!         Ok(Self { greeting: config.greeting })
//!     }
//!
//!     fn on_request(&self) -> Result<Flow> {
//!         plugin_sdk::info!("greeting {}", request::path());
//!         request::set_header("x-hello", &self.greeting)?;
//!         Ok(Flow::Next)
//!     }
//! }
//! # let outcome = plugin_sdk::testing::Exchange::get("/").run::<Hello>(serde_json::json!({ "greeting": "hi" }));
//! # assert_eq!(outcome.request_header("x-hello").as_deref(), Some("hi"));
//! ```
//!
//! The gateway makes several instances of a plugin and reuses each for many exchanges, and two phases of one exchange may
//! run in two of them. So phases take `&self`, and what one phase leaves for another is an [`attribute`].
//!
//! [`testing`] runs a plugin natively, in milliseconds.

extern crate self as plugin_sdk;

pub mod attribute;
pub mod claims;
pub mod clock;
#[cfg(feature = "condition")]
pub mod condition;
mod config;
pub mod crypto;
mod error;
pub mod exchange;
pub mod fetch;
#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod guest;
pub mod kv;
pub mod limit;
pub mod log;
mod message;
pub mod metrics;
pub mod path;
mod phase;
mod plugin;
pub mod query;
pub mod random;
pub mod request;
pub mod response;
pub mod secrets;
pub mod subject;
mod sys;
pub mod template;
#[cfg(not(target_family = "wasm"))]
pub mod testing;

pub use config::NoConfig;
pub use error::{Error, Result};
pub use http;
pub use message::{Field, Response};
pub use phase::{BodyFlow, Flow, Summary};
pub use plugin::Plugin;
pub use plugin_sdk_macros::plugin;
