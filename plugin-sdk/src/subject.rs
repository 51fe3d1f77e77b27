//! Whom a request counts for: what rate limits, quotas and the like are kept for, as a configuration writes it.

use crate::{attribute, exchange, request};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::net::IpAddr;

/// A part of a key, in bytes; longer ones stand for themselves by their beginning and a hash.
const LONGEST: usize = 100;

/// All parts together, in bytes.
const WHOLE: usize = 300;

/// Whom a request counts for. In a configuration: `"consumer"`, `"address"`, `"route"`, `"everybody"`, `{ header = "x-tenant" }`,
/// `{ param = "tenant" }`, `{ attribute = "plugin/name" }`, or a list of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Consumer,
    Address,
    Route,
    Header(String),
    Param(String),
    Attribute(String),
}

impl Subject {
    /// The consumer, and for a request without one its address.
    #[must_use]
    pub fn consumer() -> Self {
        Self(vec![Part::Consumer])
    }

    /// Everybody together.
    #[must_use]
    pub fn everybody() -> Self {
        Self(Vec::new())
    }

    /// Whom the present request counts for, in one word: the same for two requests exactly when they count for the same. An IPv6
    /// address counts by its first 64 bits, since whoever has one has all of those. What is absent counts for all
    /// that lack it.
    #[must_use]
    pub fn key(&self) -> String {
        let parts: Vec<String> = self.0.iter().map(Part::key).collect();
        let key = parts.join("|");
        match key.len() {
            0..=WHOLE => key,
            _ => format!("~{:016x}{:016x}", hash(&key, 0), hash(&key, 1)),
        }
    }
}

impl Part {
    fn key(&self) -> String {
        match self {
            Self::Consumer => match attribute::get(attribute::CONSUMER) {
                Some(consumer) => format!("c:{}", bounded(&consumer)),
                None => Self::Address.key(),
            },
            Self::Address => match exchange::client_address().map(|address| address.to_canonical()) {
                Some(IpAddr::V6(address)) => {
                    let [first, second, third, fourth, ..] = address.segments();
                    format!("a:{first:x}:{second:x}:{third:x}:{fourth:x}")
                }
                Some(IpAddr::V4(address)) => format!("a:{address}"),
                None => "a".to_owned(),
            },
            Self::Route => format!("r:{}", bounded(&exchange::route())),
            Self::Header(name) => named("h", name, request::header(name)),
            Self::Param(name) => named("p", name, exchange::param(name)),
            Self::Attribute(name) => named("t", name, attribute::get(name)),
        }
    }
}

/// With its name: `acme` in one header is not who `acme` in another is.
fn named(kind: &str, name: &str, value: Option<String>) -> String {
    let name = bounded(name).replace(':', "%3A");
    match value {
        Some(value) => format!("{kind}:{name}:{}", bounded(&value)),
        None => format!("{kind}:{name}"),
    }
}

/// A value without what separates parts, and not too long.
fn bounded(value: &str) -> String {
    let plain = value.replace('%', "%25").replace('|', "%7C");
    if plain.len() <= LONGEST {
        return plain;
    }
    let beginning: String = plain.chars().take(LONGEST / 4).collect();
    format!("{beginning}%~{:016x}{:016x}", hash(value, 0), hash(value, 1))
}

/// FNV-1a: the same in every gateway that counts together. Whoever makes two long values meet shares one budget between them.
fn hash(value: &str, seed: u64) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325 ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    value.bytes().fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

impl<'de> Deserialize<'de> for Subject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Parts)
    }
}

struct Parts;

impl<'de> Visitor<'de> for Parts {
    type Value = Subject;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("`consumer`, `address`, `route`, `everybody`, { header = \"…\" }, { param = \"…\" }, { attribute = \"…\" } or a list of these")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Subject, E> {
        let part = match text {
            "consumer" => Part::Consumer,
            "address" => Part::Address,
            "route" => Part::Route,
            "everybody" => return Ok(Subject::everybody()),
            _ => return Err(E::unknown_variant(text, &["consumer", "address", "route", "everybody"])),
        };
        Ok(Subject(vec![part]))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut table: A) -> Result<Subject, A::Error> {
        let Some((kind, name)) = table.next_entry::<String, String>()? else {
            return Err(A::Error::custom("one of `header`, `param` and `attribute` must be given"));
        };
        if table.next_key::<String>()?.is_some() {
            return Err(A::Error::custom("only one of `header`, `param` and `attribute` may be given"));
        }
        let part = match kind.as_str() {
            // Names of fields have no case.
            "header" => Part::Header(name.to_ascii_lowercase()),
            "param" => Part::Param(name),
            "attribute" => Part::Attribute(name),
            _ => return Err(A::Error::unknown_field(&kind, &["header", "param", "attribute"])),
        };
        Ok(Subject(vec![part]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Subject, A::Error> {
        let mut parts = Vec::new();
        while let Some(Subject(more)) = list.next_element()? {
            parts.extend(more);
        }
        match parts.is_empty() {
            true => Err(A::Error::custom("a list of whom a request counts for must not be empty")),
            false => Ok(Subject(parts)),
        }
    }
}
