//! Which endpoint takes the next request.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Each in turn.
#[derive(Debug, Default)]
pub(super) struct RoundRobin(AtomicUsize);

impl RoundRobin {
    /// The next of these; none of none.
    pub(super) fn next<'a, T>(&self, endpoints: &'a [T]) -> Option<&'a T> {
        match endpoints {
            [] => None,
            [only] => Some(only),
            several => several.get(self.0.fetch_add(1, Ordering::Relaxed) % several.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_endpoint_takes_its_turn() {
        let balance = RoundRobin::default();
        let taken: Vec<_> = (0..6).filter_map(|_| balance.next(&["a", "b", "c"])).collect();
        assert_eq!(taken, [&"a", &"b", &"c", &"a", &"b", &"c"]);
        assert_eq!(balance.next::<u8>(&[]), None);
    }
}
