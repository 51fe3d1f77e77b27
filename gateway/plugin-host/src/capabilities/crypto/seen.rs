//! Tokens that were verified: what comes again is not verified again. They live in their key set, so none outlives it.
//!
//! A token is found by the end of its signature and then compared whole. That end is as good as a hash and costs nothing: only what an
//! issuer signed is kept, so nobody but the issuer can choose it; and who does not know it never comes to the comparison.

use super::algorithm::Algorithms;
use super::jws::Verified;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

/// Tokens of one half. Two halves take turns: the older one is dropped when the younger one is full.
const TOKENS: usize = 2048;

/// Bytes of one half.
const SIZE: usize = 2 << 20;

/// What an entry costs beside its token and its payload.
const OVERHEAD: usize = 256;

/// 192 bits of a signature in base64url.
type Tail = [u8; 32];

/// Verified tokens of one key set.
#[derive(Default)]
pub(super) struct Seen(Mutex<Halves>);

#[derive(Default)]
struct Halves {
    young: HashMap<Tail, Entry>,
    old: HashMap<Tail, Entry>,
    size: usize,
}

struct Entry {
    token: Box<str>,
    /// What a verification depends on beside the token and the keys.
    allowed: Algorithms,
    verified: Arc<Verified>,
}

impl Seen {
    pub(super) fn find(&self, token: &str, allowed: Algorithms) -> Option<Arc<Verified>> {
        let tail = token.as_bytes().last_chunk()?;
        let is = |entry: &&Entry| entry.allowed == allowed && *entry.token == *token;
        let mut halves = self.0.lock();
        if let Some(entry) = halves.young.get(tail).filter(is) {
            return Some(Arc::clone(&entry.verified));
        }
        halves.old.get(tail).filter(is)?;
        let entry = halves.old.remove(tail)?;
        let verified = Arc::clone(&entry.verified);
        halves.add(*tail, entry);
        Some(verified)
    }

    pub(super) fn add(&self, token: &str, allowed: Algorithms, verified: Arc<Verified>) {
        if let Some(tail) = token.as_bytes().last_chunk() {
            self.0.lock().add(*tail, Entry { token: token.into(), allowed, verified });
        }
    }
}

impl Entry {
    fn size(&self) -> usize {
        self.token.len() + self.verified.payload.len() + OVERHEAD
    }
}

impl Halves {
    fn add(&mut self, tail: Tail, entry: Entry) {
        let size = entry.size();
        if self.young.len() >= TOKENS || self.size + size > SIZE {
            self.old = std::mem::take(&mut self.young);
            self.size = 0;
        }
        self.size += size;
        if let Some(before) = self.young.insert(tail, entry) {
            self.size -= before.size();
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

    fn token(number: u32) -> String {
        format!("{number:032}")
    }

    #[test]
    fn it_is_bounded_and_keeps_what_is_used() {
        let any = Algorithms::of(&[Algorithm::Hs256]);
        for (length, entries) in [(0, 2 * TOKENS), (64 << 10, 2 * (SIZE / (64 << 10)))] {
            let seen = Seen::default();
            for number in 0..3 * u32::try_from(TOKENS).unwrap() {
                seen.add(&token(number), any, verified(length));
                assert!(seen.find(&token(0), any).is_some(), "it comes again and again ({number})");
            }
            let halves = seen.0.lock();
            assert!(halves.young.len() + halves.old.len() <= entries);
            assert!(halves.size <= SIZE);
            assert_eq!(halves.size, halves.young.values().map(Entry::size).sum::<usize>());
            drop(halves);
            assert!(seen.find(&token(1), any).is_none());
        }
    }

    #[test]
    fn the_whole_token_is_compared_and_the_algorithms_belong_to_what_was_verified() {
        use Algorithm::{Es256, Rs256};
        let (tail, both) = ("t".repeat(32), Algorithms::of(&[Rs256, Es256]));
        let seen = Seen::default();
        seen.add(&format!("a.b.{tail}"), both, verified(1));
        for (token, allowed, is_there) in [
            (format!("a.b.{tail}"), &[Es256, Rs256][..], true),
            (format!("a.b.{tail}"), &[Rs256], false),
            (format!("a.c.{tail}"), &[Rs256, Es256], false),
            (tail.clone(), &[Rs256, Es256], false),
            (tail[1..].to_owned(), &[Rs256, Es256], false),
            (String::new(), &[Rs256, Es256], false),
        ] {
            assert_eq!(seen.find(&token, Algorithms::of(allowed)).is_some(), is_there, "{token} {allowed:?}");
        }
        // Another one with the same end takes its place, and nobody takes it for the first.
        seen.add(&format!("a.c.{tail}"), both, verified(2));
        assert!(seen.find(&format!("a.b.{tail}"), both).is_none());
        assert_eq!(seen.find(&format!("a.c.{tail}"), both).unwrap().payload.len(), 2);
    }
}
