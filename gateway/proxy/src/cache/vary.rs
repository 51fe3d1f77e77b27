//! Which fields of a request an answer depends on (RFC 9111 4.1).

use http::header::{HeaderMap, HeaderName, VARY};

/// Fields that the gateway writes anew for each request, behind the cache: nothing that depends on them is the same twice.
const WRITTEN: [&str; 4] = ["forwarded", "via", "x-forwarded-for", "x-request-id"];

/// Fields that follow from what is in every key.
const KEYED: [&str; 3] = ["host", "x-forwarded-host", "x-forwarded-proto"];

/// The values that an answer was made for.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Selection(Vec<(HeaderName, Option<Box<[u8]>>)>);

/// Whether no other request can be told to be like this one.
pub(crate) fn is_endless(headers: &HeaderMap) -> bool {
    names(headers).any(|name| match name {
        b"*" => true,
        name => HeaderName::from_bytes(name).map_or(true, |name| WRITTEN.contains(&name.as_str())),
    })
}

impl Selection {
    /// What an answer with these fields depends on, of a request with those.
    pub(crate) fn of(answer: &HeaderMap, request: &HeaderMap) -> Self {
        let mut selection = Vec::new();
        for name in names(answer).filter_map(|name| HeaderName::from_bytes(name).ok()) {
            if !KEYED.contains(&name.as_str()) && !selection.iter().any(|(known, _)| *known == name) {
                let value = value(request, &name);
                selection.push((name, value));
            }
        }
        Self(selection)
    }

    /// Whether a request is like the one that the answer was made for.
    pub(crate) fn takes(&self, request: &HeaderMap) -> bool {
        self.0.iter().all(|(name, made_for)| match made_for {
            None => !request.contains_key(name),
            Some(made_for) => request.contains_key(name) && tokens(request, name).eq(elements(made_for)),
        })
    }

    /// Adds what a request has of it, to tell requests apart.
    pub(crate) fn key(&self, request: &HeaderMap, key: &mut Vec<u8>) {
        for (name, _) in &self.0 {
            let value = value(request, name);
            super::key::part(key, name.as_str().as_bytes());
            super::key::maybe(key, value.as_deref());
        }
    }

    pub(crate) fn size(&self) -> usize {
        self.0
            .iter()
            .map(|(name, value)| name.as_str().len() + value.as_ref().map_or(0, |value| value.len()) + 48)
            .sum()
    }
}

fn names(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    headers.get_all(VARY).iter().flat_map(|line| elements(line.as_bytes()))
}

/// A field's lines as one, however they were split and spaced: they mean the same.
fn value(headers: &HeaderMap, name: &HeaderName) -> Option<Box<[u8]>> {
    if !headers.contains_key(name) {
        return None;
    }
    let mut joined = Vec::new();
    for token in tokens(headers, name) {
        if !joined.is_empty() {
            joined.push(b',');
        }
        joined.extend_from_slice(token);
    }
    Some(joined.into_boxed_slice())
}

fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    headers.get_all(name).iter().flat_map(|line| elements(line.as_bytes()))
}

/// The elements of a list; empty ones are none (RFC 9110 5.6.1).
fn elements(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|element| !element.is_empty())
}
