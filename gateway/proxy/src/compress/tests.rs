//! Tables: what is chosen, what a head says then; and that what was encoded can be decoded, all the time.

use super::encoder::Encoder;
use super::*;
use bytes::Bytes;
use futures_util::task::noop_waker;
use gateway_config::CompressLevels;
use gateway_core::{Error, Kind, clock};
use http::HeaderName;
use http_body::{Body as HttpBody, Frame};
use std::collections::VecDeque;
use std::io::Read;
use std::pin::Pin;
use std::task::{Context, Poll};

const LEVELS: CompressLevels = CompressLevels { zstd: 3, br: 4, gzip: 5 };

#[test]
fn the_client_chooses_and_the_order_decides_between_equals() {
    use Encoding::{Br, Gzip, Zstd};
    for (accepted, expected) in [
        ("gzip, deflate, br, zstd", Some(Zstd)),
        ("gzip, br", Some(Br)),
        ("GZIP", Some(Gzip)),
        ("x-gzip", Some(Gzip)),
        ("gzip;q=1.0, br;q=0.5", Some(Gzip)),
        ("gzip ; q=0.8 , br ;\tQ=0.801", Some(Br)),
        ("*", Some(Zstd)),
        ("*;q=0.1, zstd;q=0", Some(Br)),
        ("gzip;q=0.5, *;q=0", Some(Gzip)),
        ("*;q=0", None),
        ("gzip;q=0", None),
        ("identity", None),
        ("identity;q=0", None),
        ("identity;q=0, gzip", Some(Gzip)),
        ("identity, gzip;q=0.5", None),
        ("identity;q=0.5, gzip;q=0.5", Some(Gzip)),
        ("identity;q=0.5, gzip;q=1", Some(Gzip)),
        ("deflate", None),
        ("", None),
        (",,gzip,", Some(Gzip)),
        ("gzip;q=2", None),
        ("gzip;q=1.001", None),
        ("gzip;q=0.1234", None),
        ("gzip;q=", None),
        ("gzip;q=-1", None),
        ("gzip;level=9", None),
        ("gzip;q=1;q=1", None),
        ("gzip;q=0.", None),
        ("gzip;q=1.", Some(Gzip)),
        ("br;q=oops, gzip;q=0.001", Some(Gzip)),
    ] {
        assert_eq!(accept::choose(accepted, &Encoding::ALL), expected, "{accepted}");
    }
    assert_eq!(accept::choose("gzip, br, zstd", &[Gzip, Br]), Some(Gzip));
    assert_eq!(accept::choose("zstd", &[Gzip, Br]), None);
}

fn map(fields: &[(&'static str, &'static str)]) -> HeaderMap {
    fields.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
}

/// The head that becomes of this answer, each field as `name: value`.
fn head(
    method: Method,
    asked: &[(&'static str, &'static str)],
    status: u16,
    said: &[(&'static str, &'static str)],
    body: usize,
) -> Vec<String> {
    let config = Compress::default();
    let request = Request {
        method,
        scheme: "http",
        authority: "a.example".into(),
        path: "/".to_owned(),
        query: None,
        headers: map(asked),
    };
    let mut head = Response { status: StatusCode::from_u16(status).unwrap(), headers: map(said) };
    let _ = Offer::of(&config, &request).apply(&mut head, Body::from(Bytes::from(vec![b'a'; body])));
    let mut fields: Vec<_> =
        head.headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    fields.sort();
    fields.retain(|field| !field.starts_with("content-type"));
    fields
}

const ASKED: &[(&str, &str)] = &[("accept-encoding", "gzip")];
const TEXT: (&str, &str) = ("content-type", "text/plain");

