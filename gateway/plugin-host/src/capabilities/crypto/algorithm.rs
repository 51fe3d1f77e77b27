//! The algorithms of RFC 7518 section 3.1 and RFC 8037 that a token may be signed with. `none` is not one of them.

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{self, EcdsaVerificationAlgorithm, RsaParameters};

pub(super) use crate::abi::gateway::wit::crypto::Algorithm;

use Algorithm::{Eddsa, Es256, Es384, Es512, Hs256, Hs384, Hs512, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};

/// Those of RSA keys, each with its padding and hash. aws-lc takes keys of 2048 to 8192 bits with these.
pub(super) const RSA: [(Algorithm, &RsaParameters); 6] = [
    (Rs256, &signature::RSA_PKCS1_2048_8192_SHA256),
    (Rs384, &signature::RSA_PKCS1_2048_8192_SHA384),
    (Rs512, &signature::RSA_PKCS1_2048_8192_SHA512),
    (Ps256, &signature::RSA_PSS_2048_8192_SHA256),
    (Ps384, &signature::RSA_PSS_2048_8192_SHA384),
    (Ps512, &signature::RSA_PSS_2048_8192_SHA512),
];

/// Those of elliptic curves, each with the one curve that it is for, and the bytes of a coordinate (RFC 7518 6.2.1).
pub(super) const EC: [(Algorithm, &EcdsaVerificationAlgorithm, &str, usize); 3] = [
    (Es256, &signature::ECDSA_P256_SHA256_FIXED, "P-256", 32),
    (Es384, &signature::ECDSA_P384_SHA384_FIXED, "P-384", 48),
    (Es512, &signature::ECDSA_P521_SHA512_FIXED, "P-521", 66),
];

/// Those of secrets, each with the bytes of its hash, which a secret must have (RFC 7518 3.2).
pub(super) const HMAC: [(Algorithm, &hmac::Algorithm, usize); 3] =
    [(Hs256, &hmac::HMAC_SHA256, 32), (Hs384, &hmac::HMAC_SHA384, 48), (Hs512, &hmac::HMAC_SHA512, 64)];

/// Their names as `alg` has them. Names are compared as they are: `rs256` is none.
const NAMES: [(Algorithm, &str); 13] = [
    (Rs256, "RS256"),
    (Rs384, "RS384"),
    (Rs512, "RS512"),
    (Ps256, "PS256"),
    (Ps384, "PS384"),
    (Ps512, "PS512"),
    (Es256, "ES256"),
    (Es384, "ES384"),
    (Es512, "ES512"),
    (Eddsa, "EdDSA"),
    (Hs256, "HS256"),
    (Hs384, "HS384"),
    (Hs512, "HS512"),
];

/// The algorithm of this name.
pub(super) fn named(name: &str) -> Option<Algorithm> {
    NAMES.into_iter().find(|(_, known)| *known == name).map(|(algorithm, _)| algorithm)
}

/// Every one.
pub(super) fn all() -> [Algorithm; 13] {
    NAMES.map(|(algorithm, _)| algorithm)
}

/// Several of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Algorithms(u16);

impl Algorithms {
    pub(super) fn of(algorithms: &[Algorithm]) -> Self {
        Self(algorithms.iter().fold(0, |bits, algorithm| bits | 1 << *algorithm as u16))
    }

    pub(super) fn has(self, algorithm: Algorithm) -> bool {
        self.0 & 1 << algorithm as u16 != 0
    }
}
