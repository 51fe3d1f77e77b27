//! The endpoints of a service at one moment, by priority.

use super::balance::Tier;
use super::endpoint::Endpoint;
use gateway_config::{Balance, Outliers};
use gateway_core::clock::now;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;

/// A set of endpoints. Replaced as a whole; who stays, stays the same.
pub(super) struct Endpoints {
    service: Arc<str>,
    tiers: Vec<Tier>,
    count: usize,
    outliers: Outliers,
    /// Held while one is ejected, so that two do not leave at once where one may.
    ejecting: Mutex<()>,
}

/// An endpoint with its place in a set.
pub(super) struct Member {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) weight: u32,
    pub(super) priority: u32,
}

/// What is asked of a set.
pub(super) struct Choice<'a> {
    pub(super) balance: &'a Balance,
    pub(super) slow_start: Duration,
    pub(super) key: Option<u64>,
    /// Those that have failed this request.
    pub(super) tried: &'a [Arc<Endpoint>],
}

impl Endpoints {
    pub(super) fn new(service: Arc<str>, mut members: Vec<Member>, outliers: Outliers) -> Arc<Self> {
        members.sort_by_key(|member| member.priority);
        let count = members.len();
        let tiers = members
            .chunk_by(|one, other| one.priority == other.priority)
            .map(|tier| Tier::new(tier.iter().map(|member| (Arc::clone(&member.endpoint), member.weight)).collect()));
        let set = Arc::new(Self { service, tiers: tiers.collect(), count, outliers, ejecting: Mutex::default() });
        set.all().for_each(|endpoint| endpoint.stands_in(&set));
        set
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Endpoint>> {
        self.tiers.iter().flat_map(Tier::members)
    }

    /// The endpoint for a request: of the first priority that has one that is up and untried. One that is new makes room for
    /// others of its priority. Where all are down one of them is asked all the same: nobody answers for sure otherwise. One that was
    /// taken out is never asked.
    pub(super) fn choose(&self, choice: &Choice<'_>) -> Option<&Arc<Endpoint>> {
        if self.count == 1 {
            return self.all().next().filter(|endpoint| !endpoint.is_drained());
        }
        let is_open = |endpoint: &Arc<Endpoint>| !endpoint.is_drained();
        let is_untried = |endpoint: &Arc<Endpoint>| {
            is_open(endpoint) && !choice.tried.iter().any(|tried| Arc::ptr_eq(tried, endpoint))
        };
        let fits = |endpoint: &Arc<Endpoint>| endpoint.is_up() && is_untried(endpoint);
        let is_warm = |endpoint: &Arc<Endpoint>| fastrand::f64() < endpoint.warmth(choice.slow_start);
        let Choice { balance, key, slow_start, tried } = *choice;
        let again = !tried.is_empty();
        self.tiers
            .iter()
            .find_map(|tier| match slow_start.is_zero() {
                true => tier.choose(balance, key, again, fits),
                false => tier
                    .choose(balance, key, again, |endpoint| fits(endpoint) && is_warm(endpoint))
                    .or_else(|| tier.choose(balance, key, true, fits)),
            })
            .or_else(|| self.tiers.iter().find_map(|tier| tier.choose(balance, key, true, is_untried)))
            .or_else(|| self.tiers.iter().find_map(|tier| tier.choose(balance, key, true, is_open)))
    }

    /// Ejects an endpoint that has failed so often in a row, where that is wanted and another one is left.
    pub(super) fn judge(&self, endpoint: &Endpoint, failures: u32) {
        if self.outliers.failures == 0 || failures < self.outliers.failures || endpoint.is_ejected() {
            return;
        }
        let _guard = self.ejecting.lock();
        let ejected = self.all().filter(|endpoint| endpoint.is_ejected()).count();
        let others = self.all().filter(|other| other.is_up() && !std::ptr::eq(&***other, endpoint)).count();
        let fits = ejected == 0 || (ejected + 1) * 100 <= usize::from(self.outliers.most) * self.count;
        if others == 0 || !fits {
            return;
        }
        let rest = endpoint.eject(self.outliers.ejection, now());
        tracing::warn!(upstream = %self.service, endpoint = endpoint.name(), failures, ?rest, "ejected: it fails requests");
    }
}