#[test]
fn a_compressed_answer_is_another_representation() {
    let said = [TEXT, ("etag", "\"v1\""), ("accept-ranges", "bytes"), ("content-length", "2000")];
    let compressed = ["content-encoding: gzip", "etag: W/\"v1\"", "vary: accept-encoding"];
    assert_eq!(head(Method::GET, ASKED, 200, &said, 2000), compressed);
    assert_eq!(head(Method::GET, ASKED, 404, &said, 2000), compressed);
    // The answer to HEAD has no body to tell its length.
    assert_eq!(head(Method::HEAD, ASKED, 200, &said, 0), compressed);
    assert_eq!(head(Method::GET, ASKED, 200, &[TEXT, ("etag", "W/\"v1\"")], 2000), compressed);
    // It could have been.
    assert!(head(Method::GET, &[], 200, &said, 2000).contains(&"etag: \"v1\"".to_owned()));
    assert!(head(Method::GET, &[], 200, &said, 2000).contains(&"vary: accept-encoding".to_owned()));
    for (vary, expected) in [
        ("Accept-Encoding", &["vary: Accept-Encoding"][..]),
        ("*", &["vary: *"]),
        ("origin,accept-encoding", &["vary: origin,accept-encoding"]),
        ("origin", &["vary: accept-encoding", "vary: origin"]),
    ] {
        assert_eq!(head(Method::GET, &[], 200, &[TEXT, ("vary", vary)], 2000), expected);
    }
}

#[test]
fn what_is_not_worth_it_or_not_ours_to_change_stays_as_it_is() {
    for (asked, status, said, body) in [
        (ASKED, 200, &[TEXT][..], 1023),
        (ASKED, 200, &[TEXT], 0),
        (ASKED, 204, &[TEXT], 0),
        (ASKED, 206, &[TEXT], 2000),
        (ASKED, 304, &[TEXT], 0),
        (ASKED, 200, &[], 2000),
        (ASKED, 200, &[("content-type", "image/png")], 2000),
        (ASKED, 200, &[("content-type", "text/event-stream")], 2000),
        (ASKED, 200, &[TEXT, ("content-encoding", "br")], 2000),
        (ASKED, 200, &[TEXT, ("cache-control", "public, No-Transform")], 2000),
        (ASKED, 200, &[TEXT, ("content-digest", "sha-256=:AA==:")], 2000),
    ] {
        let mut expected: Vec<_> =
            said[said.len().min(1)..].iter().map(|(name, value)| format!("{name}: {value}")).collect();
        expected.retain(|field| !field.starts_with("content-type"));
        assert_eq!(head(Method::GET, asked, status, said, body), expected, "{status} {said:?} of {body}");
    }
    let asked = &[ASKED[0], ("cache-control", "no-transform")];
    assert_eq!(head(Method::GET, asked, 200, &[TEXT], 2000), ["vary: accept-encoding"]);
}

#[test]
fn not_modified_names_what_the_client_has() {
    for (has, tag, expected) in [
        ("W/\"v1\"", "\"v1\"", "W/\"v1\""),
        ("W/\"v0\" , W/\"v1\"", "\"v1\"", "W/\"v1\""),
        ("\"v1\"", "\"v1\"", "\"v1\""),
        ("W/\"v1\", \"v1\"", "\"v1\"", "\"v1\""),
        ("*", "\"v1\"", "\"v1\""),
        ("W/\"v1\"", "W/\"v1\"", "W/\"v1\""),
    ] {
        let said = head(Method::GET, &[("if-none-match", has)], 304, &[("etag", tag)], 0);
        assert_eq!(said[0], format!("etag: {expected}"), "{has}");
    }
}

/// A body that pauses after each part.
struct Pausing {
    parts: VecDeque<Option<Frame<Bytes>>>,
}

impl HttpBody for Pausing {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match self.parts.pop_front() {
            None => Poll::Ready(None),
            Some(None) => Poll::Pending,
            Some(Some(frame)) => Poll::Ready(Some(Ok(frame))),
        }
    }
}

/// Everything that comes until the body pauses or ends.
fn drain(body: &mut Compressed) -> (Vec<u8>, Option<HeaderMap>, bool) {
    let waker = noop_waker();
    let (mut bytes, mut trailers) = (Vec::new(), None);
    loop {
        match Pin::new(&mut *body).poll_frame(&mut Context::from_waker(&waker)) {
            Poll::Pending => return (bytes, trailers, false),
            Poll::Ready(None) => return (bytes, trailers, true),
            Poll::Ready(Some(frame)) => match frame.unwrap().into_data() {
                Ok(data) => bytes.extend_from_slice(&data),
                Err(frame) => trailers = frame.into_trailers().ok(),
            },
        }
    }
}

fn decoder<'a>(encoding: Encoding, bytes: &'a [u8]) -> Box<dyn Read + 'a> {
    match encoding {
        Encoding::Zstd => Box::new(zstd::stream::read::Decoder::new(bytes).unwrap()),
        Encoding::Br => Box::new(brotli::Decompressor::new(bytes, 4096)),
        Encoding::Gzip => Box::new(flate2::read::GzDecoder::new(bytes)),
    }
}

