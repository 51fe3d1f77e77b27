//! Signatures of tokens and hashes of passwords, verified by the gateway natively. `plugin.toml` asks for `crypto`, the
//! configuration grants it.
//!
//! ```no_run
//! use plugin_sdk::crypto::{self, Algorithm, Refusal};
//! # fn phase(jwks: &str, token: &str) -> plugin_sdk::Result<()> {
//! let keys = crypto::import_keys(jwks)?; // once; an instance keeps the number
//! match crypto::verify_jws(token, keys.id, &[Algorithm::Rs256]) {
//!     Ok(verified) => plugin_sdk::info!("{:?} signed {:?}", verified.algorithm, verified.payload),
//!     Err(Refusal::Key) => plugin_sdk::info!("perhaps there are newer keys"),
//!     Err(refusal) => plugin_sdk::info!("refused: {refusal}"),
//! }
//! # Ok(()) }
//! ```

use crate::sys::crypto as sys;
use crate::{Error, Result};
use std::fmt;

/// What [`import_keys`] took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySet {
    /// The set, for [`verify_jws`].
    pub id: u32,
    /// Keys that can verify something.
    pub keys: u32,
    /// Why each of the others cannot: they are left out (RFC 7517 section 5).
    pub refused: Vec<String>,
}

/// How a token is signed (RFC 7518 section 3.1, RFC 8037).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are names")]
pub enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    Es512,
    Eddsa,
    Hs256,
    Hs384,
    Hs512,
}

impl Algorithm {
    /// All of them, with their names as a token's `alg` has them. `EdDSA` is Ed25519's.
    pub const ALL: [(Self, &'static str); 13] = [
        (Self::Rs256, "RS256"),
        (Self::Rs384, "RS384"),
        (Self::Rs512, "RS512"),
        (Self::Ps256, "PS256"),
        (Self::Ps384, "PS384"),
        (Self::Ps512, "PS512"),
        (Self::Es256, "ES256"),
        (Self::Es384, "ES384"),
        (Self::Es512, "ES512"),
        (Self::Eddsa, "EdDSA"),
        (Self::Hs256, "HS256"),
        (Self::Hs384, "HS384"),
        (Self::Hs512, "HS512"),
    ];

    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, known)| *known == name).map(|(algorithm, _)| algorithm)
    }

    /// What the bindings make of the number that the gateway gives: its place in [`Algorithm::ALL`].
    #[cfg(target_family = "wasm")]
    pub(crate) fn _lift(number: u8) -> Self {
        let known = Self::ALL.get(usize::from(number));
        known.map_or_else(|| std::process::abort(), |(algorithm, _)| *algorithm)
    }

    /// Whether it is by a secret that both sides know, not by a key of which one half is public.
    #[must_use]
    pub fn is_symmetric(self) -> bool {
        matches!(self, Self::Hs256 | Self::Hs384 | Self::Hs512)
    }
}

/// A token whose signature is good. What it says is for the caller to judge: it may have expired long ago.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The header's `alg`.
    pub algorithm: Algorithm,
    /// The header's `typ`.
    pub typ: Option<String>,
    /// Where it is JSON, no object in it has a name twice.
    pub payload: Vec<u8>,
}

/// Why a token is not good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It was not looked at: not granted, or no such key set.
    Failed(Error),
    /// It breaks a rule of RFC 7515 or RFC 8725; the text says which.
    Malformed(String),
    /// Its algorithm is not among the allowed ones.
    Algorithm,
    /// No key of the set has its `kid` and fits its algorithm: perhaps there are newer keys.
    Key,
    /// The signature is not this key's.
    Signature,
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => error.fmt(formatter),
            Self::Malformed(text) => formatter.write_str(text),
            Self::Algorithm => formatter.write_str("its algorithm is not allowed"),
            Self::Key => formatter.write_str("its key is not known"),
            Self::Signature => formatter.write_str("its signature is not good"),
        }
    }
}

impl std::error::Error for Refusal {}

/// Takes public keys or secrets: a JWK Set or a JWK (RFC 7517; a secret is one of type `oct`), or public keys in PEM. The same text
/// has the same number, so every instance may import what it needs. At most 32 sets, of 100 keys and 256 KiB each; the set that
/// was used least lately makes room.
///
/// # Errors
/// No key in it is of use; the text says why.
pub fn import_keys(keys: &str) -> Result<KeySet> {
    sys::import_keys(keys)
}

/// Verifies a JWS in compact form, of at most 16 KiB, if it is signed in one of these ways. Tokens that were verified are remembered
/// as long as their key set, so that they cost little when they come again.
///
/// # Errors
/// It is not good, or was not looked at.
pub fn verify_jws(token: &str, keys: u32, algorithms: &[Algorithm]) -> Result<Verified, Refusal> {
    sys::verify_jws(token, keys, algorithms)
}

/// Whether a password is the one that was hashed: bcrypt (`$2y$…`) or argon2 (`$argon2id$…`). The gateway takes its time on threads
/// of its own; what was right is remembered for five minutes. At most 8 calls in one phase, 16 of one plugin at once, and none
/// in `configure`.
///
/// # Errors
/// The hash is malformed or costs too much; too many are hashed ([`Error::Failed`]), or it was not done in time.
pub fn verify_password(hash: &str, password: &str) -> Result<bool> {
    sys::verify_password(hash, password)
}
