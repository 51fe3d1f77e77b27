//! Signatures of tokens and hashes of passwords, verified by the gateway natively. `plugin.toml` asks for `crypto`, the
//! configuration grants it.
//!
//! ```no_run
//! use plugin_sdk::crypto::{self, Refusal};
//! # fn phase(jwks: &str, token: &str) -> plugin_sdk::Result<()> {
//! let keys = crypto::import_keys(jwks)?; // once; an instance keeps the number
//! match crypto::verify_jws(token, keys.id, &["RS256"]) {
//!     Ok(verified) => plugin_sdk::info!("{} signed {:?}", verified.algorithm, verified.payload),
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

/// A token whose signature is good. What it says is for the caller to judge: it may have expired long ago.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The header's `alg`.
    pub algorithm: String,
    /// The header's `kid`.
    pub kid: Option<String>,
    /// The header's `typ`.
    pub typ: Option<String>,
    /// Where it is JSON, no object in it has a name twice.
    pub payload: Vec<u8>,
}

/// Why a token is not good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It was not looked at: not granted, no such key set, or an algorithm that does not exist.
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
/// has the same number, so every instance may import what it needs. At most 16 sets, of 100 keys and 256 KiB each; the set that
/// was used least lately makes room.
///
/// # Errors
/// No key in it is of use; the text says why.
pub fn import_keys(keys: &str) -> Result<KeySet> {
    sys::import_keys(keys)
}

/// Verifies a JWS in compact form, of at most 16 KiB, with one of these algorithms only (`RS256` to `RS512`, `PS…`, `ES…`, `EdDSA`,
/// `HS…`). Tokens that were verified are remembered as long as their key set, so that they cost little when they come again.
///
/// # Errors
/// It is not good, or was not looked at.
pub fn verify_jws<A: AsRef<str>>(token: &str, keys: u32, algorithms: &[A]) -> Result<Verified, Refusal> {
    let algorithms: Vec<String> = algorithms.iter().map(|name| name.as_ref().to_owned()).collect();
    sys::verify_jws(token, keys, &algorithms)
}

/// Whether a password is the one that was hashed: bcrypt (`$2y$…`) or argon2 (`$argon2id$…`). The gateway takes its time on threads
/// of its own; what was right is remembered for five minutes. At most 8 calls in one phase, and none in `configure`.
///
/// # Errors
/// The hash is malformed or costs too much, or it was not done in time.
pub fn verify_password(hash: &str, password: &str) -> Result<bool> {
    sys::verify_password(hash, password)
}
