//! HTTP/2 that becomes HTTP/1.1: fields, pseudo-fields, lengths and trailers that mean something else there, or more than one thing
//! (RFC 9113 8.1 to 8.5).

use super::served;
use gateway_tests::http2::{END_HEADERS, END_STREAM, Http2, block, frame, kind};
use gateway_tests::{Recorder, TestGateway};
use std::fmt::Write as _;
use std::time::Duration;

type Fields<'a> = Vec<(&'a str, &'a str)>;

const BASE: [(&str, &str); 4] = [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/a")];
const BODY: &str = "GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n";

/// What becomes of a stream.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Ended {
    Answered,
    Refused,
    Reset,
    /// The whole connection.
    Connection,
}

/// The usual fields, with this one in the place of the one of its name.
fn with<'a>(field: (&'a str, &'a str)) -> Fields<'a> {
    BASE.into_iter().map(|known| if known.0 == field.0 { field } else { known }).collect()
}

/// The usual fields, with these behind them.
fn and<'a>(more: &[(&'a str, &'a str)]) -> Fields<'a> {
    BASE.into_iter().chain(more.iter().copied()).collect()
}

fn send(gateway: &TestGateway, frames: &[u8]) -> Ended {
    let mut client = Http2::connect(gateway.address("public"), &[]);
    client.send(frames);
    loop {
        match client.next(Duration::from_secs(10)).expect("an end") {
            None => return Ended::Connection,
            Some(frame) if frame.kind == kind::GOAWAY => return Ended::Connection,
            Some(frame) if frame.kind == kind::RST_STREAM => return Ended::Reset,
            Some(frame) if frame.kind == kind::HEADERS => {
                return if frame.is_ok() { Ended::Answered } else { Ended::Refused };
            }
            Some(_) => {}
        }
    }
}

fn head(fields: &Fields<'_>) -> Vec<u8> {
    frame(kind::HEADERS, END_STREAM | END_HEADERS, 1, &block(fields))
}

fn open(fields: &Fields<'_>) -> Vec<u8> {
    frame(kind::HEADERS, END_HEADERS, 1, &block(fields))
}

/// Whatever the answer to it is, nothing of it reaches the service.
fn nothing_passes(what: &str, gateway: &TestGateway, recorder: &Recorder, cases: &[(String, Vec<u8>)]) {
    let mut wrong = String::new();
    for (name, frames) in cases {
        let ended = send(gateway, frames);
        let seen = recorder.take(name);
        if ended == Ended::Answered || !seen.requests.is_empty() {
            let _ = writeln!(wrong, "{name}: {ended:?}, and the service saw {:?}", seen.requests);
        }
    }
    assert!(wrong.is_empty(), "{what}:\n{wrong}");
    assert_eq!(send(gateway, &head(&and(&[("x", "y")]))), Ended::Answered, "{what}");
    assert_eq!(recorder.take_when(what, 1).short(), ["GET /a"], "{what}");
    assert_eq!(gateway.counter("requests.panicked"), 0, "{what}");
}

#[test]
fn p13_fields_with_bytes_that_mean_something_elsewhere() {
    let (recorder, gateway) = served();
    let mut cases = Vec::new();
    for byte in ["\r", "\n", "\0", "\r\n", "\r\n\r\n", "\r\nx-evil: 1", "\r\ntransfer-encoding: chunked\r\n", "\u{7f}"]
    {
        for value in [format!("a{byte}"), format!("{byte}a"), format!("a{byte}b"), byte.to_owned()] {
            cases.push((format!("a value {value:?}"), head(&and(&[("x", &value)]))));
            for name in [":path", ":authority", ":method", ":scheme"] {
                let value = if name == ":path" { format!("/{value}") } else { value.clone() };
                cases.push((format!("{name} {value:?}"), head(&with((name, &value)))));
            }
            cases.push((format!("a name {value:?}"), head(&and(&[(&value, "y")]))));
        }
    }
    for name in [
        "X",
        "Host",
        "Transfer-Encoding",
        "x y",
        "x:",
        "x: y",
        ":x",
        "",
        " ",
        "x\t",
        "x(",
        "x/y",
        "x\u{e9}",
        "transfer-encoding: chunked\r\nx",
        "content-length ",
        " content-length",
        "x_y",
    ] {
        cases.push((format!("a name {name:?}"), head(&and(&[(name, "y")]))));
    }
    // RFC 9113 8.2.1.
    for value in [" y", "y ", "\ty", "y\t", " ", "\t"] {
        cases.push((format!("a value {value:?}"), head(&and(&[("x", value)]))));
    }
    nothing_passes("P13", &gateway, &recorder, &cases);
}

