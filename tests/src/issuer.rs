//! An issuer of tokens: its keys as a JWK Set, and whatever it is told to sign.

use crate::upstream::{Reply, Upstream};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

/// A key that signs, by its name.
pub struct Key {
    kid: String,
    pair: Pair,
}

enum Pair {
    /// RS256.
    Rsa(Box<RsaKeyPair>),
    /// ES256.
    Elliptic(EcdsaKeyPair),
    /// HS256.
    Secret(Vec<u8>),
}

/// As tokens and keys have it (RFC 7515 section 2).
#[must_use]
pub fn base64url(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// Seconds since 1970.
#[must_use]
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

impl Key {
    /// An RSA key of 2048 bits, for RS256.
    #[must_use]
    pub fn rsa(kid: &str) -> Self {
        Self { kid: kid.to_owned(), pair: Pair::Rsa(Box::new(RsaKeyPair::generate(KeySize::Rsa2048).unwrap())) }
    }

    /// A key on P-256, for ES256.
    #[must_use]
    pub fn elliptic(kid: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Self { kid: kid.to_owned(), pair: Pair::Elliptic(pair) }
    }

    /// A secret, for HS256.
    #[must_use]
    pub fn secret(kid: &str, secret: &[u8]) -> Self {
        Self { kid: kid.to_owned(), pair: Pair::Secret(secret.to_vec()) }
    }

    /// The algorithm that it signs with.
    #[must_use]
    pub fn algorithm(&self) -> &'static str {
        match self.pair {
            Pair::Rsa(_) => "RS256",
            Pair::Elliptic(_) => "ES256",
            Pair::Secret(_) => "HS256",
        }
    }

    /// What is public of it; of a secret, all.
    #[must_use]
    pub fn jwk(&self) -> Value {
        let kid = &self.kid;
        match &self.pair {
            Pair::Rsa(pair) => {
                let der = pair.public_key().as_ref();
                // `RSAPublicKey` of 2048 bits: a sequence, the modulus after its sign's byte, the exponent 65537.
                assert_eq!(&der[..9], [0x30, 0x82, 0x01, 0x0a, 0x02, 0x82, 0x01, 0x01, 0]);
                json!({ "kty": "RSA", "use": "sig", "kid": kid, "n": base64url(&der[9..265]), "e": "AQAB" })
            }
            Pair::Elliptic(pair) => {
                let point = pair.public_key().as_ref();
                let (x, y) = (base64url(&point[1..33]), base64url(&point[33..]));
                json!({ "kty": "EC", "use": "sig", "kid": kid, "crv": "P-256", "x": x, "y": y })
            }
            Pair::Secret(secret) => json!({ "kty": "oct", "kid": kid, "k": base64url(secret) }),
        }
    }

    /// Signs bytes.
    #[must_use]
    pub fn sign(&self, message: &str) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message.as_bytes(), &mut signature).unwrap();
                signature
            }
            Pair::Elliptic(pair) => pair.sign(&random, message.as_bytes()).unwrap().as_ref().to_vec(),
            Pair::Secret(secret) => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
                hmac::sign(&key, message.as_bytes()).as_ref().to_vec()
            }
        }
    }

    /// A token with this header and payload, whatever they are.
    #[must_use]
    pub fn token_of(&self, header: &str, payload: &str) -> String {
        let signed = format!("{}.{}", base64url(header), base64url(payload));
        let signature = base64url(self.sign(&signed));
        format!("{signed}.{signature}")
    }

    /// A token with these claims.
    #[must_use]
    pub fn token(&self, claims: &Value) -> String {
        let header = json!({ "alg": self.algorithm(), "kid": self.kid, "typ": "JWT" });
        self.token_of(&header.to_string(), &claims.to_string())
    }
}

/// A service that publishes keys at any path, and counts how often it is asked.
pub struct KeyServer {
    upstream: Upstream,
    published: Arc<Mutex<Option<String>>>,
}

impl KeyServer {
    /// Publishes these keys.
    #[must_use]
    pub fn start(keys: &[&Key]) -> Self {
        let published: Arc<Mutex<Option<String>>> = Arc::default();
        let kept = Arc::clone(&published);
        let upstream = Upstream::start(move |_| match &*kept.lock().unwrap() {
            Some(keys) => Reply::with("200 OK", "content-type: application/json\r\n", keys),
            None => Reply::with("500 Internal Server Error", "", "away"),
        });
        let server = Self { upstream, published };
        server.publish(keys);
        server
    }

    /// Publishes other ones from now on.
    pub fn publish(&self, keys: &[&Key]) {
        let keys: Vec<_> = keys.iter().map(|key| key.jwk()).collect();
        *self.published.lock().unwrap() = Some(json!({ "keys": keys }).to_string());
    }

    /// Answers 500 from now on.
    pub fn fail(&self) {
        *self.published.lock().unwrap() = None;
    }

    /// The service itself.
    #[must_use]
    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// A configuration's upstream `idp`.
    #[must_use]
    pub fn section(&self) -> String {
        format!("[upstream.idp]\nendpoints = [\"{}\"]\n", self.upstream.url())
    }

    /// How often it was asked.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.upstream.received().len()
    }
}
