//! From what a client wrote to one normal form, or a refusal (HARDENING section 1).

use super::authority::{self, Memory};
use super::grpc;
use crate::tunnel::Wish;
use gateway_config::Allow;
use gateway_core::exchange::Request;
use gateway_core::headers::{is_hop_by_hop, join_cookies, strip_hop_by_hop};
use gateway_core::path::{self, PathError, normalize};
use gateway_core::trace;
use gateway_core::{Error, Kind};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, TE, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Uri, Version};

/// A request in its normal form, with what it needs leave for.
pub(super) struct Admitted {
    pub(super) request: Request,
    pub(super) leniency: Leniency,
    /// A call of gRPC: its refusals are told as gRPC has them.
    pub(super) is_grpc: bool,
    /// A WebSocket, where the client asks for one.
    pub(super) wish: Option<Wish>,
    /// Whether it has a field that goes with a trace.
    pub(super) is_traced: bool,
}

/// What a request has that only a route can allow.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Leniency {
    path: Option<PathError>,
    underscore: bool,
    needed: Allow,
}

impl Leniency {
    pub(super) fn check(self, allow: Allow) -> Result<(), Error> {
        let Self { path, underscore, needed } = self;
        if underscore && !allow.underscore {
            return Err(bad("a field name has an underscore"));
        }
        let denied = needed.encoded_slash && !allow.encoded_slash
            || needed.backslash && !allow.backslash
            || needed.encoded_nul && !allow.encoded_nul;
        match path {
            Some(error) if denied => Err(bad(&error.to_string())),
            _ => Ok(()),
        }
    }
}

fn bad(detail: &str) -> Error {
    Error::new(Kind::HttpRequestError, detail)
}

/// Brings a request's head to its normal form; what it needs of it is taken out.
///
/// # Errors
/// It has none, or it is not for a gateway (CONNECT, `*`).
pub(super) fn admit(
    head: &mut Parts,
    scheme: &'static str,
    target_limit: usize,
    fields: usize,
    memory: &Memory,
) -> Result<Admitted, Error> {
    let mut wish = None;
    if head.method == Method::CONNECT {
        wish = Some(Wish::connect(head).ok_or_else(|| bad("CONNECT is not served"))?);
        // RFC 8441 5: what GET is in HTTP/1.1.
        head.method = Method::GET;
    }
    let (method, mut headers) = (std::mem::take(&mut head.method), std::mem::take(&mut head.headers));
    let (uri, version) = (&head.uri, head.version);
    let target = uri.path_and_query().map(http::uri::PathAndQuery::as_str).unwrap_or_default();
    if target.len() > target_limit {
        return Err(Error::new(Kind::TargetTooLong, format!("the target has more than {target_limit} bytes")));
    }
    if headers.len() > fields {
        return Err(Error::new(Kind::HeadTooLarge, format!("the head has more than {fields} fields")));
    }
    if version == Version::HTTP_2 {
        only_http2(uri, &headers)?;
    } else if uri.scheme_str().is_some_and(|scheme| !is_http(scheme)) {
        return Err(bad("the target's scheme is neither http nor https"));
    }
    let seen = Seen::of(&headers);
    if seen.framing {
        framing(&headers, version)?;
    }
    let has_several = headers.len() > headers.keys_len() && headers.get_all(HOST).iter().nth(1).is_some();
    let host = headers.remove(HOST);
    if has_several {
        return Err(bad("several host fields"));
    }
    let authority = authority::of(uri, host.as_ref(), version, memory)?;

    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    let (path, leniency) = normal_path(path)?;
    let query = query.map(normal_query).transpose()?;

    if seen.hop_by_hop {
        wish = wish.or_else(|| Wish::upgrade((&method, version), &headers));
        let trailers = headers.get_all(TE).iter().any(|line| has_token(line, "trailers"));
        strip_hop_by_hop(&mut headers);
        if trailers {
            headers.insert(TE, HeaderValue::from_static("trailers"));
        }
    }
    if seen.framing {
        headers.remove(CONTENT_LENGTH);
    }
    if seen.expect {
        expectation(&headers)?;
    }
    join_cookies(&mut headers);
    let is_grpc = seen.content_type && version == Version::HTTP_2 && grpc::is_grpc(&headers);

    let request = Request { method, scheme, authority, path, query, headers };
    let leniency = Leniency { underscore: seen.underscore, ..leniency };
    Ok(Admitted { request, leniency, is_grpc, wish, is_traced: seen.traced })
}

