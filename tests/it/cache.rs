//! What is stored is given again: hits, parts, conditions, variants, validation, stale answers.

use gateway_tests::wait::until;
use gateway_tests::{Reply, Response, TestGateway, Upstream};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A gateway whose one route has this cache.
pub(crate) fn cached(upstream: &Upstream, cache: &str) -> TestGateway {
    TestGateway::start(&format!("{}cache = {cache}\n", upstream.config()))
}

/// Answers in turn, the last one for ever.
pub(crate) fn script(replies: &[(&str, &str, &str)]) -> Upstream {
    let replies: Vec<_> =
        replies.iter().map(|(status, fields, body)| [*status, *fields, *body].map(str::to_owned)).collect();
    let next = AtomicUsize::new(0);
    Upstream::start(move |_| {
        let [status, fields, body] = &replies[next.fetch_add(1, Ordering::SeqCst).min(replies.len() - 1)];
        match status.as_str() {
            "reset" => Reply::Reset,
            status if status.starts_with("304") => Reply::Bytes(format!("HTTP/1.1 {status}\r\n{fields}\r\n").into()),
            status => Reply::with(status, fields, body),
        }
    })
}

/// Body and `cache-status`.
pub(crate) fn told(response: &Response) -> (String, String) {
    let body = String::from_utf8_lossy(&response.body).into_owned();
    (body, response.header("cache-status").unwrap_or_default().to_owned())
}

pub(crate) fn pair(body: &str, status: &str) -> (String, String) {
    (body.to_owned(), status.to_owned())
}

#[test]
fn an_answer_is_stored_and_given_again_with_its_age() {
    let upstream =
        script(&[("200 OK", "cache-control: max-age=1000\r\nage: 30\r\netag: \"a\"\r\nx-a: 1\r\n", "0123456789")]);
    let gateway = cached(&upstream, "true");
    let mut client = gateway.client();
    assert_eq!(told(&client.get("/a")), pair("0123456789", "gateway; fwd=uri-miss; stored"));

    let hit = client.get("/a");
    let age: u64 = hit.header("age").unwrap().parse().unwrap();
    assert!((30..900).contains(&age), "{age}");
    assert_eq!((hit.header("x-a"), hit.header("content-length")), (Some("1"), Some("10")));
    assert_eq!(told(&hit), pair("0123456789", &format!("gateway; hit; ttl={}", 1000 - age)));

    // The same entry answers parts and conditions.
    let part = client.get_with("/a", "range: bytes=2-3\r\n");
    assert_eq!((part.status, part.header("content-range"), &*part.body), (206, Some("bytes 2-3/10"), &b"23"[..]));
    let held = client.get_with("/a", "if-none-match: \"a\"\r\n");
    assert_eq!((held.status, held.header("etag"), held.body.len()), (304, Some("\"a\""), 0));
    assert_eq!(client.get_with("/a", "if-none-match: \"b\"\r\n").status, 200);

    // Nothing else is the same.
    assert_eq!(client.get("/b").header("cache-status"), Some("gateway; fwd=uri-miss; stored"));
    assert_eq!(client.get("/a?b").header("cache-status"), Some("gateway; fwd=uri-miss; stored"));
    let elsewhere = client.ask("GET /a HTTP/1.1\r\nhost: other.example\r\n\r\n");
    assert_eq!(elsewhere.header("cache-status"), Some("gateway; fwd=uri-miss; stored"));
    assert_eq!(upstream.received().len(), 4);
    assert_eq!((gateway.counter("cache.stored"), gateway.counter("cache.misses")), (4, 4));
    assert_eq!(gateway.counter("cache.hits"), 4);
    let status = gateway.status();
    assert_eq!(status["cache"]["keys"], 4);
    assert!(status["cache"]["bytes"].as_u64().unwrap() > 40);
}

#[test]
fn head_is_answered_from_what_get_has_stored() {
    let upstream = script(&[("200 OK", "cache-control: max-age=1000\r\n", "0123456789")]);
    let gateway = cached(&upstream, "true");
    let _ = gateway.get("/");
    let mut client = gateway.client();
    client.send("HEAD / HTTP/1.1\r\nhost: shop.example\r\nconnection: close\r\n\r\n");
    let head = String::from_utf8(client.rest()).unwrap();
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("content-length: 10\r\n"), "{head}");
    assert!(head.contains("cache-status: gateway; hit") && head.ends_with("\r\n\r\n"), "{head}");
    assert_eq!(upstream.received().len(), 1);
}

