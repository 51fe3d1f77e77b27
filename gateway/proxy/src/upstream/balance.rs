//! Which endpoint takes the next request, among those that may.

use super::endpoint::Endpoint;
use super::key::mix;
use gateway_config::Balance;
use gateway_core::clock::now;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Endpoints of the same priority.
pub(super) struct Tier {
    members: Vec<(Arc<Endpoint>, u32)>,
    /// Positions, each as often as its weight says and spread evenly.
    schedule: Vec<usize>,
    turn: AtomicUsize,
}

impl Tier {
    pub(super) fn new(members: Vec<(Arc<Endpoint>, u32)>) -> Self {
        let weights: Vec<u32> = members.iter().map(|(_, weight)| *weight).collect();
        Self { members, schedule: schedule(&weights), turn: AtomicUsize::new(0) }
    }

    pub(super) fn members(&self) -> impl Iterator<Item = &Arc<Endpoint>> {
        self.members.iter().map(|(endpoint, _)| endpoint)
    }

    /// The next of those that may; the same for the same key where the balance goes by it. Who asks `again` for one request
    /// takes no turn from another.
    pub(super) fn choose(
        &self,
        balance: &Balance,
        key: Option<u64>,
        again: bool,
        may: impl Fn(&Arc<Endpoint>) -> bool,
    ) -> Option<&Arc<Endpoint>> {
        match (balance, key) {
            (Balance::Hash(_), Some(key)) => self.highest(key, may),
            (Balance::RoundRobin | Balance::Hash(_), _) if again => self.any(may),
            (Balance::RoundRobin | Balance::Hash(_), _) => self.next(may),
            (Balance::LeastRequest, _) => self.better_of_two(may, |endpoint, weight| {
                (f64::from(u32::try_from(endpoint.active()).unwrap_or(u32::MAX)) + 1.0) / f64::from(weight)
            }),
            (Balance::PeakEwma, _) => {
                let now = now();
                self.better_of_two(may, |endpoint, weight| {
                    endpoint.speed.cost(endpoint.active(), now) / f64::from(weight)
                })
            }
        }
    }

    /// Each in its turn. Another one takes the turn of one that may not, and it is drawn: whoever stands next to it would have
    /// twice its share.
    fn next(&self, may: impl Fn(&Arc<Endpoint>) -> bool) -> Option<&Arc<Endpoint>> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        match self.at(turn).filter(|endpoint| may(endpoint)) {
            Some(endpoint) => Some(endpoint),
            None => self.any(may),
        }
    }

    /// One that is drawn by weight.
    fn any(&self, may: impl Fn(&Arc<Endpoint>) -> bool) -> Option<&Arc<Endpoint>> {
        let length = self.schedule.len();
        let start = if length == 0 { 0 } else { fastrand::usize(..length) };
        (start..start + length).filter_map(|turn| self.at(turn)).find(|endpoint| may(endpoint))
    }

    fn at(&self, turn: usize) -> Option<&Arc<Endpoint>> {
        let position = self.schedule.get(turn % self.schedule.len().max(1))?;
        self.members.get(*position).map(|(endpoint, _)| endpoint)
    }

    /// Of two that are drawn the one that costs less. Looking at all of them would send everybody to the same one.
    fn better_of_two(
        &self,
        may: impl Fn(&Arc<Endpoint>) -> bool,
        cost: impl Fn(&Endpoint, u32) -> f64,
    ) -> Option<&Arc<Endpoint>> {
        let (position, one) = self.draw(None, &may)?;
        let other = self.draw(Some(position), &may).map(|(_, member)| member);
        let better = match other {
            Some(other) if cost(&other.0, other.1) < cost(&one.0, one.1) => other,
            _ => one,
        };
        Some(&better.0)
    }

    /// Any of those that may but `except`: the first from a drawn place on.
    fn draw(
        &self,
        except: Option<usize>,
        may: &impl Fn(&Arc<Endpoint>) -> bool,
    ) -> Option<(usize, &(Arc<Endpoint>, u32))> {
        let length = self.members.len();
        let start = if length == 0 { 0 } else { fastrand::usize(..length) };
        let mut from_there = self.members.iter().enumerate().cycle().skip(start).take(length);
        from_there.find(|(position, (endpoint, _))| Some(*position) != except && may(endpoint))
    }

    /// The endpoint that the key scores highest with (weighted rendezvous hashing): when one goes, only its keys move.
    fn highest(&self, key: u64, may: impl Fn(&Arc<Endpoint>) -> bool) -> Option<&Arc<Endpoint>> {
        let scored = self.members.iter().filter(|(endpoint, _)| may(endpoint)).map(|(endpoint, weight)| {
            let share = fraction(mix(key, endpoint.hash()));
            (f64::from(*weight) / -share.ln(), endpoint)
        });
        scored.max_by(|(one, _), (other, _)| one.total_cmp(other)).map(|(_, endpoint)| endpoint)
    }
}

/// A number above 0 and below 1 of the upper bits.
fn fraction(hash: u64) -> f64 {
    let bits = u32::try_from(hash >> 32).unwrap_or(u32::MAX);
    (f64::from(bits) + 0.5) / 4_294_967_296.0
}

/// Smooth weighted round robin, written down once: whoever is furthest behind its share is next.
fn schedule(weights: &[u32]) -> Vec<usize> {
    let divisor = weights.iter().copied().fold(0, gcd).max(1);
    let weights: Vec<i64> = weights.iter().map(|weight| i64::from(weight / divisor)).collect();
    let total: i64 = weights.iter().sum();
    let mut behind = vec![0; weights.len()];
    let mut schedule = Vec::new();
    for _ in 0..total {
        for (behind, weight) in behind.iter_mut().zip(&weights) {
            *behind += weight;
        }
        // The first of several that are equally far behind.
        let furthest = behind.iter().enumerate().rev().max_by_key(|(_, behind)| **behind).map(|(position, _)| position);
        if let Some((position, behind)) = furthest.and_then(|at| behind.get_mut(at).map(|behind| (at, behind))) {
            *behind -= total;
            schedule.push(position);
        }
    }
    schedule
}

fn gcd(one: u32, other: u32) -> u32 {
    if other == 0 { one } else { gcd(other, one % other) }
}

#[cfg(test)]
#[path = "balance_tests.rs"]
mod tests;
