//! Compression of answers, after the response phases: which ones, what their heads say of it, and the other direction, bodies
//! decoded for a plugin that asked for that.
//!
//! An answer that could have been compressed says `vary: accept-encoding`, compressed or not. A compressed one is another
//! representation: its strong entity tag becomes a weak one, so that no range of one is joined with a range of the other (RFC 9110
//! 8.8.1 and 14.2).

mod accept;
mod body;
mod decode;
mod encoder;

#[cfg(test)]
mod tests;

pub(crate) use decode::gather;

use body::Compressed;
use encoder::Encoder;
use gateway_config::{Compress, Encoding};
use gateway_core::Body;
use gateway_core::exchange::{Request, Response};
use gateway_core::headers::joined;
use http::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderMap,
    HeaderValue, IF_NONE_MATCH, VARY,
};
use http::{Method, StatusCode};
use http_body::Body as _;

/// What an answer would say of its own bytes, which would no longer hold (RFC 9530, RFC 3230, RFC 1864).
const DIGESTS: [&str; 4] = ["content-digest", "repr-digest", "digest", "content-md5"];

/// What a client takes, known before its request goes on its way.
pub(crate) struct Offer<'a> {
    compress: &'a Compress,
    /// What it likes best of what is offered; none: it takes nothing of it.
    encoding: Option<Encoding>,
    is_head: bool,
    /// The representations that it has.
    has: Option<String>,
}

impl<'a> Offer<'a> {
    pub(crate) fn of(compress: &'a Compress, request: &Request) -> Self {
        let accepted = joined(&request.headers, &ACCEPT_ENCODING);
        let encoding = accepted.and_then(|accepted| accept::choose(&accepted, &compress.encodings));
        Self {
            compress,
            encoding: encoding.filter(|_| !is_untouchable(&request.headers)),
            is_head: request.method == Method::HEAD,
            has: joined(&request.headers, &IF_NONE_MATCH),
        }
    }

    /// Compresses an answer, or leaves it as it is.
    pub(crate) fn apply(self, head: &mut Response, body: Body) -> Body {
        if head.status == StatusCode::NOT_MODIFIED {
            self.confirm(&mut head.headers);
            return body;
        }
        let length = self.length(head, &body);
        if !self.is_worth_it(head, length) {
            return body;
        }
        vary(&mut head.headers);
        let Some(encoding) = self.encoding else { return body };
        head.headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding.name()));
        head.headers.remove(CONTENT_LENGTH);
        head.headers.remove(ACCEPT_RANGES);
        weaken(&mut head.headers);
        // The same head as for GET (RFC 9110 9.3.2), but for the length, which nobody knows.
        if self.is_head {
            return Body::empty();
        }
        Body::stream(Compressed::new(body, Encoder::new(encoding, self.compress.levels, length)))
    }

    /// Of the whole representation. The answer to HEAD has it in its field only.
    fn length(&self, head: &Response, body: &Body) -> Option<u64> {
        match body.size_hint().exact() {
            Some(0) | None if self.is_head => head.headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok(),
            exact => exact,
        }
    }

    fn is_worth_it(&self, head: &Response, length: Option<u64>) -> bool {
        let has_body =
            !matches!(head.status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::PARTIAL_CONTENT);
        let is_long = length.is_none_or(|length| length > 0 && length >= self.compress.min_size);
        let is_of_a_type = || {
            let content_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
            content_type.is_some_and(|value| self.compress.types.iter().any(|media| media.matches(value)))
        };
        has_body
            && is_long
            && !head.headers.contains_key(CONTENT_ENCODING)
            && is_of_a_type()
            && !is_untouchable(&head.headers)
            && !DIGESTS.iter().any(|name| head.headers.contains_key(*name))
    }

    /// "Not modified" names what the client has, which may be the compressed representation: then by the weak tag that this one
    /// got, since a cache updates nothing for a strong tag that it does not hold (RFC 9111 4.3.4).
    fn confirm(&self, headers: &mut HeaderMap) {
        let tag = headers.get(ETAG).and_then(|tag| tag.to_str().ok()).filter(|tag| tag.starts_with('"'));
        let (Some(held), Some(tag)) = (&self.has, tag) else { return };
        let mut tags = held.split(',').map(str::trim);
        if tags.clone().any(|held| held.strip_prefix("W/") == Some(tag)) && !tags.any(|held| held == tag) {
            weaken(headers);
            vary(headers);
        }
    }
}

/// `no-transform` forbids it, to either side (RFC 9111 5.2.1.6 and 5.2.2.6).
fn is_untouchable(headers: &HeaderMap) -> bool {
    let directives = headers.get_all(CACHE_CONTROL).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    directives.map(<[u8]>::trim_ascii).any(|directive| directive.eq_ignore_ascii_case(b"no-transform"))
}

/// Says that the answer depends on what is accepted.
fn vary(headers: &mut HeaderMap) {
    let mut named = headers.get_all(VARY).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    let is_told = named
        .any(|name| matches!(name.trim_ascii(), b"*") || name.trim_ascii().eq_ignore_ascii_case(b"accept-encoding"));
    if !is_told {
        headers.append(VARY, HeaderValue::from_static("accept-encoding"));
    }
}

/// Makes a strong entity tag a weak one (RFC 9110 8.8.3.3).
fn weaken(headers: &mut HeaderMap) {
    let Some(tag) = headers.get(ETAG).filter(|tag| tag.as_bytes().starts_with(b"\"")) else { return };
    if let Ok(weak) = HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat()) {
        headers.insert(ETAG, weak);
    }
}