#[test]
fn a_route_without_a_cache_stores_nothing_and_says_nothing() {
    let upstream = script(&[("200 OK", "cache-control: max-age=1000\r\n", "a")]);
    let gateway = TestGateway::start(&upstream.config());
    assert_eq!(told(&gateway.get("/")), pair("a", ""));
    assert_eq!(told(&gateway.get("/")), pair("a", ""));
    assert_eq!(upstream.received().len(), 2);
    assert!(gateway.status()["cache"].is_null());
}

#[test]
fn requests_that_differ_in_what_the_answer_depends_on_get_their_own() {
    let upstream = Upstream::start(|request| {
        let language = request.value("accept-language").unwrap_or("none").to_owned();
        Reply::with("200 OK", "cache-control: max-age=1000\r\nvary: Accept-Language\r\n", &language)
    });
    let gateway = cached(&upstream, "true");
    let mut client = gateway.client();
    let mut ask = |language: &str| told(&client.get_with("/", &format!("accept-language: {language}\r\n")));
    assert_eq!(ask("de"), pair("de", "gateway; fwd=uri-miss; stored"));
    assert_eq!(ask("en"), pair("en", "gateway; fwd=vary-miss; stored"));
    for language in ["de", "en", "de"] {
        let (body, status) = ask(language);
        assert!(body == language && status.starts_with("gateway; hit"), "{language}: {body}, {status}");
    }
    assert_eq!(upstream.received().len(), 2);
}

#[test]
fn each_part_of_a_split_has_answers_of_its_own() {
    let part =
        |name: &'static str| Upstream::start(move |_| Reply::with("200 OK", "cache-control: max-age=1000\r\n", name));
    let (one, two) = (part("one"), part("two"));
    let config = one.config().replace("upstream = \"service\"\n", "split = { service = 1, next = 1 }\ncache = true\n");
    let gateway = TestGateway::start(&format!("{config}[upstream.next]\nendpoints = [\"{}\"]\n", two.url()));
    let mut client = gateway.client();
    let bodies: Vec<_> = (0..64).map(|_| told(&client.get("/")).0).collect();
    let count = |name: &str| bodies.iter().filter(|body| *body == name).count();
    assert!(count("one") > 0 && count("two") > 0, "{bodies:?}");
    assert_eq!((one.received().len(), two.received().len()), (1, 1));
}

#[test]
fn a_stale_answer_is_validated_and_its_fields_are_brought_up_to_date() {
    let stale =
        "cache-control: max-age=10\r\nage: 20\r\netag: \"a\"\r\nlast-modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n";
    let upstream = script(&[
        ("200 OK", &format!("{stale}x-a: 1\r\nx-b: 1\r\n"), "first"),
        ("304 Not Modified", "cache-control: max-age=1000\r\netag: \"a\"\r\nx-a: 2\r\nx-c: 1\r\n", ""),
    ]);
    let gateway = cached(&upstream, "true");
    let mut client = gateway.client();
    assert_eq!(told(&client.get("/")), pair("first", "gateway; fwd=uri-miss; stored"));
    // Its own condition is answered here: the service is asked about what is stored, for the whole.
    let validated = client.get_with("/", "if-none-match: \"z\"\r\nrange: bytes=1-2\r\n");
    assert_eq!((validated.status, &*validated.body), (206, &b"ir"[..]));
    assert_eq!(validated.header("cache-status"), Some("gateway; fwd=stale; ttl=1000; fwd-status=304"));
    let fields = ["x-a", "x-b", "x-c"].map(|name| validated.header(name));
    assert_eq!(fields, [Some("2"), Some("1"), Some("1")]);
    let asked = upstream.last();
    assert_eq!(asked.values("if-none-match"), ["\"a\""]);
    assert_eq!(asked.value("if-modified-since"), Some("Thu, 01 Jan 2026 00:00:00 GMT"));
    assert_eq!(asked.value("range"), None);

    let hit = client.get("/");
    assert_eq!((told(&hit).0.as_str(), hit.header("x-a")), ("first", Some("2")));
    assert_eq!(upstream.received().len(), 2);
    assert_eq!(gateway.counter("cache.validated"), 1);
}

