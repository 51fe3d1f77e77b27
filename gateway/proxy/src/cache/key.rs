//! What tells one stored answer from another. Only what stands in a key may make an answer what it is; the rest has to be told by
//! the answer's `vary`.
//!
//! A key has every part whole, each with its length in front: none can be made to look like another one, as a hash could.

use super::RouteCache;
use gateway_config::{CacheKey, QueryKey, Share};
use gateway_core::attributes::SHARED;
use gateway_core::exchange::Exchange;
use http::header::{AUTHORIZATION, COOKIE, FORWARDED, HeaderMap, HeaderName};
use percent_encoding::percent_decode_str;
use std::borrow::Cow;
use xxhash_rust::xxh3::Xxh3Default;

/// Fields by which a proxy that is believed tells what was asked of it.
const TOLD: [HeaderName; 2] =
    [HeaderName::from_static("x-forwarded-host"), HeaderName::from_static("x-forwarded-proto")];

/// Bytes of a route's digest, with which a key begins; its epoch is next.
pub(super) const DIGEST: usize = 32;

/// For whom an answer is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Audience {
    /// Somebody was told apart, so that only the service can say who else may have the answer (RFC 9111 3.5).
    pub(crate) is_restricted: bool,
    /// What stands in the key of it.
    part: Vec<u8>,
}

impl Audience {
    /// `consumer` and a certificate are as good as `authorization`, whoever has proven them.
    pub(crate) fn of(exchange: &Exchange, share: Share) -> Self {
        let consumer = exchange.attributes.read("", "consumer");
        let certificate = exchange.certificate.as_ref().map(|certificate| &certificate.subject);
        let is_identified = certificate.is_some()
            || exchange.request.headers.contains_key(AUTHORIZATION)
            || SHARED.iter().any(|name| exchange.attributes.read("", name).is_some());
        let is_proven = consumer.is_some() || certificate.is_some();
        let mut part = Vec::new();
        match share {
            Share::Consumer if is_proven => {
                maybe(&mut part, consumer.map(|consumer| &**consumer));
                maybe(&mut part, certificate.map(|certificate| &**certificate));
            }
            // Who has proven nothing gets nothing that was made for somebody who has.
            Share::All if is_proven => part.push(1),
            _ => return Self { is_restricted: is_identified, part },
        }
        Self { is_restricted: false, part }
    }
}

/// The key of an exchange's answer.
pub(crate) fn of(
    exchange: &Exchange,
    route: &RouteCache,
    audience: &Audience,
    is_believed: bool,
    epoch: u32,
) -> Vec<u8> {
    let Exchange { request, parameters, upstream, .. } = exchange;
    let mut key = Vec::with_capacity(192);
    key.extend_from_slice(&route.digest);
    key.extend_from_slice(&epoch.to_le_bytes());
    part(&mut key, request.scheme.as_bytes());
    part(&mut key, request.authority.as_bytes());
    part(&mut key, request.path.as_bytes());
    // What the path captured was the client's, and a rewrite uses it even where a plugin has made another path.
    let captured = parameters.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
    several(&mut key, &captured.collect::<Vec<_>>());
    maybe(&mut key, query(&route.settings.key.query, request.query.as_deref()).as_deref().map(str::as_bytes));
    maybe(&mut key, upstream.as_deref().map(str::as_bytes));
    part(&mut key, &audience.part);
    fields(&route.settings.key, &request.headers, &mut key);
    if is_believed {
        for name in &TOLD {
            lines(&request.headers, name, &mut key);
        }
        several(&mut key, &forwarded(&request.headers));
    }
    key
}

/// The key that this one takes the place of, by a change at its address: what is stored there is found by nobody any more.
pub(crate) fn before(key: &[u8]) -> Option<Vec<u8>> {
    let mut before = key.to_vec();
    let epoch = before.get_mut(DIGEST..DIGEST + size_of::<u32>())?;
    let number = u32::from_le_bytes((&*epoch).try_into().ok()?).checked_sub(1)?;
    epoch.copy_from_slice(&number.to_le_bytes());
    Some(before)
}

