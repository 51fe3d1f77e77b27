//! One key, and what it can verify: taken from a JWK (RFC 7517) only if it is of the right type, size and use.

use super::algorithm::{self, Algorithm, EC, HMAC, RSA};
use crate::capabilities::quoted;
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{ED25519, ParsedPublicKey, RsaParameters, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Deserialize;

/// Bits of an RSA modulus.
const MODULUS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// Bytes of a secret.
const SECRET: usize = 1024;

/// A key that is parsed, so that a verification does not have to.
pub(super) struct Key {
    /// By which a token names it.
    pub(super) kid: Option<String>,
    /// One for each algorithm that it may be used with.
    verifiers: Vec<(Algorithm, Verifier)>,
}

pub(super) enum Verifier {
    Public(ParsedPublicKey),
    Secret(Box<hmac::Key>),
}

impl Verifier {
    /// Whether this key signed this message. Secrets are compared in constant time.
    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Public(key) => key.verify_sig(message, signature).is_ok(),
            Self::Secret(key) => hmac::verify(key, message, signature).is_ok(),
        }
    }
}

/// A JWK as it is written. Names that are not here are left alone (RFC 7517 section 4).
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    k: Option<String>,
    d: Option<serde::de::IgnoredAny>,
}

impl Key {
    /// What can be made of a JWK, or why nothing can.
    pub(super) fn of_jwk(jwk: &serde_json::Value) -> Result<Self, String> {
        let jwk = Jwk::deserialize(jwk).map_err(|error| error.to_string())?;
        if jwk.purpose.as_deref().is_some_and(|purpose| purpose != "sig") {
            return Err("its `use` is not `sig`".to_owned());
        }
        if jwk.key_ops.as_ref().is_some_and(|operations| !operations.iter().any(|operation| operation == "verify")) {
            return Err("its `key_ops` have no `verify`".to_owned());
        }
        let alg = match &jwk.alg {
            // There is no ES521; but many write it, the keys of well-known test vectors among them.
            Some(name) if name == "ES521" => Some(Algorithm::Es512),
            Some(name) => Some(algorithm::named(name).ok_or_else(|| format!("its `alg` is {}", quoted(name)))?),
            None => None,
        };
        let mut verifiers = match jwk.kty.as_str() {
            "RSA" => jwk.rsa(),
            "EC" => jwk.ec(),
            "OKP" => jwk.okp(),
            "oct" => jwk.oct(),
            other => Err(format!("its type {} is not supported", quoted(other))),
        }?;
        if let Some(alg) = alg {
            verifiers.retain(|(algorithm, _)| *algorithm == alg);
            if verifiers.is_empty() {
                return Err(format!("it cannot be used with its `alg`, {}", jwk.alg.unwrap_or_default()));
            }
        }
        Ok(Self { kid: jwk.kid, verifiers })
    }

    /// What can be made of a `SubjectPublicKeyInfo` (RFC 5280 4.1.2.7).
    pub(super) fn of_spki(der: &[u8]) -> Result<Self, String> {
        let one = |algorithm, key| vec![(algorithm, Verifier::Public(key))];
        let curve = EC.iter().find_map(|(algorithm, parameters, ..)| {
            ParsedPublicKey::new(*parameters, der).ok().map(|key| one(*algorithm, key))
        });
        let edwards = || ParsedPublicKey::new(&ED25519, der).ok().map(|key| one(Algorithm::Eddsa, key));
        let rsa = || {
            let parse = |(algorithm, parameters): &(Algorithm, &'static RsaParameters)| {
                Some((*algorithm, Verifier::Public(ParsedPublicKey::new(*parameters, der).ok()?)))
            };
            RSA.iter().map(parse).collect::<Option<Vec<_>>>()
        };
        let verifiers =
            curve.or_else(edwards).or_else(rsa).ok_or("it is no RSA, P-256, P-384, P-521 or Ed25519 key")?;
        Ok(Self { kid: None, verifiers })
    }

    /// How it verifies signatures of this algorithm, if it may.
    pub(super) fn verifier(&self, algorithm: Algorithm) -> Option<&Verifier> {
        self.verifiers.iter().find(|(known, _)| *known == algorithm).map(|(_, verifier)| verifier)
    }
}

