//! What may be written as `config`.

use crate::Jwt;
use crate::issuer::Issuer;
use crate::keys::{Rhythm, Source};
use crate::place::Places;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use plugin_sdk::claims::Names;
use plugin_sdk::crypto::Algorithm;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// The table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Config {
    issuers: Vec<Written>,
    #[serde(default = "authorization")]
    header: String,
    cookie: Option<String>,
    query: Option<String>,
    #[serde(default = "sub")]
    consumer: String,
    #[serde(default = "groups")]
    groups: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    parameters: BTreeMap<String, String>,
    #[serde(default)]
    leeway: u64,
    #[serde(default = "yes")]
    forward: bool,
    #[serde(default)]
    optional: bool,
    #[serde(default = "gateway")]
    realm: String,
}

/// One of `issuers`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Written {
    issuer: Option<String>,
    #[serde(default)]
    audiences: Vec<String>,
    algorithms: Option<Vec<String>>,
    jwks_url: Option<String>,
    jwks: Option<Value>,
    pem: Option<String>,
    shared_secret: Option<String>,
    #[serde(default = "exp")]
    required: Vec<String>,
    #[serde(rename = "type")]
    typ: Option<String>,
    consumer: Option<String>,
    #[serde(default)]
    prefix: String,
    #[serde(default = "ten_minutes")]
    refresh: u64,
    #[serde(default = "five_seconds")]
    cooldown: u64,
    #[serde(default = "a_day")]
    keep: u64,
}

fn authorization() -> String {
    "authorization".to_owned()
}

fn sub() -> String {
    "sub".to_owned()
}

fn groups() -> String {
    "groups".to_owned()
}

fn gateway() -> String {
    "gateway".to_owned()
}

fn exp() -> Vec<String> {
    vec!["exp".to_owned()]
}

fn yes() -> bool {
    true
}

fn ten_minutes() -> u64 {
    600
}

fn five_seconds() -> u64 {
    5
}

fn a_day() -> u64 {
    86_400
}

impl Config {
    pub(crate) fn build(self) -> Result<Jwt, String> {
        if self.issuers.is_empty() {
            return Err("`issuers` is empty: nobody could ever be let in".to_owned());
        }
        if self.realm.contains(['"', '\\']) || self.realm.contains(char::is_control) {
            return Err("`realm` has a quote, a backslash or a control character".to_owned());
        }
        let told = self.headers.values().chain(self.parameters.values());
        let shared =
            Shared { consumer: &self.consumer, groups: &self.groups, told: told.map(String::as_str).collect() };
        let several = self.issuers.len() > 1;
        let mut issuers: Vec<Issuer> = Vec::with_capacity(self.issuers.len());
        for (position, written) in self.issuers.into_iter().enumerate() {
            let place = |message: String| format!("`issuers[{position}]`: {message}");
            if several && written.issuer.is_none() {
                return Err(place("where there are several, each has an `issuer`".to_owned()));
            }
            if issuers.iter().any(|other| other.name == written.issuer) {
                return Err(place("another one has the same `issuer`".to_owned()));
            }
            issuers.push(written.build(&shared, self.leeway).map_err(place)?);
        }
        Ok(Jwt {
            places: Places { header: self.header.to_ascii_lowercase(), cookie: self.cookie, query: self.query },
            issuers,
            headers: self.headers.into_iter().collect(),
            parameters: self.parameters.into_iter().collect(),
            forward: self.forward,
            optional: self.optional,
            realm: self.realm,
        })
    }
}

/// Claims that are asked for whoever the issuer is.
struct Shared<'c> {
    consumer: &'c str,
    groups: &'c str,
    /// Those that the service is told.
    told: Vec<&'c str>,
}

impl Written {
    fn build(self, shared: &Shared<'_>, leeway: u64) -> Result<Issuer, String> {
        let rhythm = Rhythm {
            refresh: Duration::from_secs(self.refresh.max(1)),
            cooldown: Duration::from_secs(self.cooldown.max(1)),
            keep: Duration::from_secs(self.keep.max(self.refresh).max(1)),
        };
        let is_secret = self.shared_secret.is_some();
        let text = |keys: Value| match keys {
            Value::String(text) => text,
            table => table.to_string(),
        };
        let mut sources = [
            self.jwks_url.map(|url| Ok(Source::url(url, rhythm))),
            self.jwks.map(|keys| Source::fixed(text(keys))),
            self.pem.map(Source::fixed),
            self.shared_secret.map(|secret| {
                Source::fixed(json!({ "kty": "oct", "k": BASE64_URL_SAFE_NO_PAD.encode(secret) }).to_string())
            }),
        ]
        .into_iter()
        .flatten();
        let (Some(source), None) = (sources.next(), sources.next()) else {
            return Err(
                "exactly one of `jwks-url`, `jwks`, `pem` and `shared-secret` says where the keys are".to_owned()
            );
        };
        let is_usual = |algorithm: Algorithm| match is_secret {
            true => algorithm == Algorithm::Hs256,
            // Which of them a key fits is the key's own affair.
            false => !algorithm.is_symmetric(),
        };
        let algorithms = match self.algorithms {
            Some(names) => names.iter().map(|name| algorithm(name)).collect::<Result<Vec<_>, _>>()?,
            None => Algorithm::ALL.into_iter().map(|(one, _)| one).filter(|one| is_usual(*one)).collect(),
        };
        if algorithms.is_empty() {
            return Err("`algorithms` is empty: no token could ever be good".to_owned());
        }
        let consumer = self.consumer.unwrap_or_else(|| shared.consumer.to_owned());
        let asked = ["iss", "aud", "exp", "nbf", &consumer, shared.groups].into_iter();
        let wanted =
            Names::new(asked.chain(self.required.iter().map(String::as_str)).chain(shared.told.iter().copied()));
        Ok(Issuer {
            name: self.issuer,
            audiences: self.audiences,
            algorithms,
            source: source?,
            required: self.required,
            typ: self.typ,
            consumer,
            groups: shared.groups.to_owned(),
            prefix: self.prefix,
            wanted,
            leeway,
            known: Default::default(),
        })
    }
}

fn algorithm(name: &str) -> Result<Algorithm, String> {
    Algorithm::named(name).ok_or_else(|| {
        let all: Vec<_> = Algorithm::ALL.into_iter().map(|(_, name)| name).collect();
        format!("`algorithms`: `{name}` is none; there are {}", all.join(", "))
    })
}
