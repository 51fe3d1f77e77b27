//! Text with `${…}` in it, for configurations that say what is made of a request.
//!
//! | `${…}` | stands for |
//! |---|---|
//! | `param.NAME` | what the route's path captured |
//! | `header.NAME`, `query.NAME`, `cookie.NAME` | of the request; a parameter or a cookie decoded |
//! | `attribute.NAME` | an attribute, as `consumer` or `plugin/name` |
//! | `claim.NAME` | of the attribute `claims`; `claim.address.city` is one inside another; lists with commas, objects as JSON |
//! | `response.NAME`, `status` | a field and the status of the response, once there is one |
//! | `method`, `scheme`, `host`, `path`, `route`, `id`, `client` | of the request |
//!
//! `${header.x-tenant:-none}` is `none` where there is no such field, or an empty one. `$${` is a plain `${`.

use crate::claims::{Claims, Names};
use crate::{attribute, exchange, path, request, response};
use serde_json::Value;

/// Text with places to be filled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Place { source: Source, default: Option<String> },
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    Param(String),
    Attribute(String),
    Claim { path: String, names: Names },
    Header(String),
    Query(String),
    Cookie(String),
    Response(String),
    Status,
    Method,
    Scheme,
    Host,
    Path,
    Route,
    Id,
    Client,
}

impl Template {
    /// Reads a text.
    ///
    /// # Errors
    /// What is wrong with it: a `${` that is not closed, or that stands for nothing.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            if let Some(before) = before.strip_suffix('$') {
                parts.push(Part::Text(format!("{before}${{")));
                rest = after;
                continue;
            }
            let (place, after) = after.split_once('}').ok_or_else(|| format!("`${{{after}` has no `}}`"))?;
            parts.push(Part::Text(before.to_owned()));
            let (source, default) = match place.split_once(":-") {
                Some((source, default)) => (source, Some(default.to_owned())),
                None => (place, None),
            };
            parts.push(Part::Place { source: Source::parse(source)?, default });
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        parts.retain(|part| !matches!(part, Part::Text(text) if text.is_empty()));
        Ok(Self(parts))
    }

    /// The text for this exchange; none where something is absent.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        self.fill(Some)
    }

    /// The text as a path: a value stays in its segment. None also where one is empty, or makes a segment `.` or `..`: no
    /// encoding keeps that from being another path.
    #[must_use]
    pub fn path(&self) -> Option<String> {
        let path = self.fill(|value| (!value.is_empty()).then(|| path::segment(&value)))?;
        if path.split('/').any(|segment| matches!(segment, "." | "..")) {
            crate::warn!("a path is left out: a segment would be `.` or `..`");
            return None;
        }
        Some(path)
    }

    /// The text as JSON: a value stays in the string that it stands in.
    #[must_use]
    pub fn json(&self) -> Option<String> {
        self.fill(|value| {
            let quoted = Value::String(value).to_string();
            quoted.strip_prefix('"')?.strip_suffix('"').map(str::to_owned)
        })
    }

    /// Whether it is the same for every exchange.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.0.iter().all(|part| matches!(part, Part::Text(_)))
    }

    fn fill(&self, encode: impl Fn(String) -> Option<String>) -> Option<String> {
        let mut filled = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => filled.push_str(text),
                // The only one that is a path already.
                Part::Place { source: Source::Path, .. } => filled.push_str(&request::path()),
                Part::Place { source, default: None } => filled.push_str(&encode(source.value()?)?),
                Part::Place { source, default: Some(default) } => {
                    let value = source.value().filter(|value| !value.is_empty());
                    filled.push_str(&encode(value.unwrap_or_else(|| default.clone()))?);
                }
            }
        }
        Some(filled)
    }
}

impl Source {
    fn parse(place: &str) -> Result<Self, String> {
        let (kind, name) = place.split_once('.').unwrap_or((place, ""));
        let name = name.to_owned();
        Ok(match (kind, name.is_empty()) {
            ("param", false) => Self::Param(name),
            ("attribute", false) => Self::Attribute(name),
            ("claim", false) => Self::Claim { names: Names::new([name.as_str()]), path: name },
            ("header", false) => Self::Header(name),
            ("query", false) => Self::Query(name),
            ("cookie", false) => Self::Cookie(name),
            ("response", false) => Self::Response(name),
            ("status", true) => Self::Status,
            ("method", true) => Self::Method,
            ("scheme", true) => Self::Scheme,
            ("host", true) => Self::Host,
            ("path", true) => Self::Path,
            ("route", true) => Self::Route,
            ("id", true) => Self::Id,
            ("client", true) => Self::Client,
            _ => {
                return Err(format!(
                    "`${{{place}}}` stands for nothing; there are param.NAME, attribute.NAME, claim.NAME, header.NAME, \
                     query.NAME, cookie.NAME, response.NAME, status, method, scheme, host, path, route, id and client"
                ));
            }
        })
    }

    fn value(&self) -> Option<String> {
        match self {
            Self::Param(name) => exchange::param(name),
            Self::Attribute(name) => attribute::get(name),
            Self::Claim { path, names } => {
                let claims = attribute::get_bytes(attribute::CLAIMS)?;
                Claims::parse(&claims, names).ok()?.text(path)
            }
            Self::Header(name) => request::header(name),
            Self::Query(name) => request::parameter(name),
            Self::Cookie(name) => cookie(name),
            Self::Response(name) => response::header(name),
            Self::Status => Some(response::status()).filter(|status| *status > 0).map(|status| status.to_string()),
            Self::Method => Some(request::method().to_string()),
            Self::Scheme => Some(request::scheme()),
            Self::Host => Some(request::authority()),
            Self::Path => Some(request::path()),
            Self::Route => Some(exchange::route()),
            Self::Id => Some(exchange::id()),
            Self::Client => exchange::client_address().map(|address| address.to_string()),
        }
    }
}

/// A cookie's value (RFC 6265 5.4: pairs joined by `; `).
pub(crate) fn cookie(name: &str) -> Option<String> {
    let cookies = request::header("cookie")?;
    let pairs = cookies.split(';').filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = pairs.into_iter().find(|(known, _)| *known == name)?;
    Some(value.trim_matches('"').to_owned())
}
