//! Key sets: imported by their text, kept for the plugin, each with the tokens that it verified.

use super::algorithm::Algorithms;
use super::jws::{self, Refused, Verified};
use super::key::Key;
use super::seen::Seen;
use super::{json, pem};
use aws_lc_rs::digest::{Digest, SHA256, digest};
use parking_lot::Mutex;
use std::sync::Arc;

/// Bytes of one set.
const TEXT: usize = 256 << 10;

/// Keys of one set.
const KEYS: usize = 100;

/// Sets of one plugin.
const SETS: usize = 32;

/// The sets of one plugin, the one that was used last at the end.
#[derive(Default)]
pub(super) struct Sets(Mutex<Table>);

#[derive(Default)]
struct Table {
    last: u32,
    sets: Vec<(Digest32, Arc<Set>)>,
}

type Digest32 = [u8; 32];

/// Keys, and what they verified.
pub(super) struct Set {
    pub(super) id: u32,
    pub(super) keys: Vec<Key>,
    pub(super) refused: Vec<String>,
    seen: Seen,
}

impl Sets {
    /// The set of this text: the same as before, if it was imported before.
    pub(super) fn import(&self, text: &str) -> Result<Arc<Set>, String> {
        if text.len() > TEXT {
            return Err(format!("a key set has at most {TEXT} bytes"));
        }
        let hash = short(&digest(&SHA256, text.as_bytes()));
        if let Some(known) = self.0.lock().touch(|(known, _)| *known == hash) {
            return Ok(known);
        }
        // Without the lock: it takes a while. Should two import the same at once, the second finds the first's.
        let (keys, refused) = parse(text)?;
        let mut table = self.0.lock();
        if let Some(known) = table.touch(|(known, _)| *known == hash) {
            return Ok(known);
        }
        if table.sets.len() >= SETS {
            table.sets.remove(0);
        }
        table.last = table.last.wrapping_add(1);
        let set = Arc::new(Set { id: table.last, keys, refused, seen: Seen::default() });
        table.sets.push((hash, Arc::clone(&set)));
        Ok(set)
    }

    /// The set of this number, if it is still there.
    pub(super) fn set(&self, id: u32) -> Option<Arc<Set>> {
        self.0.lock().touch(|(_, set)| set.id == id)
    }
}

impl Table {
    fn touch(&mut self, is: impl Fn(&(Digest32, Arc<Set>)) -> bool) -> Option<Arc<Set>> {
        let position = self.sets.iter().position(is)?;
        if position + 1 < self.sets.len() {
            let set = self.sets.remove(position);
            self.sets.push(set);
        }
        self.sets.last().map(|(_, set)| Arc::clone(set))
    }
}

impl Set {
    /// Verifies a token, or remembers that it was.
    pub(super) fn verify(&self, token: &str, allowed: Algorithms) -> Result<Arc<Verified>, Refused> {
        if let Some(verified) = self.seen.find(token, allowed) {
            return Ok(verified);
        }
        let verified = Arc::new(jws::verify(token, &self.keys, allowed)?);
        self.seen.add(token, allowed, Arc::clone(&verified));
        Ok(verified)
    }
}

fn short(digest: &Digest) -> Digest32 {
    let mut short = [0; 32];
    short.copy_from_slice(digest.as_ref());
    short
}

/// The keys of a text, and why some cannot be used. Fails if none can.
fn parse(text: &str) -> Result<(Vec<Key>, Vec<String>), String> {
    let made: Vec<_> = if text.trim_start().starts_with('{') {
        let object = json::object(text.as_bytes()).map_err(|wrong| match wrong {
            json::Wrong::Syntax => "it is not JSON".to_owned(),
            json::Wrong::Twice => "it has a name twice".to_owned(),
        })?;
        match object.get("keys") {
            Some(serde_json::Value::Array(keys)) if keys.len() <= KEYS => keys.iter().map(Key::of_jwk).collect(),
            Some(serde_json::Value::Array(_)) => return Err(format!("a key set has at most {KEYS} keys")),
            Some(_) => return Err("`keys` is not a list".to_owned()),
            None => vec![Key::of_jwk(&object.into())],
        }
    } else {
        match pem::public_keys(text)? {
            keys if keys.len() <= KEYS => keys.iter().map(|der| Key::of_spki(der)).collect(),
            _ => return Err(format!("a key set has at most {KEYS} keys")),
        }
    };
    let (mut keys, mut refused) = (Vec::with_capacity(made.len()), Vec::new());
    for (position, key) in made.into_iter().enumerate() {
        match key {
            Ok(key) => keys.push(key),
            Err(reason) => refused.push(format!("key {}: {reason}", position + 1)),
        }
    }
    match keys.is_empty() {
        true if refused.is_empty() => Err("there is no key in it".to_owned()),
        true => Err(refused.join("; ")),
        false => Ok((keys, refused)),
    }
}
