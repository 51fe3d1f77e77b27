//! An exchange as a test describes it.

use super::outcome::Outcome;
use super::run;
use super::state::{Message, State};
use crate::crypto::{Algorithm, Refusal, Verified};
use crate::{Error, Field, Plugin, Response};
use http::Method;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

/// An exchange to be played: a request, and what the world around it answers.
#[derive(Debug, Clone)]
pub struct Exchange {
    pub(super) state: State,
    pub(super) body: Vec<u8>,
    pub(super) service: Response,
}

impl Exchange {
    /// A request with this method and target (`/path?query`), from 192.0.2.1, to a service that answers 200.
    #[must_use]
    pub fn new(method: &Method, target: &str) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let request = Message {
            method: method.as_str().to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: Vec::new(),
        };
        let state = State {
            request,
            scheme: "http".to_owned(),
            authority: "gateway.example".to_owned(),
            client: "192.0.2.1".to_owned(),
            id: "test".to_owned(),
            route: "test".to_owned(),
            now: 1_750_000_000_000_000_000,
            capabilities: asked().into_iter().collect(),
            ..State::default()
        };
        Self { state, body: Vec::new(), service: Response::new(200) }
    }

    /// A `GET`.
    #[must_use]
    pub fn get(target: &str) -> Self {
        Self::new(&Method::GET, target)
    }

    /// A `POST`.
    #[must_use]
    pub fn post(target: &str) -> Self {
        Self::new(&Method::POST, target)
    }

    /// With one more header field.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.state.request.headers.push(Field { name: name.to_ascii_lowercase(), value: value.into() });
        self
    }

    /// With this body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// From this address.
    #[must_use]
    pub fn client(mut self, address: &str) -> Self {
        address.clone_into(&mut self.state.client);
        self
    }

    /// On this route.
    #[must_use]
    pub fn route(mut self, name: &str) -> Self {
        name.clone_into(&mut self.state.route);
        self
    }

    /// Where the route's path captured this.
    #[must_use]
    pub fn param(mut self, name: &str, value: &str) -> Self {
        self.state.params.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With an attribute that is set already: a shared one, `plugin/name` of another plugin, or a fact such as `tls.subject`.
    #[must_use]
    pub fn attribute(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.state.attributes.insert(name.to_owned(), value.into());
        self
    }

    /// With a secret that is granted.
    #[must_use]
    pub fn secret(mut self, name: &str, value: &str) -> Self {
        self.state.secrets.insert(name.to_owned(), value.to_owned());
        self
    }

    /// With a capability, as if `plugin.toml` asked for it.
    #[must_use]
    pub fn capability(mut self, name: &str) -> Self {
        self.state.capabilities.insert(name.to_owned());
        self
    }

    /// This much later than the others.
    #[must_use]
    pub fn later(mut self, by: Duration) -> Self {
        self.state.now += u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        self
    }

    /// After another one: what that left in `kv` is there, and what it took from budgets is gone.
    #[must_use]
    pub fn after(mut self, earlier: &Outcome) -> Self {
        self.state.kv.clone_from(&earlier.state.kv);
        self.state.budgets.clone_from(&earlier.state.budgets);
        self
    }

    /// While the store of budgets does not answer, and the configuration says to deny.
    #[must_use]
    pub fn budgets_away(mut self) -> Self {
        self.state.budgets_away = true;
        self
    }

    /// To a service that answers this.
    #[must_use]
    pub fn service(mut self, answer: Response) -> Self {
        self.service = answer;
        self
    }

    /// Where a fetch of this URL is answered so.
    #[must_use]
    pub fn fetch(mut self, url: &str, answer: Response) -> Self {
        self.state.answers.push((url.to_owned(), Ok(answer)));
        self
    }

    /// Where a fetch of this URL gets no answer.
    #[must_use]
    pub fn fetch_fails(mut self, url: &str, reason: &str) -> Self {
        self.state.answers.push((url.to_owned(), Err(Error::Failed(reason.to_owned()))));
        self
    }

    /// Where the signature of this token is good, made with RS256 and a key of a set whose text contains `keys`.
    #[must_use]
    pub fn token(self, token: &str, keys: &str, payload: &Value) -> Self {
        let verified = Verified {
            algorithm: Algorithm::Rs256,
            typ: Some("JWT".to_owned()),
            payload: payload.to_string().into_bytes(),
        };
        self.verified(token, keys, Ok(verified))
    }

    /// Where this comes of verifying a token, by a set whose text contains `keys`; by another one its key is not known.
    #[must_use]
    pub fn verified(mut self, token: &str, keys: &str, outcome: Result<Verified, Refusal>) -> Self {
        self.state.tokens.push((token.to_owned(), keys.to_owned(), outcome));
        self
    }

    /// Where this is the hash of this password.
    #[must_use]
    pub fn password(mut self, hash: &str, password: &str) -> Self {
        self.state.passwords.push((hash.to_owned(), password.to_owned()));
        self
    }

    /// Plays it with this configuration. Panics where the configuration is refused or a phase fails.
    #[must_use]
    #[track_caller]
    #[expect(clippy::panic, reason = "it is called by tests")]
    pub fn run<P: Plugin>(self, config: Value) -> Outcome {
        self.try_run::<P>(config).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Plays it with this configuration.
    ///
    /// # Errors
    /// The text with which `configure` refused the configuration, or why a phase failed.
    #[expect(clippy::needless_pass_by_value, reason = "`json!` makes values")]
    pub fn try_run<P: Plugin>(mut self, config: Value) -> Result<Outcome, String> {
        self.state.config = config.to_string();
        run::run::<P>(self)
    }
}

/// What `plugin.toml` asks for. `cargo test` runs in the folder of the crate.
#[expect(clippy::panic, reason = "it is called by tests")]
fn asked() -> Vec<String> {
    #[derive(serde::Deserialize)]
    struct Asked {
        #[serde(default)]
        capabilities: Vec<String>,
        #[serde(default)]
        optional: Vec<String>,
    }
    let path = Path::new("plugin.toml");
    if !path.exists() {
        return Vec::new();
    }
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string());
    let asked = text.and_then(|text| toml::from_str::<Asked>(&text).map_err(|error| error.to_string()));
    let Asked { capabilities, optional } = asked.unwrap_or_else(|error| panic!("plugin.toml: {error}"));
    [capabilities, optional].concat()
}