#[test]
fn p1_p2_p3_pseudo_fields_that_are_none() {
    let (recorder, gateway) = served();
    let mut cases: Vec<(String, Vec<u8>)> = Vec::new();
    for (name, _) in BASE {
        let without: Fields<'_> = BASE.into_iter().filter(|known| known.0 != name).collect();
        if name != ":authority" {
            cases.push((format!("without {name}"), head(&without)));
        }
        let value = BASE.iter().find(|known| known.0 == name).map_or("", |known| known.1);
        cases.push((format!("{name} twice"), head(&and(&[(name, value)]))));
        cases.push((format!("{name} empty"), head(&with((name, "")))));
        let mut late = without.clone();
        late.extend([("x", "y"), (name, value)]);
        cases.push((format!("{name} behind a field"), head(&late)));
    }
    for field in [(":status", "200"), (":x", "y"), (":host", "a"), (":protocol", "websocket"), (":Path", "/a")] {
        cases.push((format!("{field:?}"), head(&and(&[field]))));
        cases.push((format!("{field:?} in front"), head(&[field].into_iter().chain(BASE).collect())));
    }
    for path in [
        "a",
        "*",
        "?x",
        "http://b/a",
        "//",
        "/a b",
        "/a HTTP/1.1",
        "/a HTTP/1.1\r\nhost: b\r\n\r\nGET /b",
        "/\u{e9}",
        "/a\\b",
        "/a\t",
        "/%",
        "/%2f",
        "/%5c",
        "/%00",
        "\\a",
        " /a",
    ] {
        if path != "//" {
            cases.push((format!(":path {path:?}"), head(&with((":path", path)))));
        }
    }
    for method in ["GET /b HTTP/1.1\r\nhost: a\r\n\r\nGET", "GET ", " GET", "G ET", "GET\t", "G\"", "CONNECT", "PRI"] {
        if method != "PRI" {
            cases.push((format!(":method {method:?}"), head(&with((":method", method)))));
        }
    }
    for authority in ["a b", "a/b", "u@a", "u:p@a", "a#b", "a?b", "a:b", "a:80:80", "[::1", "a\\b", "a,b", "http://a"] {
        if authority != "a,b" {
            cases.push((format!(":authority {authority:?}"), head(&with((":authority", authority)))));
        }
        let without: Fields<'_> = BASE.into_iter().filter(|known| known.0 != ":authority").collect();
        let with_host: Fields<'_> = without.into_iter().chain([("host", authority)]).collect();
        if authority != "a,b" {
            cases.push((format!("host {authority:?}"), head(&with_host)));
        }
    }
    for scheme in ["http://b/?", "x y", "http:", "1", "ftp", "http\r\nx: y"] {
        cases.push((format!(":scheme {scheme:?}"), head(&with((":scheme", scheme)))));
    }
    cases.push(("another host".into(), head(&and(&[("host", "b")]))));
    cases.push(("two hosts".into(), head(&and(&[("host", "a"), ("host", "a")]))));
    cases.push(("CONNECT by the book".into(), head(&vec![(":method", "CONNECT"), (":authority", "a:443")])));
    let websocket = [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"), (":authority", "a")];
    cases
        .push(("CONNECT that was not offered".into(), head(&websocket.into_iter().chain([(":path", "/a")]).collect())));
    nothing_passes("P1, P2, P3", &gateway, &recorder, &cases);
}

#[test]
fn p5_p7_framing_that_http2_does_not_have() {
    let (recorder, gateway) = served();
    let post = |more: &[(&'static str, &'static str)]| -> Fields<'static> {
        BASE.into_iter()
            .map(|field| if field.0 == ":method" { (":method", "POST") } else { field })
            .chain(more.iter().copied())
            .collect()
    };
    let body = frame(kind::DATA, END_STREAM, 1, BODY.as_bytes());
    let mut cases: Vec<(String, Vec<u8>)> = Vec::new();
    for field in [
        ("transfer-encoding", "chunked"),
        ("transfer-encoding", "identity"),
        ("transfer-encoding", ""),
        ("connection", "close"),
        ("connection", "transfer-encoding"),
        ("connection", "x"),
        ("keep-alive", "1"),
        ("proxy-connection", "keep-alive"),
        ("upgrade", "h2c"),
        ("te", "chunked"),
        ("te", "gzip, trailers"),
        ("content-length", "0"),
        ("content-length", "3"),
        ("content-length", "1000"),
        ("content-length", "+38"),
        ("content-length", "-1"),
        ("content-length", "0x26"),
        ("content-length", "38, 38"),
        ("content-length", ""),
        ("content-length", "x"),
        ("content-length", "99999999999999999999"),
    ] {
        cases.push((format!("{field:?} and a body"), [open(&post(&[field])), body.clone()].concat()));
        cases.push((format!("{field:?} in a trailer"), {
            let trailer = frame(kind::HEADERS, END_STREAM | END_HEADERS, 1, &block(&[(field.0, field.1)]));
            [open(&post(&[("content-length", "3")])), frame(kind::DATA, 0, 1, BODY.as_bytes()), trailer].concat()
        }));
    }
    cases.push((
        "two lengths".into(),
        [open(&post(&[("content-length", "37"), ("content-length", "0")])), body.clone()].concat(),
    ));
    for field in [("X", "y"), ("x", "a\r\nb"), ("x\r\ny", "z")] {
        let trailer = frame(kind::HEADERS, END_STREAM | END_HEADERS, 1, &block(&[field]));
        cases.push((
            format!("a trailer {field:?}"),
            [open(&post(&[])), frame(kind::DATA, 0, 1, b"abc"), trailer].concat(),
        ));
    }
    // A length, and no body at all.
    cases.push(("a length without a body".into(), head(&post(&[("content-length", "3")]))));
    // The bodies of these are never whole: what reaches the service is cut, or nothing.
    nothing_passes("P5, P7", &gateway, &recorder, &cases);

    // What is allowed goes up in one frame of our own, whatever is in it.
    let length: &'static str = BODY.len().to_string().leak();
    for fields in [post(&[]), post(&[("content-length", length)]), post(&[("te", "trailers")]), and(&[])] {
        assert_eq!(send(&gateway, &[open(&fields), body.clone()].concat()), Ended::Answered, "{fields:?}");
        let seen = recorder.take_when("P5", 1);
        assert_eq!(seen.requests.len(), 1, "{fields:?}: {seen:?}");
        assert_eq!(seen.requests[0].body, BODY.as_bytes(), "{fields:?}");
    }
    // A trailer is what it is, and no word for the message (RFC 9113 8.1).
    for (trailers, left) in [
        (&[("x-sum", "1")][..], 1),
        (&[("x-sum", "1"), ("host", "b"), ("expect", "100-continue"), ("x-forwarded-for", "::1")], 1),
        (&[(":path", "/b")], 0),
        (&[(":status", "200")], 0),
    ] {
        let trailers = frame(kind::HEADERS, END_STREAM | END_HEADERS, 1, &block(trailers));
        let data = frame(kind::DATA, 0, 1, b"abc");
        let declared = post(&[("trailer", "x-sum, host, expect, x-forwarded-for")]);
        assert_eq!(send(&gateway, &[open(&declared), data, trailers].concat()), Ended::Answered);
        let seen = recorder.take_when("P5", 1);
        assert_eq!((seen.short(), seen.requests[0].trailers.len()), (vec!["POST /a abc".to_owned()], left));
    }
}