type Made = Result<Vec<(Algorithm, Verifier)>, String>;

impl Jwk {
    fn rsa(&self) -> Made {
        let (n, e) = (self.public("n", self.n.as_deref())?, self.public("e", self.e.as_deref())?);
        let stripped = |bytes: &[u8]| bytes.iter().skip_while(|byte| **byte == 0).copied().collect::<Vec<u8>>();
        // Some issuers write the sign's zero byte, which RFC 7518 6.3.1.1 does not want; it changes nothing.
        let (n, e) = (stripped(&n), stripped(&e));
        let bits = n.len() * 8 - n.first().map_or(0, |byte| byte.leading_zeros() as usize);
        if !MODULUS.contains(&bits) {
            let (least, most) = MODULUS.into_inner();
            return Err(format!("it has {bits} bits; an RSA key has {least} to {most}"));
        }
        // NIST SP 800-89 5.3.3; with an exponent of 1 everything is its own signature.
        if !(1..=4).contains(&e.len()) || e == [1] || e.last().is_some_and(|last| last % 2 == 0) {
            return Err("its exponent is not odd, or not between 3 and 2^32".to_owned());
        }
        let components = RsaPublicKeyComponents { n, e };
        let parse = |(algorithm, parameters): &(Algorithm, &'static RsaParameters)| {
            let key = components.to_parsed_public_key(parameters).map_err(|_| "it is no RSA key".to_owned())?;
            Ok((*algorithm, Verifier::Public(key)))
        };
        RSA.iter().map(parse).collect()
    }

    fn ec(&self) -> Made {
        let curve = self.crv.as_deref().unwrap_or_default();
        let Some((algorithm, parameters, _, length)) = EC.iter().find(|(.., name, _)| *name == curve) else {
            return Err(format!("its curve {} is not supported", quoted(curve)));
        };
        let (x, y) = (self.public("x", self.x.as_deref())?, self.public("y", self.y.as_deref())?);
        if (x.len(), y.len()) != (*length, *length) {
            return Err(format!("`x` and `y` have {length} bytes each on {curve}"));
        }
        let point = [&[4], x.as_slice(), y.as_slice()].concat();
        let key = ParsedPublicKey::new(*parameters, point).map_err(|_| format!("it is no point of {curve}"))?;
        Ok(vec![(*algorithm, Verifier::Public(key))])
    }

    fn okp(&self) -> Made {
        let curve = self.crv.as_deref().unwrap_or_default();
        if curve != "Ed25519" {
            return Err(format!("its curve {} is not supported", quoted(curve)));
        }
        let x = self.public("x", self.x.as_deref())?;
        if x.len() != 32 {
            return Err("`x` has 32 bytes on Ed25519".to_owned());
        }
        let key = ParsedPublicKey::new(&ED25519, x).map_err(|_| "it is no Ed25519 key".to_owned())?;
        Ok(vec![(Algorithm::Eddsa, Verifier::Public(key))])
    }

    fn oct(&self) -> Made {
        let secret = self.bytes("k", self.k.as_deref())?;
        if secret.len() > SECRET {
            return Err(format!("a secret has at most {SECRET} bytes"));
        }
        let long_enough = HMAC.iter().filter(|(.., least)| secret.len() >= *least);
        let verifiers: Vec<_> = long_enough
            .map(|(algorithm, hash, _)| (*algorithm, Verifier::Secret(Box::new(hmac::Key::new(**hash, &secret)))))
            .collect();
        match verifiers.is_empty() {
            true => Err("a secret has at least 32 bytes (RFC 7518 section 3.2)".to_owned()),
            false => Ok(verifiers),
        }
    }

    /// A part of a public key. A private one does not belong where verifiers get their keys: somebody gave it away.
    fn public(&self, name: &str, value: Option<&str>) -> Result<Vec<u8>, String> {
        if self.d.is_some() {
            return Err("it is a private key".to_owned());
        }
        self.bytes(name, value)
    }

    fn bytes(&self, name: &str, value: Option<&str>) -> Result<Vec<u8>, String> {
        let value = value.ok_or_else(|| format!("it has no `{name}`"))?;
        BASE64_URL_SAFE_NO_PAD.decode(value).map_err(|_| format!("`{name}` is not base64url without padding"))
    }
}
