//! A route's plugins in order.

use gateway_core::{Phase, Phases, Plugin};
use std::sync::Arc;

/// Plugins in the order of a route, the listener's before the route's own.
#[derive(Default)]
pub struct Chain {
    links: Vec<Arc<dyn Plugin>>,
    phases: Phases,
}

/// Which links of a chain take part in the response phases of one exchange.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Participants(u64);

impl Chain {
    /// The longest chain; one bit of [`Participants`] each.
    pub const LONGEST: usize = 64;

    /// A chain of at most [`Self::LONGEST`] links; what is beyond is refused by the configuration.
    #[must_use]
    pub fn new(links: Vec<Arc<dyn Plugin>>) -> Self {
        let phases = links.iter().fold(Phases::default(), |phases, link| phases.union(link.phases()));
        Self { links, phases }
    }

    /// The phases that any link has.
    #[must_use]
    pub fn phases(&self) -> Phases {
        self.phases
    }

    /// Whether the request's head is still needed once it was sent.
    #[must_use]
    pub fn reads_after_dispatch(&self) -> bool {
        [Phase::OnResponse, Phase::OnResponseBody, Phase::OnComplete].into_iter().any(|phase| self.phases.has(phase))
    }

    /// The links in order, each with its position.
    pub fn links(&self) -> impl DoubleEndedIterator<Item = (usize, &Arc<dyn Plugin>)> {
        self.links.iter().enumerate()
    }

    /// The links from one position to before another, in order.
    pub fn part(&self, first: usize, end: usize) -> impl DoubleEndedIterator<Item = (usize, &Arc<dyn Plugin>)> {
        let part = self.links.get(first..end).unwrap_or_default();
        part.iter().enumerate().map(move |(offset, link)| (first + offset, link))
    }

    /// How many there are.
    #[must_use]
    pub fn length(&self) -> usize {
        self.links.len()
    }
}

impl Participants {
    /// The link at this position takes part.
    pub fn add(&mut self, position: usize) {
        self.0 |= 1 << position;
    }

    /// Those of another part of the chain take part as well.
    pub fn join(&mut self, others: Self) {
        self.0 |= others.0;
    }

    /// Whether it does.
    #[must_use]
    pub fn has(self, position: usize) -> bool {
        self.0 & 1 << position != 0
    }
}