/// Frames in an order that has none (RFC 9113 5.1 and 6): nobody is served twice, and nothing is made up.
#[test]
fn h2_frames_out_of_place_reach_nobody() {
    let (recorder, gateway) = served();
    let get = block(&BASE);
    let all = END_STREAM | END_HEADERS;
    let cases: Vec<(String, Vec<u8>)> = [
        ("a head on stream 0", frame(kind::HEADERS, all, 0, &get)),
        ("a head on an even stream", frame(kind::HEADERS, all, 2, &get)),
        ("a body before its head", frame(kind::DATA, END_STREAM, 1, b"abc")),
        ("a continuation of nothing", frame(kind::CONTINUATION, END_HEADERS, 1, &get)),
        ("a promise by a client", frame(5, END_HEADERS, 1, &[&[0, 0, 0, 2], &get[..]].concat())),
        ("a head that depends on itself", frame(kind::HEADERS, all | 0x20, 1, &[&[0, 0, 0, 1, 0], &get[..]].concat())),
        ("more padding than payload", frame(kind::HEADERS, all | 0x8, 1, &[&[255], &get[..]].concat())),
        (
            "a head cut by another frame",
            [frame(kind::HEADERS, END_STREAM, 1, &get[..9]), frame(kind::PING, 0, 0, &[0; 8])].concat(),
        ),
        (
            "a head that goes on elsewhere",
            [frame(kind::HEADERS, END_STREAM, 1, &get[..9]), frame(kind::CONTINUATION, 4, 3, &get[9..])].concat(),
        ),
        ("an index that is none", frame(kind::HEADERS, all, 1, &[0xff, 0x80, 0x80, 0x80, 0x80, 0x01])),
        ("an index of 0", frame(kind::HEADERS, all, 1, &[0x80])),
        ("a text longer than its block", frame(kind::HEADERS, all, 1, &[0x00, 0x7f, 0xff, 0x7f, b'x'])),
        ("Huffman that ends wrong", frame(kind::HEADERS, all, 1, &[0x00, 0x81, 0x00, 0x81, 0x00])),
        (
            "a table larger than allowed",
            frame(kind::HEADERS, all, 1, &[&[0x3f, 0xe1, 0xff, 0xff, 0x7f], &get[..]].concat()),
        ),
        ("a setting that is none", frame(kind::SETTINGS, 0, 0, &[0, 4, 0xff, 0xff, 0xff, 0xff])),
        ("settings of half a length", frame(kind::SETTINGS, 0, 0, &[0, 4, 0])),
        ("a frame larger than allowed", frame(kind::HEADERS, all, 1, &vec![0; 20_000])),
    ]
    .into_iter()
    .map(|(name, frames)| (name.to_owned(), frames))
    .collect();
    nothing_passes("H2", &gateway, &recorder, &cases);
}