/// What there is to look at: one pass over the names, where most requests have nothing of it.
#[derive(Default)]
struct Seen {
    framing: bool,
    hop_by_hop: bool,
    expect: bool,
    underscore: bool,
    content_type: bool,
    traced: bool,
}

impl Seen {
    fn of(headers: &HeaderMap) -> Self {
        let mut seen = Self::default();
        for name in headers.keys() {
            match *name {
                CONTENT_LENGTH => seen.framing = true,
                EXPECT => seen.expect = true,
                CONTENT_TYPE => seen.content_type = true,
                _ if is_hop_by_hop(name) => {
                    seen.hop_by_hop = true;
                    seen.framing |= *name == TRANSFER_ENCODING;
                }
                _ => {
                    let name = name.as_str();
                    seen.underscore |= name.contains('_');
                    seen.traced |= trace::is_field(name);
                }
            }
        }
        seen
    }
}

/// One framing, said once and in one way (RFC 9112 6.1 and 6.3). hyper frames by the same fields; here what could be read in
/// two ways is refused before anybody acts on it.
fn framing(headers: &HeaderMap, version: Version) -> Result<(), Error> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    if let Some(coding) = codings.next() {
        if version != Version::HTTP_11 {
            return Err(bad("transfer-encoding is for HTTP/1.1 only"));
        }
        if codings.next().is_some() || !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
            return Err(bad("transfer-encoding is not just `chunked`"));
        }
        if headers.contains_key(CONTENT_LENGTH) {
            return Err(bad("both content-length and transfer-encoding"));
        }
    }
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let Some(length) = lengths.next() else { return Ok(()) };
    if length.is_empty() || !length.as_bytes().iter().all(u8::is_ascii_digit) {
        return Err(bad("content-length is not a number"));
    }
    match lengths.all(|other| other == length) {
        true => Ok(()),
        false => Err(bad("several content-length fields differ")),
    }
}

/// What HTTP/1.1 has no way to say and hyper lets pass: a value with space around it, which would be part of it or not depending on who
/// reads it there (RFC 9113 8.2.1), and a scheme that is none of ours (8.3.1).
fn only_http2(uri: &Uri, headers: &HeaderMap) -> Result<(), Error> {
    let is_space = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_whitespace);
    let padded = |value: &HeaderValue| is_space(value.as_bytes().first()) || is_space(value.as_bytes().last());
    if headers.values().any(padded) {
        return Err(bad("a field's value begins or ends with space"));
    }
    match uri.scheme_str().is_some_and(is_http) {
        true => Ok(()),
        false => Err(bad("the scheme is neither http nor https")),
    }
}

fn is_http(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
}

/// The path in its normal form. Where only a route's leave is missing, the lenient form, and what it needs.
fn normal_path(path: &str) -> Result<(String, Leniency), Error> {
    let error = match normalize(path, path::Allow::default()) {
        Ok(normal) => return Ok((normal.into_owned(), Leniency::default())),
        Err(error @ (PathError::EncodedSlash | PathError::Backslash | PathError::EncodedNul)) => error,
        Err(error) => return Err(bad(&error.to_string())),
    };
    let all = path::Allow { encoded_slash: true, backslash: true, encoded_nul: true };
    let normal = normalize(path, all).map_err(|error| bad(&error.to_string()))?;
    let without = |allow: path::Allow| normalize(path, allow).is_err();
    let needed = Allow {
        encoded_slash: without(path::Allow { encoded_slash: false, ..all }),
        backslash: without(path::Allow { backslash: false, ..all }),
        encoded_nul: without(path::Allow { encoded_nul: false, ..all }),
        underscore: false,
    };
    Ok((normal.into_owned(), Leniency { path: Some(error), needed, underscore: false }))
}

/// The query stays as it was written; bytes that no query has are refused.
fn normal_query(query: &str) -> Result<String, Error> {
    match query.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
        true => Ok(query.to_owned()),
        false => Err(bad("the query has a byte that is not allowed in one")),
    }
}

/// hyper sends `100 Continue` as soon as the body is wanted; nothing else can be expected (RFC 9110 10.1.1).
fn expectation(headers: &HeaderMap) -> Result<(), Error> {
    match headers.get_all(EXPECT).iter().all(|line| line.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
        true => Ok(()),
        false => Err(bad("the expectation is not `100-continue`")),
    }
}

fn has_token(line: &HeaderValue, token: &str) -> bool {
    line.as_bytes().split(|byte| *byte == b',').any(|part| part.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}
