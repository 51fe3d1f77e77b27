//! What one plugin may use.

use std::time::Duration;

/// Bounds of one plugin with one configuration. The defaults are those of the reference.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Guest execution in one call; waiting for a host function does not count.
    pub cpu: Duration,
    /// Guest execution in start-up and `configure` together.
    pub start: Duration,
    /// One call in all, waiting included. None: what the exchange has left.
    pub wall: Option<Duration>,
    /// Linear memory of one instance, in bytes.
    pub memory: usize,
    /// A body that it gathers, gives back, or gets from a fetch, in bytes.
    pub body: usize,
    /// Calls that may wait for a capability, beside those that run.
    pub waiting: usize,
    /// Calls that one instance serves before it is replaced.
    pub reuse: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            cpu: Duration::from_millis(10),
            start: Duration::from_secs(1),
            wall: None,
            memory: 64 << 20,
            body: 1 << 20,
            waiting: 64,
            reuse: 10_000,
        }
    }
}

impl Limits {
    /// What a guest may hand to the host in one call: a body, and beside it fields and the like.
    pub(crate) fn transfer(&self) -> usize {
        self.body.saturating_add(256 << 10)
    }
}

/// How far memory may grow past its size after `configure` before an instance is replaced: a leak is cut early, a
/// working set is not.
pub(crate) const GROWTH: usize = 8 << 20;

/// How old an instance gets.
pub(crate) const AGE: Duration = Duration::from_secs(600);

/// How long an instance stands idle.
pub(crate) const IDLE: Duration = Duration::from_secs(60);

/// How long a call waits for an instance when all are taken.
pub(crate) const PATIENCE: Duration = Duration::from_millis(100);

/// Real time that start-up and `configure` may take: their CPU time is bounded apart, this is for a machine that stalls.
pub(crate) const START_WALL: Duration = Duration::from_secs(10);

/// Linear memory that one instance can have whatever its configuration says: the address space reserved for each.
pub(crate) const MEMORY_CEILING: usize = 512 << 20;
