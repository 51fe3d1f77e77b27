//! `crypto`: signatures of tokens and hashes of passwords, verified natively. The guest judges what was signed.
//!
//! Not here: anything about claims. A token that expired long ago has a good signature.

mod algorithm;
mod json;
mod jws;
mod key;
mod keys;
pub(crate) mod password;
mod pem;
mod seen;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;

use super::invalid;
use crate::abi::gateway::wit::crypto::{Algorithm, Host, KeySet, Refusal, Verified};
use crate::abi::gateway::wit::types::Error;
use crate::grant::Capability;
use crate::state::State;
use algorithm::Algorithms;
use jws::Refused;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Passwords of one phase of one exchange: what they cost is none of the guest's CPU time.
const PASSWORDS: u32 = 8;

/// What is kept for one plugin.
pub(crate) struct Crypto {
    sets: keys::Sets,
    passwords: password::Passwords,
}

impl Crypto {
    pub(crate) fn new(permits: Arc<Semaphore>) -> Self {
        Self { sets: keys::Sets::default(), passwords: password::Passwords::new(permits) }
    }
}

/// A key set, a line end, and a token: the token is also tried with the keys of RFC 7515 A.3 and RFC 8037 A.2, of which no corpus holds a token.
pub(crate) fn fuzz(data: &[u8]) {
    const OTHERS: &str = r#"{"keys":[
        {"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"},
        {"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (keys, token) = text.rsplit_once('\n').unwrap_or(("", text));
    let all = Algorithms::of(&algorithm::all());
    let sets = keys::Sets::default();
    if let Ok(set) = sets.import(keys) {
        let _ = set.verify(token, all);
    }
    if let Ok(set) = sets.import(OTHERS) {
        assert!(set.verify(token, all).is_err(), "a token that was never signed: {token}");
    }
}

impl State {
    fn may(&self, what: &str) -> Result<(), Error> {
        if self.settings.grants.crypto { Ok(()) } else { Err(self.denied(Capability::Crypto, what)) }
    }
}

impl Host for State {
    fn import_keys(&mut self, keys: String) -> Result<KeySet, Error> {
        self.may("`import-keys`")?;
        let set = self.kept.crypto.sets.import(&keys).map_err(invalid)?;
        let count = u32::try_from(set.keys.len()).unwrap_or(u32::MAX);
        Ok(KeySet { id: set.id, keys: count, refused: set.refused.clone() })
    }

    fn verify_jws(&mut self, token: String, keys: u32, algorithms: Vec<Algorithm>) -> Result<Verified, Refusal> {
        self.may("`verify-jws`").map_err(Refusal::Failed)?;
        let set = self.kept.crypto.sets.set(keys);
        let set =
            set.ok_or_else(|| Refusal::Failed(invalid(format!("there is no key set {keys}; import it again"))))?;
        match set.verify(&token, Algorithms::of(&algorithms)) {
            Ok(verified) => Ok(Verified {
                algorithm: verified.algorithm,
                typ: verified.typ.clone(),
                payload: verified.payload.clone(),
            }),
            Err(Refused::Malformed(text)) => Err(Refusal::Malformed(text)),
            Err(Refused::Algorithm) => Err(Refusal::Algorithm),
            Err(Refused::Key) => Err(Refusal::Key),
            Err(Refused::Signature) => Err(Refusal::Signature),
        }
    }

    async fn verify_password(&mut self, hash: String, password: String) -> Result<bool, Error> {
        self.may("`verify-password`")?;
        if self.exchange.is_none() {
            return Err(Error::WrongPhase);
        }
        if self.passwords >= PASSWORDS {
            return Err(Error::TooLarge(format!("a phase verifies at most {PASSWORDS} passwords")));
        }
        self.passwords += 1;
        let kept = Arc::clone(&self.kept);
        self.meter.pause();
        let verified = kept.crypto.passwords.verify(hash, password, self.meter.deadline()).await;
        self.meter.resume();
        verified
    }
}
