//! What the fake gateway knows of the exchange that is being played.

use crate::crypto::{Refusal, Verified};
use crate::fetch::Request as Fetch;
use crate::log::Level;
use crate::{Error, Field, Response, Result};
use http::{HeaderName, HeaderValue};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// All attributes of an exchange together.
const ATTRIBUTES: usize = 16 * 1024;

/// What the names of facts begin with.
const FACTS: &str = "tls.";

/// The attributes that need the capability `identity`.
const SHARED: [&str; 3] = ["consumer", "claims", "groups"];

thread_local! {
    static STATE: RefCell<State> = RefCell::new(State::default());
}

/// How far the exchange is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    #[default]
    Request,
    /// Also an answering plugin's: the request cannot be changed any more.
    Sent,
    Response,
    Complete,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Message {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: Vec<Field>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    pub(crate) stage: Stage,
    pub(crate) config: String,
    pub(crate) capabilities: BTreeSet<String>,
    pub(crate) request: Message,
    pub(crate) scheme: String,
    pub(crate) authority: String,
    pub(crate) response: Option<Response>,
    pub(crate) id: String,
    pub(crate) route: String,
    pub(crate) client: String,
    pub(crate) params: Vec<(String, String)>,
    pub(crate) upstream: Option<String>,
    pub(crate) attributes: BTreeMap<String, Vec<u8>>,
    pub(crate) logs: Vec<(Level, String)>,
    pub(crate) metrics: BTreeMap<String, f64>,
    /// Values, and when they end.
    pub(crate) kv: BTreeMap<String, (Vec<u8>, Option<u64>)>,
    /// What was taken from budgets, and in which window of theirs.
    pub(crate) budgets: BTreeMap<(String, crate::limit::Algorithm, u64), (u64, u64)>,
    /// The store of budgets does not answer.
    pub(crate) budgets_away: bool,
    /// Nanoseconds since 1970.
    pub(crate) now: u64,
    pub(crate) random: u64,
    pub(crate) secrets: BTreeMap<String, String>,
    pub(crate) answers: Vec<(String, Result<Response>)>,
    pub(crate) fetches: Vec<Fetch>,
    /// Tokens, what the text of their keys contains, and what comes of verifying them.
    pub(crate) tokens: Vec<(String, String, Result<Verified, Refusal>)>,
    /// The key sets that were imported.
    pub(crate) key_sets: Vec<String>,
    /// Hashes and their passwords.
    pub(crate) passwords: Vec<(String, String)>,
    /// The hashes that passwords were verified against.
    pub(crate) hashed: Vec<String>,
}

/// Reads or changes the exchange of this thread.
pub(crate) fn with<T>(body: impl FnOnce(&mut State) -> T) -> T {
    STATE.with(|state| body(&mut state.borrow_mut()))
}

impl State {
    pub(crate) fn allow(&self, capability: &str) -> Result<()> {
        if self.capabilities.contains(capability) {
            return Ok(());
        }
        Err(Error::Denied(format!("`{capability}` is not among the `capabilities` of plugin.toml")))
    }

    pub(crate) fn sendable(&mut self) -> Result<&mut Message> {
        if self.stage == Stage::Request { Ok(&mut self.request) } else { Err(Error::WrongPhase) }
    }

    pub(crate) fn answered(&mut self) -> Result<&mut Response> {
        if self.stage != Stage::Response {
            return Err(Error::WrongPhase);
        }
        self.response.as_mut().ok_or(Error::WrongPhase)
    }

    pub(crate) fn set_attribute(&mut self, name: &str, value: &[u8]) -> Result<()> {
        if self.stage == Stage::Complete {
            return Err(Error::WrongPhase);
        }
        if name.is_empty() || name.contains('/') {
            return Err(Error::Invalid(format!("`{name}` is not a name of an attribute that can be written")));
        }
        if name.starts_with(FACTS) {
            return Err(Error::Invalid(format!("attributes whose names begin with `{FACTS}` are the gateway's own")));
        }
        if SHARED.contains(&name) {
            self.allow("identity")?;
        }
        let others = self.attributes.iter().filter(|(other, _)| *other != name);
        let size: usize = others.map(|(name, value)| name.len() + value.len()).sum();
        if size + name.len() + value.len() > ATTRIBUTES {
            return Err(Error::TooLarge(format!("the attributes of one exchange have at most {ATTRIBUTES} bytes")));
        }
        if name == SHARED[0] {
            self.attributes.retain(|name, _| !SHARED.contains(&name.as_str()));
        }
        if value.is_empty() {
            self.attributes.remove(name);
        } else {
            self.attributes.insert(name.to_owned(), value.to_vec());
        }
        Ok(())
    }

    pub(crate) fn identify(&mut self, consumer: &str, claims: &str, groups: &str) -> Result<()> {
        self.allow("identity")?;
        let before = self.attributes.clone();
        let mut pairs = SHARED.into_iter().zip([consumer, claims, groups]);
        let written = pairs.try_for_each(|(name, value)| self.set_attribute(name, value.as_bytes()));
        if written.is_err() {
            self.attributes = before;
        }
        written
    }

    pub(crate) fn fetch(&mut self, request: &Fetch) -> Result<Response> {
        self.allow("http")?;
        self.fetches.push(request.clone());
        let answer = self.answers.iter().find(|(url, _)| *url == request.url);
        answer.map_or_else(
            || Err(Error::Failed(format!("no answer is scripted for {}", request.url))),
            |(_, answer)| answer.clone(),
        )
    }
}

/// Fields that frame a message; a plugin never writes them.
fn is_reserved(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "content-length"
            | "host"
            | "http2-settings"
            | "keep-alive"
            | "proxy"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// A field that a plugin may write, in lower case.
pub(crate) fn field(name: &str, value: &[u8]) -> Result<Field> {
    let name = HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| Error::Invalid(format!("`{}` is not a field name", name.escape_debug())))?;
    if is_reserved(name.as_str()) {
        return Err(Error::Invalid(format!("`{name}` frames the message and is written by the gateway only")));
    }
    let value = HeaderValue::from_bytes(value.trim_ascii())
        .map_err(|_| Error::Invalid("a field's value has no control characters".to_owned()))?;
    Ok(Field { name: name.as_str().to_owned(), value: value.as_bytes().to_vec() })
}

/// The lines of a name as one.
pub(crate) fn joined(headers: &[Field], name: &str) -> Option<String> {
    let separator = if name.eq_ignore_ascii_case("cookie") { "; " } else { ", " };
    let mut lines = values(headers, name);
    if name.eq_ignore_ascii_case("set-cookie") {
        lines.truncate(1);
    }
    let lines: Option<Vec<_>> = lines.into_iter().map(|line| String::from_utf8(line).ok()).collect();
    lines.filter(|lines| !lines.is_empty()).map(|lines| lines.join(separator))
}

/// The lines of a name.
pub(crate) fn values(headers: &[Field], name: &str) -> Vec<Vec<u8>> {
    headers.iter().filter(|field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value.clone()).collect()
}