#[test]
fn a_validation_of_something_else_is_not_believed() {
    let upstream = script(&[
        ("200 OK", "cache-control: max-age=0\r\netag: \"a\"\r\n", "first"),
        ("304 Not Modified", "etag: \"b\"\r\n", ""),
        ("200 OK", "cache-control: max-age=1000\r\netag: \"b\"\r\n", "second"),
    ]);
    let gateway = cached(&upstream, "true");
    assert_eq!(told(&gateway.get("/")).0, "first");
    assert_eq!(told(&gateway.get("/")).0, "second");
    assert_eq!(upstream.last().value("if-none-match"), None, "nothing is known of what was stored");
}

#[test]
fn a_stale_answer_is_given_while_a_new_one_is_fetched() {
    let upstream = script(&[
        ("200 OK", "cache-control: max-age=10, stale-while-revalidate=1000\r\nage: 20\r\n", "first"),
        ("200 OK", "cache-control: max-age=1000\r\n", "second"),
    ]);
    let gateway = cached(&upstream, "true");
    let mut client = gateway.client();
    assert_eq!(told(&client.get("/")).0, "first");
    let (body, status) = told(&client.get("/"));
    assert!(body == "first" && status.starts_with("gateway; hit; ttl=-1"), "{body}: {status}");
    until("the new answer is stored", || (gateway.counter("cache.stored") == 2).then_some(()));
    assert_eq!(told(&client.get("/")).0, "second");
    assert_eq!(upstream.received().len(), 2);
}

#[test]
fn a_stale_answer_is_given_in_place_of_an_error() {
    for (stale, error, expected) in [
        ("max-age=10, stale-if-error=1000", "reset", Some(502)),
        ("max-age=10, stale-if-error=1000", "503 Service Unavailable", Some(503)),
        ("max-age=10, stale-if-error=1000", "404 Not Found", None),
        ("max-age=10", "reset", None),
        ("max-age=10, stale-if-error=1000, must-revalidate", "reset", None),
    ] {
        let stored = format!("cache-control: {stale}\r\nage: 20\r\netag: \"a\"\r\n");
        let upstream = script(&[("200 OK", &stored, "first"), (error, "", "error")]);
        let gateway = cached(&upstream, "true");
        assert_eq!(told(&gateway.get("/")).0, "first");
        let second = gateway.get("/");
        let status = second.header("cache-status").unwrap_or_default();
        match expected {
            Some(said) => {
                assert_eq!((second.status, &*second.body), (200, &b"first"[..]), "{stale}, {error}");
                let told = format!("; fwd-status={said}");
                assert!(status.starts_with("gateway; fwd=stale; ttl=-1") && status.ends_with(&told), "{status}");
            }
            None => assert!(second.status >= 400, "{stale}, {error}: {}", second.status),
        }
    }
}

#[test]
fn what_a_client_may_ask_of_the_cache() {
    let upstream = script(&[("200 OK", "cache-control: max-age=1000\r\n", "a")]);
    let gateway = cached(&upstream, "true");
    let mut client = gateway.client();
    let nothing = client.get_with("/", "cache-control: only-if-cached\r\n");
    assert_eq!((nothing.status, upstream.received().len()), (504, 0));
    for (fields, asked) in [
        ("", 1),
        ("cache-control: only-if-cached\r\n", 1),
        ("cache-control: no-cache\r\n", 2),
        ("pragma: no-cache\r\n", 3),
        ("cache-control: no-store\r\n", 4),
        ("cache-control: min-fresh=2000\r\n", 5),
        ("if-match: \"a\"\r\n", 6),
        ("", 6),
    ] {
        assert_eq!(client.get_with("/", fields).status, 200);
        assert_eq!(upstream.received().len(), asked, "{fields}");
    }
    let deaf = cached(&upstream, "{ heed-client = false }");
    for fields in ["", "cache-control: no-cache\r\n", "cache-control: no-store\r\n"] {
        let _ = deaf.client().get_with("/", fields);
        assert_eq!(upstream.received().len(), 7, "{fields}, not heeded");
    }
}

