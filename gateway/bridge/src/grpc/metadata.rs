//! Fields of HTTP as metadata of gRPC, and back.

use super::status::BINARY;
use base64::Engine as _;
use gateway_core::headers::strip_hop_by_hop;
use gateway_core::{Error, Kind};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use std::time::Duration;

/// What tells of a body in JSON, asks for one, or makes a request depend on what its client has already.
fn is_of_http(name: &HeaderName) -> bool {
    matches!(
        *name,
        header::ACCEPT
            | header::ACCEPT_CHARSET
            | header::ACCEPT_ENCODING
            | header::ACCEPT_RANGES
            | header::CONTENT_DISPOSITION
            | header::CONTENT_ENCODING
            | header::CONTENT_LANGUAGE
            | header::CONTENT_LENGTH
            | header::CONTENT_LOCATION
            | header::CONTENT_RANGE
            | header::CONTENT_TYPE
            | header::EXPECT
            | header::IF_MATCH
            | header::IF_MODIFIED_SINCE
            | header::IF_NONE_MATCH
            | header::IF_RANGE
            | header::IF_UNMODIFIED_SINCE
            | header::RANGE
            | header::TRAILER
    )
}

fn is_of_grpc(name: &HeaderName) -> bool {
    name.as_str().starts_with("grpc-")
}

/// The fields of a request as those of a call.
///
/// # Errors
/// [`Kind::HttpRequestError`] where a field `…-bin` is no base64.
pub(super) fn of_call(mut fields: HeaderMap, left: Duration) -> Result<HeaderMap, Error> {
    strip_hop_by_hop(&mut fields);
    retain(&mut fields, |name| !is_of_http(name) && !is_of_grpc(name));
    let is_broken = |(name, value): &(&HeaderName, &HeaderValue)| {
        let mut parts = value.as_bytes().split(|byte| *byte == b',');
        name.as_str().ends_with("-bin") && !parts.all(|part| BINARY.decode(part.trim_ascii()).is_ok())
    };
    if let Some((name, _)) = fields.iter().find(is_broken) {
        return Err(Error::new(Kind::HttpRequestError, format!("the field `{name}` is no base64")));
    }
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc+proto"));
    fields.insert(header::TE, HeaderValue::from_static("trailers"));
    if let Ok(timeout) = HeaderValue::try_from(timeout(left)) {
        fields.insert("grpc-timeout", timeout);
    }
    Ok(fields)
}

/// Metadata of an answer, and of its trailers, as fields.
pub(super) fn of_answer(mut fields: HeaderMap, trailers: &HeaderMap) -> HeaderMap {
    fields.extend(trailers.iter().map(|(name, value)| (name.clone(), value.clone())).fold(
        HeaderMap::new(),
        |mut all, (name, value)| {
            all.append(name, value);
            all
        },
    ));
    strip_hop_by_hop(&mut fields);
    retain(&mut fields, |name| !is_of_http(name) && !is_of_grpc(name));
    fields
}

fn retain(fields: &mut HeaderMap, keep: impl Fn(&HeaderName) -> bool) {
    let gone: Vec<HeaderName> = fields.keys().filter(|name| !keep(name)).cloned().collect();
    for name in gone {
        fields.remove(name);
    }
}

/// At most eight digits and a unit.
fn timeout(left: Duration) -> String {
    match left.as_millis() {
        short @ ..=99_999_999 => format!("{short}m"),
        _ => format!("{}S", left.as_secs().min(99_999_999)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(written: &[(&'static str, &'static str)]) -> HeaderMap {
        written.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn what_is_of_http_stays_and_what_is_of_grpc_is_ours() {
        let written = fields(&[
            ("authorization", "Bearer x"),
            ("content-length", "7"),
            ("accept-encoding", "gzip"),
            ("grpc-timeout", "1H"),
            ("grpc-encoding", "gzip"),
            ("trace-bin", "AP+A"),
            ("if-none-match", "*"),
        ]);
        let call = of_call(written, Duration::from_millis(1500)).unwrap();
        let expected = fields(&[
            ("authorization", "Bearer x"),
            ("trace-bin", "AP+A"),
            ("content-type", "application/grpc+proto"),
            ("te", "trailers"),
            ("grpc-timeout", "1500m"),
        ]);
        assert_eq!(call, expected);
        assert!(of_call(fields(&[("trace-bin", "?")]), Duration::ZERO).is_err());
        let told = of_answer(
            fields(&[("content-type", "application/grpc"), ("grpc-encoding", "identity"), ("x-a", "1")]),
            &fields(&[("grpc-status", "0"), ("x-b", "2")]),
        );
        assert_eq!(told, fields(&[("x-a", "1"), ("x-b", "2")]));
    }

    #[test]
    fn a_timeout_has_eight_digits() {
        assert_eq!(timeout(Duration::from_secs(60)), "60000m");
        assert_eq!(timeout(Duration::from_secs(100_000)), "100000S");
        assert_eq!(timeout(Duration::MAX), "99999999S");
    }
}
