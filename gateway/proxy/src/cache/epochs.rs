//! What a change at an address does to what is stored of it: nothing of before is found again (RFC 9111 4.4).
//!
//! A number for each address stands in its keys, and a change counts it up. So everything under the address goes at once, for all routes,
//! consumers and variants; and an answer that was under way when the change came is stored where nobody looks. Addresses share numbers,
//! a quarter of a million: at worst something is fetched once more than needed.

use std::sync::atomic::{AtomicU32, Ordering};

const COUNT: usize = 1 << 18;

pub(crate) struct Epochs(Box<[AtomicU32]>);

impl Default for Epochs {
    fn default() -> Self {
        Self((0..COUNT).map(|_| AtomicU32::new(0)).collect())
    }
}

impl Epochs {
    /// The number of an address, as `key::address` makes it.
    pub(crate) fn of(&self, address: u64) -> u32 {
        self.slot(address).map_or(0, |slot| slot.load(Ordering::Acquire))
    }

    /// What is at this address has changed.
    pub(crate) fn change(&self, address: u64) {
        if let Some(slot) = self.slot(address) {
            slot.fetch_add(1, Ordering::AcqRel);
        }
    }

    fn slot(&self, address: u64) -> Option<&AtomicU32> {
        self.0.get(usize::try_from(address % COUNT as u64).ok()?)
    }
}
