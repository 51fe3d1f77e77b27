//! The query as a list of parameters.

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use std::borrow::Cow;
use std::fmt;

/// What is encoded in a name or a value: all that is not allowed in a query, what separates parameters, and `+`.
const ENCODED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'%')
    .add(b'&')
    .add(b'+')
    .add(b'=')
    .add(b'[')
    .add(b']');

/// The parameters of a query. Those that are not touched are written as they were read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query(Vec<String>);

impl Query {
    /// The parameters of a query without its `?`.
    #[must_use]
    pub fn parse(query: &str) -> Self {
        Self(query.split('&').filter(|parameter| !parameter.is_empty()).map(str::to_owned).collect())
    }

    /// The first value of this name, decoded; what is not UTF-8 is replaced.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<String> {
        self.0.iter().find(|parameter| is(parameter, name)).map(|parameter| decode(split(parameter).1).into_owned())
    }

    /// Each value of this name, decoded; what is not UTF-8 is replaced.
    pub fn all<'q>(&'q self, name: &'q str) -> impl Iterator<Item = String> + 'q {
        self.0
            .iter()
            .filter(move |parameter| is(parameter, name))
            .map(|parameter| decode(split(parameter).1).into_owned())
    }

    /// Adds a parameter at the end.
    pub fn add(&mut self, name: &str, value: &str) {
        self.0.push(encode(name, value));
    }

    /// Replaces every parameter of this name by one.
    pub fn set(&mut self, name: &str, value: &str) {
        self.remove(name);
        self.add(name, value);
    }

    /// Removes every parameter of this name, and gives whether there was one.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|parameter| !is(parameter, name));
        self.0.len() < before
    }

    /// Gives every parameter of this name another one.
    pub fn rename(&mut self, name: &str, to: &str) {
        for parameter in self.0.iter_mut().filter(|parameter| is(parameter, name)) {
            *parameter = encode(to, &decode(split(parameter).1));
        }
    }
}

impl fmt::Display for Query {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.join("&"))
    }
}

fn split(parameter: &str) -> (&str, &str) {
    parameter.split_once('=').unwrap_or((parameter, ""))
}

fn is(parameter: &str, name: &str) -> bool {
    decode(split(parameter).0) == name
}

fn encode(name: &str, value: &str) -> String {
    format!("{}={}", utf8_percent_encode(name, ENCODED), utf8_percent_encode(value, ENCODED))
}

/// As forms write it: `+` is a space.
fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains(['%', '+']) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_touched_stays() {
        let mut query = Query::parse("a=%41+b&&flag&b=1&b=2&c=%2f");
        assert_eq!(query.get("a").as_deref(), Some("A b"));
        assert_eq!(query.get("flag").as_deref(), Some(""));
        assert_eq!(query.all("b").collect::<Vec<_>>(), ["1", "2"]);
        query.set("b", "x y&z=+%");
        query.rename("flag", "f");
        assert!(query.remove("missing") || query.get("d").is_none());
        assert_eq!(query.to_string(), "a=%41+b&f=&c=%2f&b=x%20y%26z%3D%2B%25");
        assert_eq!(query.get("b").as_deref(), Some("x y&z=+%"));
    }
}
