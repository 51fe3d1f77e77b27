//! Patterns of paths: `/orders/*/lines`, `/admin/**`.

use serde::Deserialize;

/// `*` stands for one segment, `**` at the end for any rest, none included.
#[derive(Debug)]
pub(crate) struct Pattern {
    segments: Vec<String>,
    has_rest: bool,
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, String> {
        let Some(rest) = text.strip_prefix('/') else {
            return Err(format!("`{text}` is no path: it begins with no `/`"));
        };
        let (rest, has_rest) = match rest.strip_suffix("**") {
            Some("") => ("", true),
            Some(rest) if rest.ends_with('/') => (rest.trim_end_matches('/'), true),
            Some(_) => return Err(format!("`{text}`: `**` is a segment of its own")),
            None => (rest, false),
        };
        if rest.contains("**") || rest.split('/').any(|segment| segment.contains('*') && segment != "*") {
            return Err(format!("`{text}`: `*` is a segment of its own, and `**` the last one"));
        }
        let segments =
            if has_rest && rest.is_empty() { Vec::new() } else { rest.split('/').map(str::to_owned).collect() };
        Ok(Self { segments, has_rest })
    }

    /// Whether a path is like this. It is in the one normal form that the gateway gives it; a segment's parameters (`/admin;x`) hide it from
    /// no pattern, as they hide it from no route.
    pub(crate) fn fits(&self, path: &str) -> bool {
        let mut found = path.strip_prefix('/').unwrap_or(path).split('/');
        let is = |one: &str, wanted: &String| {
            wanted == "*" || wanted == one || one.split_once(';').is_some_and(|(bare, _)| bare == wanted)
        };
        let fit = self.segments.iter().all(|wanted| found.next().is_some_and(|one| is(one, wanted)));
        fit && (self.has_rest || found.next().is_none())
    }
}
