//! Where in a request a token stands.

use plugin_sdk::{Result, request};

/// Where one may stand; the first place that has one is taken.
pub(crate) struct Places {
    /// In lower case.
    pub(crate) header: String,
    pub(crate) cookie: Option<String>,
    pub(crate) query: Option<String>,
}

/// A token, and where it stood.
pub(crate) struct Token<'p> {
    pub(crate) text: String,
    place: Place<'p>,
}

enum Place<'p> {
    Header(&'p str),
    Cookie(&'p str),
    Query(&'p str),
}

impl Places {
    /// The token of the request. Fails where a place has two: those before and behind the gateway could take different ones.
    pub(crate) fn find(&self) -> Result<Option<Token<'_>>, String> {
        if let Some(mut text) = request::header(&self.header)
            && let Some(start) = self.credentials(&text)
        {
            text.drain(..start);
            return Ok(Some(Token { text, place: Place::Header(&self.header) }));
        }
        if let Some(name) = &self.cookie
            && let Some(text) = one(cookies(&request::header("cookie").unwrap_or_default(), name).map(str::to_owned))?
        {
            return Ok(Some(Token { text, place: Place::Cookie(name) }));
        }
        if let Some(name) = &self.query
            && let Some(text) = one(request::parameters().all(name))?
        {
            return Ok(Some(Token { text, place: Place::Query(name) }));
        }
        Ok(None)
    }

    /// Where the token begins in `Bearer TOKEN` (RFC 6750 2.1); in a field of its own the scheme may be left out.
    fn credentials(&self, value: &str) -> Option<usize> {
        match value.split_once(' ') {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("Bearer") => {
                Some(value.len() - rest.trim_start_matches(' ').len())
            }
            None if self.header != "authorization" => Some(0),
            _ => None,
        }
    }
}

fn one(mut found: impl Iterator<Item = String>) -> Result<Option<String>, String> {
    match (found.next(), found.next()) {
        (first, None) => Ok(first),
        _ => Err("there are two of it".to_owned()),
    }
}

/// The values of the cookies of this name (RFC 6265 4.2).
fn cookies<'v>(header: &'v str, name: &'v str) -> impl Iterator<Item = &'v str> {
    pairs(header).filter(move |(cookie, _)| *cookie == name).map(|(_, value)| value.trim_matches('"'))
}

fn pairs(header: &str) -> impl Iterator<Item = (&str, &str)> {
    header.split(';').filter_map(|pair| pair.trim().split_once('='))
}

impl Token<'_> {
    /// Takes it out of what the service gets.
    pub(crate) fn remove(&self) -> Result<()> {
        match self.place {
            Place::Header(name) => request::remove_header(name),
            Place::Cookie(name) => {
                let header = request::header("cookie").unwrap_or_default();
                let others: Vec<_> = header.split(';').map(str::trim).filter(|pair| !is_named(pair, name)).collect();
                match others.is_empty() {
                    true => request::remove_header("cookie"),
                    false => request::set_header("cookie", others.join("; ")),
                }
            }
            Place::Query(name) => {
                let mut query = request::parameters();
                query.remove(name);
                request::set_query(&query.to_string())
            }
        }
    }
}

fn is_named(pair: &str, name: &str) -> bool {
    pair.split_once('=').is_some_and(|(cookie, _)| cookie == name)
}
