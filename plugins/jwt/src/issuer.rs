//! One issuer: whose keys verify a token, and what it has to say to be good here.

use crate::claims::Known;
use crate::keys::Source;
use plugin_sdk::claims::{Claims, Names};
use plugin_sdk::clock;
use plugin_sdk::crypto::{Algorithm, Refusal, Verified};
use serde_json::Value;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// Tokens whose claims an instance keeps in readable form.
const KNOWN: usize = 128;

/// An issuer of `issuers`.
pub(crate) struct Issuer {
    /// Its `iss`; none: whoever has the keys.
    pub(crate) name: Option<String>,
    /// One of them must be meant; none: nobody asks.
    pub(crate) audiences: Vec<String>,
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) source: Source,
    pub(crate) required: Vec<String>,
    pub(crate) typ: Option<String>,
    pub(crate) consumer: String,
    pub(crate) groups: String,
    pub(crate) prefix: String,
    /// All claims that somebody asks for.
    pub(crate) wanted: Names,
    /// Seconds by which clocks may differ.
    pub(crate) leeway: u64,
    /// What was read before.
    pub(crate) known: RefCell<HashMap<Tail, Read>>,
}

/// The end of a token's signature: as good as a hash, and it costs nothing.
type Tail = [u8; 16];

/// A payload, and what it says. It says nothing about who signed it: that is asked every time.
pub(crate) struct Read {
    payload: Vec<u8>,
    known: Rc<Known>,
}

/// Why a request is not let in.
#[derive(Debug)]
pub(crate) enum Problem {
    /// The token is not good. Reads after "the token is not valid".
    Invalid(String),
    /// The issuer has not given its keys.
    NoKeys,
}

impl Problem {
    pub(crate) fn of(text: &str) -> Self {
        Self::Invalid(text.to_owned())
    }
}

impl Issuer {
    /// What a token says, if this issuer signed it and it is in force.
    pub(crate) fn judge(&self, token: &str) -> Result<Rc<Known>, Problem> {
        let verified = self.source.verify(token, &self.algorithms).map_err(|refusal| match refusal {
            None => Problem::NoKeys,
            Some(Refusal::Failed(error)) => {
                plugin_sdk::error!("a token could not be verified: {error}");
                Problem::NoKeys
            }
            Some(refusal) => Problem::Invalid(refusal.to_string()),
        })?;
        if let Some(typ) = &self.typ
            && !is_type(verified.typ.as_deref().unwrap_or_default(), typ)
        {
            return Err(Problem::of("its type is another one"));
        }
        let known = self.read(token, verified).map_err(Problem::Invalid)?;
        self.in_force(&known).map_err(Problem::of)?;
        Ok(known)
    }

    /// What does not change with the time, read once.
    fn read(&self, token: &str, Verified { payload, .. }: Verified) -> Result<Rc<Known>, String> {
        let tail = token.as_bytes().last_chunk().copied().unwrap_or_default();
        if let Some(read) = self.known.borrow().get(&tail)
            && is_same(&read.payload, &payload)
        {
            return Ok(Rc::clone(&read.known));
        }
        let claims = Claims::parse(&payload, &self.wanted).map_err(|_| "its claims are no JSON object".to_owned())?;
        self.check(&claims)?;
        let consumer = match claims.find(&self.consumer) {
            Some(Value::String(text)) if !text.is_empty() => format!("{}{text}", self.prefix),
            Some(Value::Number(number)) => format!("{}{number}", self.prefix),
            _ => return Err(format!("its `{}` does not name anybody", self.consumer.escape_default())),
        };
        let groups = claims.list(&self.groups);
        let text = String::from_utf8(payload.clone()).map_err(|_| "its claims are no JSON object".to_owned())?;
        let known = Rc::new(Known::new(claims, text, consumer, groups)?);
        let mut all = self.known.borrow_mut();
        if all.len() >= KNOWN {
            all.clear();
        }
        all.insert(tail, Read { payload, known: Rc::clone(&known) });
        Ok(known)
    }

    fn check(&self, claims: &Claims) -> Result<(), String> {
        if let Some(name) = &self.name
            && claims.get("iss").and_then(Value::as_str) != Some(name)
        {
            return Err("its issuer is not known".to_owned());
        }
        if !self.audiences.is_empty() {
            let is_meant =
                |value: &Value| value.as_str().is_some_and(|value| self.audiences.iter().any(|one| one == value));
            let meant = match claims.get("aud") {
                Some(Value::Array(all)) => all.iter().any(is_meant),
                Some(one) => is_meant(one),
                None => false,
            };
            if !meant {
                return Err("it is meant for another audience".to_owned());
            }
        }
        let absent = self.required.iter().find(|name| claims.find(name).is_none_or(Value::is_null));
        absent.map_or(Ok(()), |name| Err(format!("it has no `{}`", name.escape_default())))
    }

    /// RFC 7519 4.1.4 and 4.1.5: before `exp`, not before `nbf`.
    fn in_force(&self, known: &Known) -> Result<(), &'static str> {
        #[expect(clippy::cast_precision_loss, reason = "nobody writes 2^52 seconds")]
        let (now, leeway) = (clock::now().as_secs_f64(), self.leeway as f64);
        if known.expires.is_some_and(|expires| now >= expires + leeway) {
            return Err("it has expired");
        }
        if known.begins.is_some_and(|begins| now + leeway < begins) {
            return Err("it is not in force yet");
        }
        Ok(())
    }
}

/// Eight bytes at once: byte by byte, as WebAssembly has it, it would be a third of what a token costs that came before.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    let ((ones, rest), (others, other_rest)) = (one.as_chunks(), other.as_chunks());
    one.len() == other.len()
        && ones.iter().zip(others).all(|(one, other)| u64::from_ne_bytes(*one) == u64::from_ne_bytes(*other))
        && rest == other_rest
}

/// RFC 7515 4.1.9: `application/` may be left out, and case does not matter.
fn is_type(found: &str, wanted: &str) -> bool {
    let short = |name: &str| {
        let name = name.to_ascii_lowercase();
        name.strip_prefix("application/").map(str::to_owned).unwrap_or(name)
    };
    short(found) == short(wanted)
}
