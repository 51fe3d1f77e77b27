//! A rule stands on a path. However the path is spelled, the rule decides, and the service sees the one normal form: nothing that it
//! could read as the path that the rule keeps closed (HARDENING P14).

use gateway_tests::gateway::Setup;
use gateway_tests::http2::{END_HEADERS, END_STREAM, Http2, block, frame, kind};
use gateway_tests::{Client, Recorder, TestGateway, strict};
use std::fmt::Write as _;
use std::time::Duration;

/// Nobody may come to `/admin`, by three different means: the core's own answer, a filter of addresses, an authorization.
fn served() -> (Recorder, TestGateway) {
    let recorder = Recorder::start();
    let config = format!(
        r#"{}
[[route]]
name = "closed"
match = {{ prefix = "/admin" }}
respond = {{ status = 403 }}
[[route]]
name = "filtered"
match = {{ prefix = "/internal" }}
chain = [{{ plugin = "ip-filter", config = {{ allow = ["192.0.2.0/24"] }} }}]
upstream = "service"
[[route]]
name = "authorized"
match = {{ prefix = "/owner" }}
chain = [{{ plugin = "authorize", config = {{ require = {{ consumers = ["root"] }} }} }}]
upstream = "service"
[[route]]
name = "files"
match = {{ prefix = "/files" }}
upstream = "service"
"#,
        recorder.config()
    );
    let gateway = Setup::new(&config).plugin("ip-filter").plugin("authorize").start();
    (recorder, gateway)
}

/// How services have been known to read a path: what is closed must not come out of any.
fn readings(path: &str) -> Vec<String> {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let decoded = |path: &str| {
        let mut bytes = path.bytes();
        let mut decoded = Vec::new();
        while let Some(byte) = bytes.next() {
            let digits = || String::from_utf8(bytes.clone().take(2).collect()).ok();
            match (byte, digits().and_then(|digits| u8::from_str_radix(&digits, 16).ok())) {
                (b'%', Some(value)) => {
                    decoded.push(value);
                    bytes.nth(1);
                }
                _ => decoded.push(byte),
            }
        }
        decoded
    };
    let overlong = |bytes: &[u8]| -> String {
        let mut text = String::new();
        let mut bytes = bytes.iter().copied();
        while let Some(byte) = bytes.next() {
            match byte {
                0xc0 | 0xc1 => text.push(char::from((byte & 3) << 6 | bytes.next().unwrap_or_default() & 0x3f)),
                0 => return text,
                byte => text.push(char::from(byte)),
            }
        }
        text
    };
    let without_parameters =
        |path: &str| path.split('/').map(|segment| segment.split(';').next().unwrap()).collect::<Vec<_>>().join("/");
    let once = |path: &str| overlong(&decoded(path)).replace('\\', "/");
    let found = [path.to_owned(), without_parameters(path), once(path), once(&without_parameters(path))];
    found.iter().map(|path| resolved(path)).collect()
}

fn resolved(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    format!("/{}", segments.join("/"))
}

