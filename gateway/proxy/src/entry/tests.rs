//! Tables: what is admitted, and in which form.

use super::admit::admit;
use super::authority::Memory;
use gateway_config::Allow;
use gateway_core::{Error, Kind};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Version};

fn enter(
    version: Version,
    target: &str,
    fields: &[(&'static str, &'static str)],
    allow: Allow,
) -> Result<(String, Option<String>, HeaderMap), Error> {
    let mut request = Request::builder().version(version).uri(target).body(()).unwrap();
    for (name, value) in fields {
        request.headers_mut().append(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let admitted = admit(&mut request.into_parts().0, "http", 8192, 100, &Memory::default())?;
    admitted.leniency.check(allow)?;
    Ok((admitted.request.path, admitted.request.query, admitted.request.headers))
}

const HOST: (&str, &str) = ("host", "a.example");

#[test]
fn paths_reach_one_form_and_lenience_is_the_routes() {
    let slash = Allow { encoded_slash: true, ..Allow::default() };
    for (target, allow, expected) in [
        ("/a/./b//c/../d", Allow::default(), Some("/a/b/d")),
        ("/%7Eme", Allow::default(), Some("/~me")),
        ("/a%2fb", Allow::default(), None),
        ("/a%2fb", slash, Some("/a%2Fb")),
        ("/a%5cb", slash, None),
        ("/a%2f%5cb", slash, None),
        ("/a%00", Allow::default(), None),
        ("/a%00", Allow { encoded_nul: true, ..Allow::default() }, Some("/a%00")),
        ("/a%5cb", Allow { backslash: true, ..Allow::default() }, Some("/a%5Cb")),
    ] {
        let path = enter(Version::HTTP_11, target, &[HOST], allow).ok().map(|(path, ..)| path);
        assert_eq!(path.as_deref(), expected, "{target} with {allow:?}");
    }
}

#[test]
fn the_query_stays_as_it_is_written() {
    let (_, query, _) = enter(Version::HTTP_11, "/a?b=%2F&c=%61+d", &[HOST], Allow::default()).unwrap();
    assert_eq!(query.as_deref(), Some("b=%2F&c=%61+d"));
}

#[test]
fn framing_that_can_be_read_in_two_ways_is_refused() {
    for fields in [
        &[("transfer-encoding", "chunked"), ("content-length", "1")][..],
        &[("transfer-encoding", "gzip, chunked")],
        &[("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")],
        &[("content-length", "1"), ("content-length", "2")],
        &[("content-length", "+1")],
        &[("expect", "miracles")],
    ] {
        let fields: Vec<_> = [HOST].iter().chain(fields).copied().collect();
        let error = enter(Version::HTTP_11, "/", &fields, Allow::default()).unwrap_err();
        assert_eq!(error.kind(), Kind::HttpRequestError, "{fields:?}");
    }
    assert!(
        enter(Version::HTTP_2, "http://a.example/", &[("transfer-encoding", "chunked")], Allow::default()).is_err()
    );
}

#[test]
fn fields_of_the_connection_are_gone_and_trailers_may_pass() {
    let fields = [
        HOST,
        ("connection", "x-hop"),
        ("x-hop", "1"),
        ("te", "gzip;q=1, trailers"),
        ("content-length", "3"),
        ("x-kept", "1"),
    ];
    let (.., headers) = enter(Version::HTTP_11, "/", &fields, Allow::default()).unwrap();
    let mut names: Vec<_> =
        headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    names.sort();
    assert_eq!(names, ["te: trailers", "x-kept: 1"]);
}
