//! Text with `${…}` in it.

use plugin_sdk::{attribute, exchange, path, request};

/// Text with places to be filled.
pub(crate) struct Template(Vec<Part>);

enum Part {
    Text(String),
    Place(Place),
}

enum Place {
    Param(String),
    Attribute(String),
    Header(String),
    Query(String),
    Method,
    Path,
    Route,
    Id,
    Client,
}

impl Template {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
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
            parts.push(Part::Place(Place::parse(place)?));
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        parts.retain(|part| !matches!(part, Part::Text(text) if text.is_empty()));
        Ok(Self(parts))
    }

    /// The text for this exchange; none where something is absent.
    pub(crate) fn text(&self) -> Option<String> {
        self.fill(Some)
    }

    /// The text as a path: a value stays in its segment. None also where one is empty, or makes a segment `.` or `..`: no
    /// encoding keeps that from being another path.
    pub(crate) fn path(&self) -> Option<String> {
        let path = self.fill(|value| (!value.is_empty()).then(|| path::segment(&value)))?;
        if path.split('/').any(|segment| matches!(segment, "." | "..")) {
            plugin_sdk::warn!("`path` is left out: a segment would be `.` or `..`");
            return None;
        }
        Some(path)
    }

    fn fill(&self, encode: impl Fn(String) -> Option<String>) -> Option<String> {
        let mut filled = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => filled.push_str(text),
                // The only one that is a path already.
                Part::Place(Place::Path) => filled.push_str(&request::path()),
                Part::Place(place) => filled.push_str(&encode(place.value()?)?),
            }
        }
        Some(filled)
    }
}

impl Place {
    fn parse(place: &str) -> Result<Self, String> {
        let (kind, name) = place.split_once('.').unwrap_or((place, ""));
        let name = name.to_owned();
        Ok(match (kind, name.is_empty()) {
            ("param", false) => Self::Param(name),
            ("attribute", false) => Self::Attribute(name),
            ("header", false) => Self::Header(name),
            ("query", false) => Self::Query(name),
            ("method", true) => Self::Method,
            ("path", true) => Self::Path,
            ("route", true) => Self::Route,
            ("id", true) => Self::Id,
            ("client", true) => Self::Client,
            _ => {
                return Err(format!(
                    "`${{{place}}}` stands for nothing; there are param.NAME, attribute.NAME, header.NAME, query.NAME, \
                     method, path, route, id and client"
                ));
            }
        })
    }

    fn value(&self) -> Option<String> {
        match self {
            Self::Param(name) => exchange::param(name),
            Self::Attribute(name) => attribute::get(name),
            Self::Header(name) => request::header(name),
            Self::Query(name) => request::parameter(name),
            Self::Method => Some(request::method().to_string()),
            Self::Path => Some(request::path()),
            Self::Route => Some(exchange::route()),
            Self::Id => Some(exchange::id()),
            Self::Client => exchange::client_address().map(|address| address.to_string()),
        }
    }
}