#[test]
fn what_came_before_a_pause_can_be_read_before_it_ends() {
    for encoding in Encoding::ALL {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", HeaderValue::from_static("1"));
        // The first pause after something came flushes it, the second is passed on.
        let data = |text: &'static str| Some(Frame::data(Bytes::from_static(text.as_bytes())));
        let frames = [data("one"), None, None, data("two"), None, None, Some(Frame::trailers(trailers))];
        let source = Body::stream(Pausing { parts: frames.into() });
        let mut body = Compressed::new(source, Encoder::new(encoding, LEVELS, None));
        let mut all = Vec::new();
        for (expected, ends) in [("one", false), ("onetwo", false), ("onetwo", true)] {
            let (bytes, trailers, ended) = drain(&mut body);
            all.extend_from_slice(&bytes);
            assert_eq!((ended, trailers.is_some()), (ends, ends), "{encoding:?}");
            let mut read = vec![0; expected.len()];
            decoder(encoding, &all).read_exact(&mut read).unwrap();
            assert_eq!(read, expected.as_bytes(), "{encoding:?}");
        }
        let mut whole = Vec::new();
        decoder(encoding, &all).read_to_end(&mut whole).unwrap();
        assert_eq!(whole, b"onetwo");
        assert!(body.is_end_stream());
    }
}

#[test]
fn bodies_of_every_size_come_back() {
    // Words that repeat, and noise that does not.
    let mut state = 1_u32;
    let mut text = Vec::new();
    while text.len() < 1 << 20 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        text.extend_from_slice(&[b"answer ", &state.to_be_bytes()[..(state >> 30) as usize]].concat());
    }
    for encoding in Encoding::ALL {
        for length in [1, 2, 1000, 16 * 1024, 16 * 1024 + 1, text.len()] {
            let content = Bytes::copy_from_slice(&text[..length]);
            for known in [Some(length as u64), None] {
                let mut body = Compressed::new(Body::from(content.clone()), Encoder::new(encoding, LEVELS, known));
                let (mut bytes, _, mut ended) = drain(&mut body);
                // It lets others have their turn.
                while !ended {
                    let (more, _, is_last) = drain(&mut body);
                    bytes.extend(more);
                    ended = is_last;
                }
                let mut whole = Vec::new();
                decoder(encoding, &bytes).read_to_end(&mut whole).unwrap();
                assert!(whole == content, "{encoding:?} of {length}");
            }
        }
    }
}

#[test]
fn a_body_that_breaks_off_has_no_end() {
    struct Broken(bool);
    impl HttpBody for Broken {
        type Data = Bytes;
        type Error = Error;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
            match std::mem::replace(&mut self.0, true) {
                false => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"begun"))))),
                true => Poll::Ready(Some(Err(Error::new(Kind::ConnectionTerminated, "cut")))),
            }
        }
    }
    for encoding in Encoding::ALL {
        let mut body = Compressed::new(Body::stream(Broken(false)), Encoder::new(encoding, LEVELS, None));
        let waker = noop_waker();
        let polled = Pin::new(&mut body).poll_frame(&mut Context::from_waker(&waker));
        let Poll::Ready(Some(Err(error))) = polled else { panic!("an error comes first") };
        assert_eq!(error.kind(), Kind::ConnectionTerminated);
    }
}

/// Else its time would be missing in what is told of the request.
#[test]
fn who_encodes_does_not_know_the_time_any_more() {
    for encoding in [Encoding::Zstd, Encoding::Br, Encoding::Gzip] {
        // A thread of its own: what it keeps is no other test's.
        std::thread::scope(|scope| {
            scope.spawn(|| {
                clock::sleeps();
                let mut encoder = Encoder::new(encoding, LEVELS, None);
                let mut last = clock::lately();
                let mut is_new = || {
                    let before = std::mem::replace(&mut last, clock::lately());
                    before < last
                };
                assert!(!is_new());
                encoder.write(&[b'x'; 1000]).unwrap();
                assert!(is_new() && !is_new());
                encoder.flush().unwrap();
                assert!(is_new() && !is_new());
                encoder.finish().unwrap();
                assert!(is_new());
            });
        });
    }
}
