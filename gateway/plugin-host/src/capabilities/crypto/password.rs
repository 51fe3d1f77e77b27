//! Passwords against their hashes. Such a hash is made to be slow, so it runs on threads that serve nothing else, few at once, and
//! what was right is remembered for a while.

use crate::abi::gateway::wit::types::Error;
use crate::capabilities::{invalid, quoted};
use argon2::password_hash::PasswordVerifier as _;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, Params};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use gateway_core::clock;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Bytes of a password; of bcrypt's no more than 72 count, so none that is longer is right.
const PASSWORD: usize = 1024;
const BCRYPT: usize = 72;

/// bcrypt's cost: a second or so. argon2's memory in KiB, passes, and both multiplied.
const COST: u32 = 14;
const MEMORY: u32 = 256 << 10;
const PASSES: u32 = 16;
const WORK: u64 = 1 << 20;

/// How long, and how many of them, are remembered.
const REMEMBERED: Duration = Duration::from_secs(300);
const ENTRIES: usize = 1024;

/// How many of one plugin are hashed or wait for it. They hold instances; the others are for those who are known.
const QUEUE: usize = 16;

/// How many are hashed at once in this process.
pub(crate) fn permits() -> Arc<Semaphore> {
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    Arc::new(Semaphore::new(threads.div_ceil(2)))
}

/// The right ones of one plugin.
pub(super) struct Passwords {
    /// Drawn by this process: what is kept is of no use elsewhere.
    key: hmac::Key,
    right: Mutex<HashMap<[u8; 32], Instant>>,
    permits: Arc<Semaphore>,
    queue: Semaphore,
}

impl Passwords {
    pub(super) fn new(permits: Arc<Semaphore>) -> Self {
        Self { key: Self::draw(), right: Mutex::default(), permits, queue: Semaphore::new(QUEUE) }
    }

    #[expect(
        clippy::expect_used,
        reason = "a system without randomness: TLS and request ids would not have come this far"
    )]
    fn draw() -> hmac::Key {
        hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).expect("randomness")
    }

    /// Whether it is the one that was hashed, by the deadline.
    pub(super) async fn verify(&self, hash: String, password: String, deadline: Instant) -> Result<bool, Error> {
        let hash = Hash::parse(hash)?;
        if password.len() > PASSWORD {
            return Ok(false);
        }
        let known = self.tag(&hash, &password);
        if self.is_known(&known, clock::now()) {
            return Ok(true);
        }
        let full = |_| Error::Failed(format!("{QUEUE} passwords are being hashed already"));
        let _place = self.queue.try_acquire().map_err(full)?;
        let late = || Error::Failed("passwords could not be hashed in time".to_owned());
        let permit = tokio::time::timeout_at(deadline.into(), Arc::clone(&self.permits).acquire_owned()).await;
        let permit = permit.map_err(|_| late())?.map_err(|_| late())?;
        let verified = tokio::task::spawn_blocking(move || {
            // It goes when the work is done, not when somebody ceases to wait for it.
            let _permit = permit;
            hash.verify(&password)
        });
        let is_right = tokio::time::timeout_at(deadline.into(), verified).await.map_err(|_| late())?;
        let is_right = is_right.map_err(|_| Error::Failed("the password could not be hashed".to_owned()))?;
        if is_right {
            self.remember(known, clock::now());
        }
        Ok(is_right)
    }

    fn tag(&self, hash: &Hash, password: &str) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(hash.text().as_bytes());
        // A hash has no NUL, so the two cannot be taken apart elsewhere.
        context.update(&[0]);
        context.update(password.as_bytes());
        let mut tag = [0; 32];
        tag.copy_from_slice(context.sign().as_ref());
        tag
    }

    fn is_known(&self, tag: &[u8; 32], now: Instant) -> bool {
        self.right.lock().get(tag).is_some_and(|until| now < *until)
    }

    fn remember(&self, tag: [u8; 32], now: Instant) {
        let mut right = self.right.lock();
        if right.len() >= ENTRIES {
            right.retain(|_, until| now < *until);
        }
        // Rather one of them hashed again than the rule broken.
        if right.len() >= ENTRIES {
            right.clear();
        }
        right.insert(tag, now + REMEMBERED);
    }
}

/// A hash that is well-formed and does not cost too much.
enum Hash {
    Bcrypt(String),
    Argon2(String),
}

impl Hash {
    fn parse(text: String) -> Result<Self, Error> {
        let costly = || {
            Error::TooLarge(format!(
                "a hash costs at most bcrypt's {COST}, argon2's m={MEMORY} and t={PASSES}, m*t={WORK}"
            ))
        };
        if text.starts_with("$2") {
            let parts: bcrypt::HashParts = text.parse().map_err(|_| invalid("the hash is not bcrypt's"))?;
            return if parts.get_cost() > COST { Err(costly()) } else { Ok(Self::Bcrypt(text)) };
        }
        if text.starts_with("$argon2") {
            let hash = PasswordHash::new(&text).map_err(|_| invalid("the hash is not argon2's"))?;
            let parameters =
                Params::try_from(&hash).map_err(|_| invalid("the hash has parameters that argon2 has not"))?;
            let (memory, passes) = (parameters.m_cost(), parameters.t_cost());
            let is_costly = memory > MEMORY || passes > PASSES || u64::from(memory) * u64::from(passes) > WORK;
            return if is_costly { Err(costly()) } else { Ok(Self::Argon2(text)) };
        }
        let kind: String = text.chars().take(4).collect();
        Err(invalid(format!(
            "the hash begins with {}; bcrypt's `$2y$` and argon2's `$argon2id$` are supported",
            quoted(&kind)
        )))
    }

    fn text(&self) -> &str {
        match self {
            Self::Bcrypt(text) | Self::Argon2(text) => text,
        }
    }

    /// Takes long.
    fn verify(&self, password: &str) -> bool {
        match self {
            Self::Bcrypt(text) => password.len() <= BCRYPT && bcrypt::verify(password, text).unwrap_or(false),
            Self::Argon2(text) => PasswordHash::new(text)
                .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok()),
        }
    }
}