#[test]
fn what_ends_early_is_never_stored_as_whole() {
    let cut = |head: &str, body: &str| {
        Reply::Close(format!("HTTP/1.1 200 OK\r\ncache-control: max-age=1000\r\n{head}\r\n{body}").into())
    };
    let upstream = Upstream::start(move |request| match request.target() {
        "/length" => cut("content-length: 100\r\n", "half"),
        "/chunked" => cut("transfer-encoding: chunked\r\n", "4\r\nhalf\r\n"),
        "/closed" => cut("", "half"),
        "/whole" => cut("transfer-encoding: chunked\r\n", "4\r\nwhol\r\n1\r\ne\r\n0\r\n\r\n"),
        _ => Reply::ok(""),
    });
    let gateway = cached(&upstream, "true");
    for path in ["/length", "/chunked", "/closed"] {
        for asked in 1..=2 {
            let mut client = gateway.client();
            client.send(format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"));
            assert!(String::from_utf8(client.rest()).unwrap().contains("half"), "{path}");
            let all = upstream.received();
            assert_eq!(all.iter().filter(|request| request.target() == path).count(), asked, "{path}");
        }
    }
    assert_eq!(told(&gateway.get("/whole")), pair("whole", "gateway; fwd=uri-miss; stored"));
    assert!(told(&gateway.get("/whole")).1.starts_with("gateway; hit"));
    assert_eq!(gateway.counter("cache.stored"), 1);
}

#[test]
fn what_is_longer_than_the_largest_passes_whole_and_is_not_stored() {
    let long = Arc::new("x".repeat(200_000));
    let body = Arc::clone(&long);
    let upstream = Upstream::start(move |request| match request.target() {
        "/known" => Reply::with("200 OK", "cache-control: max-age=1000\r\n", &body),
        _ => {
            let head = "HTTP/1.1 200 OK\r\ncache-control: max-age=1000\r\ntransfer-encoding: chunked\r\n\r\n";
            let chunks: String = body
                .as_bytes()
                .chunks(1000)
                .map(|chunk| format!("3e8\r\n{}\r\n", str::from_utf8(chunk).unwrap()))
                .collect();
            Reply::Bytes(format!("{head}{chunks}0\r\n\r\n").into())
        }
    });
    let config = format!("[cache]\nsize = \"1 MiB\"\nlargest = \"100 kB\"\n{}cache = true\n", upstream.config());
    let gateway = TestGateway::start(&config);
    for path in ["/known", "/unknown"] {
        for _ in 0..2 {
            assert!(gateway.get(path).body == long.as_bytes(), "{path}");
        }
    }
    assert_eq!((upstream.received().len(), gateway.counter("cache.stored")), (4, 0));
}

#[test]
fn the_example_does_what_it_says() {
    let upstream = script(&[("200 OK", "", "a")]);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/cache");
    let example = fs::read_to_string(folder.join("gateway.toml")).unwrap();
    let placed = example
        .replace("[admin]\naddress = \"127.0.0.1:9901\"\n", "")
        .replace("127.0.0.1:8080", "127.0.0.1:0")
        .replace("http://127.0.0.1:9001", &upstream.url());
    let gateway = TestGateway::start(&placed);
    let public = gateway.address("public").to_string();
    let readme = fs::read_to_string(folder.join("README.md")).unwrap().replace("127.0.0.1:8080", &public);
    // What it says, command for command: each with what it answers.
    let mut commands = readme.split("\n$ ").filter_map(|text| text.strip_prefix("curl ")?.split_once('\n'));
    let mut ask = || {
        let (arguments, answer) = commands.next().unwrap();
        let socket = gateway.path("admin.sock");
        let route =
            if arguments.contains("9901") { format!("--unix-socket {}", socket.display()) } else { String::new() };
        let output = Command::new("sh").arg("-c").arg(format!("curl {route} {arguments}")).output().unwrap();
        let answer = answer.split("\n```").next().unwrap();
        (String::from_utf8(output.stdout).unwrap().trim().replace('\r', ""), answer.trim().to_owned())
    };
    for _ in 0..3 {
        let (said, expected) = ask();
        // What is left of a minute.
        let (said, expected) = [said, expected].map(|text| text.split("ttl=").next().unwrap().to_owned()).into();
        assert_eq!(said, expected);
    }
    assert_eq!(upstream.last().target(), "/products/7");
    assert_eq!(told(&gateway.get("/products/7")).1, "gateway; fwd=uri-miss; stored");
}