/// Spellings of a path below `/name`.
fn spellings(name: &str) -> Vec<String> {
    let (first, rest) = name.split_at(1);
    let encoded = |letters: &str| letters.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
    let capital = |letters: &str| letters.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let mut found = Vec::new();
    for before in [
        "/",
        "//",
        "///",
        "/./",
        "/.//./",
        "/x/../",
        "/x/y/../../",
        "/x//../",
        "/../",
        "/../../",
        "/%2e/",
        "/%2E/",
        "/x/%2e%2e/",
        "/x/.%2e/",
        "/x/%2E./",
        "/x/%2e%2E/",
        "/x%2f..%2f",
        "/%2f",
        "/x/..%2f",
        "/x/..;/",
        "/x/..;a=b/",
        "/;/",
        "/;x=y/",
        "/.;/",
        "/.;x/",
        "/x;/../",
        "/x/..%3b/",
        "/\\",
        "/x\\..\\",
        "/x/..\\",
        "/%5c",
        "/x/..%5c",
        "/x/..%5C../",
        "/%c0%ae/",
        "/x/%c0%ae%c0%ae/",
        "/%c0%af",
        "/x/..%c0%af",
        "/%c1%9c",
        "/x/%e0%80%ae%e0%80%ae/",
        "/%e0%80%af",
        "/%f0%80%80%af",
        "/%252e/",
        "/x/%252e%252e/",
        "/x%252f..%252f",
        "/files/../",
        "/files/%2e%2e/",
        "/files/..;/",
        "/%00/",
        "/%00/../",
        "/ /../",
        "/%20/../",
        "/x/%09/../../",
        "/?/../",
        "/%3f/../",
        "/%23/../",
        "/x/.../../../",
        "/x/..../../..//",
    ] {
        for word in [
            name.to_owned(),
            format!("{}{rest}", encoded(first)),
            format!("{}{rest}", capital(first)),
            encoded(name),
            format!("{first}{}", encoded(rest)),
            format!("%25{}{rest}", &encoded(first)[1..]),
        ] {
            found.push(format!("{before}{word}"));
        }
    }
    for after in [
        "", "/", "//", "/.", "/./", "/x", "/x/..", "/x/../", "?", "?x", "?/../", "#", "#x", ";", ";x", ";x=y", ";/",
        ";x=y/z", "/;x", ";/..;/", "/x/..;/", "%3b", "%3bx", "%00", "%00.html", "%2f", "%2fx", "%5c", "\\", "\\x",
        "%20", "%09", "%0a", "%0d%0a", "%c0%80", "%3f", "%23", ".", "..",
    ] {
        found.push(format!("/{name}{after}"));
        found.push(format!("/x/..//{name}{after}"));
    }
    found
}

#[test]
fn p14_no_spelling_passes_a_rule() {
    let (recorder, gateway) = served();
    let mut wrong = String::new();
    for name in ["admin", "internal", "owner"] {
        let closed = format!("/{name}");
        let is_closed = |path: &str| path == closed || path.starts_with(&format!("{closed}/"));
        for spelling in spellings(name) {
            let mut client: Client = gateway.client();
            client.send(format!("GET {spelling} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"));
            let bytes = client.rest();
            let status = strict::answers(&bytes, &["GET"]).unwrap().messages[0].status();
            let seen = recorder.take(&spelling);
            let got_through = seen.requests.iter().map(|request| request.line.split(' ').nth(1).unwrap().to_owned());
            for target in got_through {
                for reading in readings(&target) {
                    if is_closed(&reading) {
                        let _ = writeln!(
                            wrong,
                            "{spelling} reached the service as {target}, which can be read as {reading}"
                        );
                    }
                }
            }
            // A plain spelling of it is refused by the rule, or has no normal form at all.
            let path = spelling.split(['?', '#']).next().unwrap();
            if is_closed(&resolved(path)) && !matches!(status, 400 | 401 | 403) {
                let _ = writeln!(wrong, "{spelling} was answered {status}");
            }
        }
    }
    assert!(wrong.is_empty(), "P14:\n{wrong}");
}

/// HTTP/2 and the absolute form are ways to the same place.
#[test]
fn p14_every_form_of_a_target_meets_the_same_rule() {
    let (recorder, gateway) = served();
    for spelling in spellings("admin").into_iter().step_by(7) {
        let status = |request: String| {
            let mut client = gateway.client();
            client.send(request);
            strict::answers(&client.rest(), &["GET"]).unwrap().messages[0].status()
        };
        let origin = status(format!("GET {spelling} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"));
        let absolute = status(format!("GET http://a{spelling} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"));
        assert_eq!(origin, absolute, "{spelling}");
        let mut client = Http2::connect(gateway.address("public"), &[]);
        let fields = [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", &*spelling)];
        client.send(frame(kind::HEADERS, END_STREAM | END_HEADERS, 1, &block(&fields)));
        let passed = loop {
            match client.next(Duration::from_secs(10)).expect("an end") {
                Some(frame) if frame.kind == kind::HEADERS => break frame.is_ok(),
                Some(frame) if !matches!(frame.kind, kind::RST_STREAM | kind::GOAWAY) => {}
                _ => break false,
            }
        };
        assert_eq!(passed, origin == 200, "{spelling} over HTTP/2");
        let _ = recorder.take(&spelling);
    }
}
