//! What several gateways share.

use super::{Place, Secret};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A Redis.
#[derive(Clone, PartialEq, Eq)]
pub struct Store {
    /// Unique.
    pub name: Arc<str>,
    /// `redis://` or `rediss://`, without user and password.
    pub url: String,
    /// None: the default user.
    pub username: Option<String>,
    /// Shown at the beginning of a connection.
    pub password: Option<Secret>,
    /// Whose signature makes its certificate good, PEM; none: the system's authorities.
    pub authorities: Option<Vec<u8>>,
    /// What keys begin with.
    pub prefix: String,
    /// For a command, and for a connection.
    pub timeout: Duration,
    /// What limits do while it does not answer.
    pub when_away: WhenAway,
    /// How much of a budget is taken ahead, in percent.
    pub ahead: u8,
    /// Where it was written.
    pub place: Place,
}

/// What limits do while their store does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenAway {
    /// Each gateway counts for itself.
    Local,
    /// Nothing is allowed.
    Deny,
    /// Everything is allowed.
    Allow,
}

impl fmt::Debug for Store {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Store").field("name", &self.name).field("url", &self.url).finish_non_exhaustive()
    }
}
