//! A JWS in compact form (RFC 7515 section 7.1), read strictly: what has two readings is refused.

use super::algorithm::{self, Algorithm, Algorithms};
use super::json::{self, Wrong};
use super::key::Key;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

/// Bytes of a token.
pub(super) const TOKEN: usize = 16 << 10;

/// Keys that are tried for a token that does not say which.
const TRIES: usize = 8;

/// Header parameters that bring a key of the token's own choice, or say where to get one (RFC 8725 3.10).
const KEYS_OF_ITS_OWN: [&str; 4] = ["jwk", "jku", "x5u", "x5c"];

/// A token whose signature is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verified {
    pub(super) algorithm: Algorithm,
    pub(super) typ: Option<String>,
    pub(super) payload: Vec<u8>,
}

/// Why a token is not good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refused {
    Malformed(String),
    Algorithm,
    Key,
    Signature,
}

fn malformed<T>(text: impl Into<String>) -> Result<T, Refused> {
    Err(Refused::Malformed(text.into()))
}

/// Verifies a token by one of these keys, with one of these algorithms.
pub(super) fn verify(token: &str, keys: &[Key], allowed: Algorithms) -> Result<Verified, Refused> {
    if token.len() > TOKEN {
        return malformed(format!("it is longer than {TOKEN} bytes"));
    }
    let mut parts = token.split('.');
    let (Some(header), Some(payload), Some(signature), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return malformed("it has not three parts");
    };
    let header = Header::read(&decoded("header", header)?)?;
    if !allowed.has(header.algorithm) {
        return Err(Refused::Algorithm);
    }
    let payload = decoded("payload", payload)?;
    let bytes = decoded("signature", signature)?;
    let signed = token.get(..token.len() - signature.len() - 1).unwrap_or_default();
    let candidates = candidates(keys, &header)?;
    if !candidates.iter().any(|verifier| verifier.verify(signed.as_bytes(), &bytes)) {
        return Err(Refused::Signature);
    }
    // Last, because only what an issuer signed is worth the time.
    if json::check(&payload) == Err(Wrong::Twice) {
        return malformed("its payload has a name twice");
    }
    let Header { algorithm, typ, .. } = header;
    Ok(Verified { algorithm, typ, payload })
}

/// The keys that may have signed it: those of its `kid`, and those without one; all of them if it has none.
fn candidates<'k>(keys: &'k [Key], header: &Header) -> Result<Vec<&'k super::key::Verifier>, Refused> {
    let named = keys.iter().filter(|key| match (&key.kid, &header.kid) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    });
    let fitting: Vec<_> = named.filter_map(|key| key.verifier(header.algorithm)).collect();
    match fitting.len() {
        0 => Err(Refused::Key),
        1..=TRIES => Ok(fitting),
        _ => malformed("it does not say which key it was signed with, and there are many"),
    }
}

fn decoded(what: &str, text: &str) -> Result<Vec<u8>, Refused> {
    match BASE64_URL_SAFE_NO_PAD.decode(text) {
        Ok(bytes) => Ok(bytes),
        Err(_) => malformed(format!("its {what} is not base64url without padding")),
    }
}

/// What a header says, once it was found to say nothing that must not be.
struct Header {
    algorithm: Algorithm,
    kid: Option<String>,
    typ: Option<String>,
}

impl Header {
    fn read(text: &[u8]) -> Result<Self, Refused> {
        let header = match json::object(text) {
            Ok(header) => header,
            Err(Wrong::Syntax) => return malformed("its header is not a JSON object"),
            Err(Wrong::Twice) => return malformed("its header has a name twice"),
        };
        if header.contains_key("crit") {
            return malformed("its header has `crit`, of which nothing is supported");
        }
        // Only `crit` gives it a meaning (RFC 7797 section 6), and some libraries give it one all the same.
        if header.contains_key("b64") {
            return malformed("its header has `b64`");
        }
        if let Some(name) = KEYS_OF_ITS_OWN.iter().find(|name| header.contains_key(**name)) {
            return malformed(format!("its header has `{name}`, a key of its own choice"));
        }
        let Some(name) = text_of(&header, "alg")? else {
            return malformed("its header has no `alg`");
        };
        // `none` as well as what nobody knows: not among the allowed ones, whatever those are.
        let algorithm = algorithm::named(&name).ok_or(Refused::Algorithm)?;
        Ok(Self { algorithm, kid: text_of(&header, "kid")?, typ: text_of(&header, "typ")? })
    }
}

fn text_of(header: &Map<String, Value>, name: &str) -> Result<Option<String>, Refused> {
    match header.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => malformed(format!("`{name}` in its header is not text")),
    }
}