/// What of a query counts: as it was written, or the parameters of these names in the order of the names.
pub(crate) fn query<'a>(counts: &QueryKey, query: Option<&'a str>) -> Option<Cow<'a, str>> {
    let query = query?;
    let names = match counts {
        QueryKey::Whole => return Some(Cow::Borrowed(query)),
        // Some services end a parameter there, and would find others in it.
        QueryKey::Only(_) if query.contains(';') => return Some(Cow::Borrowed(query)),
        QueryKey::Only(names) => names,
    };
    let mut kept = String::new();
    for name in names {
        for pair in query.split('&').filter(|pair| is_named(pair, name)) {
            if !kept.is_empty() {
                kept.push('&');
            }
            kept.push_str(pair);
        }
    }
    (!kept.is_empty()).then_some(Cow::Owned(kept))
}

/// A name is what the service takes it for: decoded.
fn is_named(pair: &str, name: &str) -> bool {
    let written = pair.split('=').next().unwrap_or_default();
    if written.contains(['%', '+']) {
        let spaced = written.replace('+', " ");
        return percent_decode_str(&spaced).eq(name.bytes());
    }
    written == name
}

fn fields(counts: &CacheKey, headers: &HeaderMap, key: &mut Vec<u8>) {
    for name in counts.headers.iter().filter_map(|name| HeaderName::from_bytes(name.as_bytes()).ok()) {
        lines(headers, &name, key);
    }
    for name in &counts.cookies {
        let pairs = headers.get_all(COOKIE).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
        let values = pairs.filter_map(|pair| pair.trim_ascii().strip_prefix(name.as_bytes())?.strip_prefix(b"="));
        several(key, &values.collect::<Vec<_>>());
    }
}

fn lines(headers: &HeaderMap, name: &HeaderName, key: &mut Vec<u8>) {
    let lines = headers.get_all(name).iter().map(|line| line.as_bytes());
    several(key, &lines.collect::<Vec<_>>());
}

/// What `forwarded` tells of host and scheme (RFC 7239): not for whom, which every client has its own of.
fn forwarded(headers: &HeaderMap) -> Vec<&[u8]> {
    let is_told = |pair: &&[u8]| {
        let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
        [&b"host"[..], b"proto"].iter().any(|told| name.eq_ignore_ascii_case(told))
    };
    let lines = headers.get_all(FORWARDED).iter();
    let pairs = lines.flat_map(|line| line.as_bytes().split(|byte| matches!(byte, b',' | b';')));
    pairs.map(<[u8]>::trim_ascii).filter(is_told).collect()
}

/// Parts with their number in front.
fn several(key: &mut Vec<u8>, parts: &[&[u8]]) {
    key.extend_from_slice(&u32::try_from(parts.len()).unwrap_or(u32::MAX).to_le_bytes());
    parts.iter().for_each(|bytes| part(key, bytes));
}

/// A part with its length in front.
pub(super) fn part(key: &mut Vec<u8>, bytes: &[u8]) {
    key.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
    key.extend_from_slice(bytes);
}

/// A part that may be absent, which is not the same as empty.
pub(super) fn maybe(key: &mut Vec<u8>, bytes: Option<&[u8]>) {
    key.push(u8::from(bytes.is_some()));
    part(key, bytes.unwrap_or_default());
}

/// An address as a number: host, path, and what counts of the query. The scheme is left out: what changes by one changes by both.
pub(crate) fn address(authority: &str, path: &str, query: Option<&str>) -> u64 {
    let mut hash = Xxh3Default::new();
    for part in [authority, path, query.unwrap_or_default()] {
        hash.update(part.as_bytes());
        hash.update(&[0]);
    }
    hash.digest()
}
