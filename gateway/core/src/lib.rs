//! The words that the data plane, the plugin host and the program share.
//!
//! `proxy` and `plugin-host` do not know each other: they meet here. Not here: anything that reads configuration, opens a
//! socket or runs a guest.

pub mod attributes;
pub mod body;
pub mod breaker;
pub mod bridge;
pub mod clock;
pub mod dispatch;
pub mod error;
pub mod exchange;
#[doc(hidden)]
pub mod fuzz;
pub mod headers;
pub mod hex;
pub mod instruments;
pub mod joint;
pub mod limit;
pub mod observe;
pub mod path;
pub mod peer;
pub mod places;
pub mod plugin;
pub mod pressure;
pub mod problem;
pub mod repeats;
mod sync;
pub mod trace;

pub use body::Body;
pub use error::{Error, Kind, Origin, Retry};
pub use exchange::Exchange;
pub use plugin::{Phase, Phases, Plugin};
