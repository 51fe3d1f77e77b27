//! Tokens that were verified, by their hash: what comes again is not verified again. They live in their key set, so none outlives it.

use super::algorithm::Algorithms;
use super::jws::Verified;
use super::keys::short;
use aws_lc_rs::digest::{Context, SHA256};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

/// Tokens of one half. Two halves take turns: the older one is dropped when the younger one is full.
const TOKENS: usize = 2048;

/// Bytes of one half.
const SIZE: usize = 1 << 20;

/// What an entry costs beside its payload.
const OVERHEAD: usize = 256;

type Hash = [u8; 32];

/// Verified tokens of one key set.
#[derive(Default)]
pub(super) struct Seen(Mutex<Halves>);

#[derive(Default)]
struct Halves {
    young: HashMap<Hash, Arc<Verified>>,
    old: HashMap<Hash, Arc<Verified>>,
    size: usize,
}

impl Seen {
    /// SHA-256 of what a verification depends on beside the keys: nobody can make two tokens of one.
    #[expect(clippy::unused_self, reason = "what is hashed is a matter of this cache")]
    pub(super) fn key(&self, token: &str, allowed: Algorithms) -> Hash {
        let mut context = Context::new(&SHA256);
        context.update(&allowed.bits().to_be_bytes());
        context.update(token.as_bytes());
        short(&context.finish())
    }

    pub(super) fn find(&self, hash: &Hash) -> Option<Arc<Verified>> {
        let mut halves = self.0.lock();
        if let Some(verified) = halves.young.get(hash) {
            return Some(Arc::clone(verified));
        }
        let verified = halves.old.remove(hash)?;
        halves.add(*hash, Arc::clone(&verified));
        Some(verified)
    }

    pub(super) fn add(&self, hash: Hash, verified: Arc<Verified>) {
        self.0.lock().add(hash, verified);
    }
}

impl Halves {
    fn add(&mut self, hash: Hash, verified: Arc<Verified>) {
        let size = verified.payload.len() + OVERHEAD;
        if self.young.len() >= TOKENS || self.size + size > SIZE {
            self.old = std::mem::take(&mut self.young);
            self.size = 0;
        }
        if self.young.insert(hash, verified).is_none() {
            self.size += size;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::algorithm::Algorithm;
    use super::*;

    fn verified(length: usize) -> Arc<Verified> {
        Arc::new(Verified { algorithm: Algorithm::Hs256, typ: None, payload: vec![0; length] })
    }

    fn hash(number: u32) -> Hash {
        let mut hash = [0; 32];
        hash[..4].copy_from_slice(&number.to_be_bytes());
        hash
    }

    #[test]
    fn it_is_bounded_and_keeps_what_is_used() {
        for (length, entries) in [(0, 2 * TOKENS), (64 << 10, 2 * (SIZE / (64 << 10)))] {
            let seen = Seen::default();
            for number in 0..3 * u32::try_from(TOKENS).unwrap() {
                seen.add(hash(number), verified(length));
                assert!(seen.find(&hash(0)).is_some(), "it comes again and again ({number})");
            }
            let halves = seen.0.lock();
            assert!(halves.young.len() + halves.old.len() <= entries);
            assert!(halves.size <= SIZE);
            drop(halves);
            assert!(seen.find(&hash(1)).is_none());
        }
    }

    #[test]
    fn the_algorithms_belong_to_what_was_verified() {
        use Algorithm::{Es256, Rs256};
        let key = |token: &str, allowed: &[Algorithm]| Seen::default().key(token, Algorithms::of(allowed));
        assert_ne!(key("a.b.c", &[Rs256]), key("a.b.c", &[Es256]));
        assert_ne!(key("a.b.c", &[Rs256]), key("a.b.d", &[Rs256]));
        assert_eq!(key("a.b.c", &[Rs256, Es256]), key("a.b.c", &[Es256, Rs256]));
    }
}
