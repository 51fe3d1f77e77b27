//! Services of gRPC, asked in JSON: which call a request becomes, what its answer is, what is refused.

use gateway_tests::gateway::Setup;
use gateway_tests::http2::{self, Http2};
use gateway_tests::library::descriptors;
use gateway_tests::wait::until;
use gateway_tests::{Authority, Client, Library, Response, TestGateway};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

pub(crate) fn config(library: &Library, route: &str) -> String {
    format!(
        r#"
[[listener]]
name = "public"
address = "127.0.0.1:0"

[upstream.library]
endpoints = ["{}"]
grpc = {{ descriptors = "library.pb", message = "64 KiB" }}
outliers = {{ failures = 0 }}

[[route]]
name = "library"
upstream = "library"
{route}
"#,
        library.url()
    )
}

pub(crate) fn started(library: &Library, route: &str) -> TestGateway {
    Setup::new(&config(library, route)).file("library.pb", descriptors("library.proto")).start()
}

pub(crate) fn ask(client: &mut Client, method: &str, target: &str, fields: &str, body: &str) -> Response {
    let length = body.len();
    client.ask(format!("{method} {target} HTTP/1.1\r\nhost: a\r\n{fields}content-length: {length}\r\n\r\n{body}"))
}

pub(crate) fn is_problem(answer: &Response, status: u16, detail: &str) {
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (status, Some("application/problem+json")),
        "{answer:?}"
    );
    let told = answer.json();
    assert_eq!(told["status"], status, "{told}");
    assert!(told["detail"].as_str().unwrap_or_default().contains(detail), "{detail:?} is not in {told}");
}

#[test]
fn requests_become_the_calls_that_are_annotated() {
    let library = Library::start();
    let gateway = started(&library, "");
    let mut client = gateway.client();
    let query = "pages=7&kind=ATLAS&tags=a&tags=b+c&cover=AP-A&price=1.5&lent=true&author.name=Leo&author.bornIn=1828\
                 &printed=2020-01-02T03:04:05Z&shelf=3&mask=title,author.bornIn&kinds=NOVEL&kinds=2&due=1.500s&box=4";
    let of_query = json!({
        "title": "War", "pages": "7", "kind": "ATLAS", "tags": ["a", "b c"], "cover": "AP+A", "price": 1.5, "lent": true,
        "author": { "name": "Leo", "bornIn": 1828 }, "printed": "2020-01-02T03:04:05Z", "shelf": 3,
        "mask": "title,author.bornIn", "kinds": ["NOVEL", "ATLAS"], "due": "1.500s", "box": 4,
    });
    let whole = json!({
        "title": "War", "pages": "7", "counts": { "a": 1 }, "room": "b", "free": { "x": [1.0, null] },
        "extra": { "@type": "type.googleapis.com/test.v1.Author", "name": "Leo" },
    });
    let whole_text = whole.to_string();
    let war = json!({ "title": "War" });
    let cases: Vec<(&str, String, &str, Value)> = vec![
        ("GET", "/v1/shelves/3/books/a%20b".into(), "", json!({ "name": "shelves/3/books/a b" })),
        ("GET", "/v1/books/War".into(), "", war.clone()),
        ("GET", format!("/v1/books/War?{query}"), "", of_query),
        ("GET", "/v1/authors/Leo/books/War".into(), "", json!({ "title": "War", "author": { "name": "Leo" } })),
        ("GET", "/v1/kinds/ATLAS".into(), "", json!({ "kind": "ATLAS" })),
        ("POST", "/v1/books".into(), &whole_text, whole.clone()),
        ("POST", "/v1/books".into(), "{\"author\":{\"born_in\":1828}}", json!({ "author": { "bornIn": 1828 } })),
        ("POST", "/v1/books".into(), "", json!({})),
        (
            "POST",
            "/v1/shelves/3/authors?title=War".into(),
            "{\"name\":\"Leo\"}",
            json!({ "title": "War", "author": { "name": "Leo" }, "shelf": 3 }),
        ),
        ("PUT", "/v1/books/War".into(), "{\"title\":\"Peace\",\"lent\":true}", json!({ "title": "War", "lent": true })),
        ("PATCH", "/v1/books/War".into(), "[\"a\"]", json!({ "title": "War", "tags": ["a"] })),
        ("DELETE", "/v1/books/War".into(), "", war.clone()),
        ("POST", "/v1/books/War:lend".into(), "{}", war.clone()),
        ("GET", "/v1/books/War:lend".into(), "", json!({ "title": "War:lend" })),
        ("PURGE", "/v1/books/War".into(), "", war.clone()),
        ("LOCK", "/v1/any/War".into(), "", war),
        ("GET", "/v1/files/a/b".into(), "", json!({ "name": "a/b" })),
        ("GET", "/v1/files".into(), "", json!({})),
        ("GET", "/v1/tags?tags=a".into(), "", json!(["a"])),
        ("GET", "/v1/tags".into(), "", json!([])),
        ("GET", "/v1/author?author.name=Leo".into(), "", json!({ "name": "Leo" })),
        ("GET", "/v1/author".into(), "", json!(null)),
    ];
    for (method, target, body, expected) in cases {
        let answer = ask(&mut client, method, &target, "", body);
        let content_type = answer.header("content-type");
        assert_eq!((answer.status, content_type), (200, Some("application/json")), "{method} {target}: {answer:?}");
        assert_eq!(answer.json(), expected, "{method} {target}");
    }
    // A body that is none of JSON, both ways.
    let answer = ask(&mut client, "POST", "/v1/raw", "content-type: text/csv\r\n", "a,b");
    assert_eq!((answer.header("content-type"), answer.text().as_str()), (Some("text/csv"), "a,b"), "{answer:?}");
}

#[test]
fn what_does_not_fit_is_one_clear_problem() {
    let library = Library::start();
    let gateway = started(&library, "");
    let mut client = gateway.client();
    for (method, target, body, status, detail) in [
        ("GET", "/v2", "", 404, "no method has this path"),
        ("PUT", "/v1/tags", "", 405, "other verbs"),
        ("POST", "/v1/books", "{\"title\":", 400, "the body is no JSON"),
        ("POST", "/v1/books", "{} {}", 400, "the body is no JSON"),
        ("POST", "/v1/books", "{\"titel\":\"x\"}", 400, "titel"),
        ("POST", "/v1/books", "{\"author\":{\"bornIn\":\"x\"}}", 400, "at `author.bornIn`"),
        ("POST", "/v1/books", "{\"tags\":[\"a\",1]}", 400, "at `tags[1]`"),
        ("POST", "/v1/books", "{\"printed\":\"yesterday\"}", 400, "at `printed`"),
        ("POST", "/v1/books", "{\"kind\":\"POEM\"}", 400, "at `kind`"),
        ("POST", "/v1/books", "[]", 400, "the body does not fit"),
        ("POST", "/v1/books", "{\"room\":\"a\",\"box\":1}", 400, "the body does not fit"),
        ("PATCH", "/v1/books/War", "[],\"name\":\"x\"", 400, "the body is no JSON"),
        ("GET", "/v1/books/War?titel=x", "", 400, "`titel`"),
        ("GET", "/v1/books/War?author.age=x", "", 400, "has no field `age`"),
        ("GET", "/v1/books/War?pages=x", "", 400, "`pages` should be a whole number"),
        ("GET", "/v1/books/War?pages=1&pages=2", "", 400, "`pages` stands there twice"),
        ("GET", "/v1/books/War?title=x", "", 400, "`title` is what the path or the body says"),
        ("GET", "/v1/books/War?counts=1", "", 400, "`counts` is a map"),
        ("GET", "/v1/books/War?author=1", "", 400, "`author` is a message"),
        ("GET", "/v1/books/War?title.a=1", "", 400, "`title` has no fields"),
        ("POST", "/v1/books?title=x", "{}", 400, "made of its body"),
        ("POST", "/v1/shelves/3/authors?author.name=x", "{}", 400, "the path or the body says"),
        ("GET", "/v1/kinds/POEM", "", 400, "one of the names of `test.v1.Kind`"),
        ("POST", "/v1/upload", "{}", 501, "only gRPC can send"),
        ("GET", "/v1/books/War", "{}", 400, "this request has no body"),
    ] {
        let answer = ask(&mut client, method, target, "", body);
        is_problem(&answer, status, detail);
    }
    assert_eq!(ask(&mut client, "PUT", "/v1/tags", "", "").header("allow"), Some("GET"));
    let typed = ask(&mut client, "POST", "/v1/books", "content-type: text/plain\r\n", "{}");
    is_problem(&typed, 415, "application/json");
    is_problem(&client.get_with("/v1/books/War", "trace-bin: ?\r\n"), 400, "`trace-bin` is no base64");
    // Nested deeper than anybody means it: told, not worked on.
    let deep = format!("{{\"free\":{}1{}}}", "{\"a\":".repeat(70), "}".repeat(70));
    is_problem(&ask(&mut client, "POST", "/v1/books", "", &deep), 400, "nested more than 64 levels");
    // Too long, on either side.
    let long = format!("{{\"title\":\"{}\"}}", "x".repeat(65 * 1024));
    assert_eq!(ask(&mut client, "POST", "/v1/books", "", &long).status, 413);
    let mut client = gateway.client();
    assert_eq!(client.get("/v1/big/60000").status, 200);
    assert_eq!(client.get("/v1/big/70000").status, 502);
    assert_eq!(client.get("/v1/books/War").status, 200);
}

#[test]
fn how_a_call_went_is_told_by_the_published_table() {
    let library = Library::start();
    let gateway = started(&library, "deadline = \"7 s\"");
    let mut client = gateway.client();
    let codes = [
        (1, 499, "CANCELLED"),
        (2, 500, "UNKNOWN"),
        (3, 400, "INVALID_ARGUMENT"),
        (4, 504, "DEADLINE_EXCEEDED"),
        (5, 404, "NOT_FOUND"),
        (6, 409, "ALREADY_EXISTS"),
        (7, 403, "PERMISSION_DENIED"),
        (8, 429, "RESOURCE_EXHAUSTED"),
        (9, 400, "FAILED_PRECONDITION"),
        (10, 409, "ABORTED"),
        (11, 400, "OUT_OF_RANGE"),
        (12, 501, "UNIMPLEMENTED"),
        (13, 500, "INTERNAL"),
        (14, 503, "UNAVAILABLE"),
        (15, 500, "DATA_LOSS"),
        (16, 401, "UNAUTHENTICATED"),
    ];
    for (code, status, name) in codes {
        let answer = client.get_with("/v1/fail/no%C3%BC", &format!("code: {code}\r\n"));
        is_problem(&answer, status, "noü");
        let told = answer.json();
        assert_eq!(told["code"], name);
        let details = json!([
            { "@type": "type.googleapis.com/test.v1.Book", "title": "noü", "pages": "7" },
            { "@type": "type.googleapis.com/test.v1.Unknown", "value": "AQ==" },
        ]);
        assert_eq!(told["details"], details);
        // Metadata passes, what is gRPC's own does not.
        assert_eq!(answer.header("x-why"), Some("because"));
        assert_eq!((answer.header("grpc-status"), answer.header("grpc-message")), (None, None));
    }
    is_problem(&client.get("/v1/no-grpc"), 503, "HTTP status 503");
    let fields =
        "authorization: Bearer x\r\naccept: application/json\r\ntrace-bin: AP+A\r\ngrpc-timeout: 1H\r\nuser: ada\r\n";
    let answer = ask(&mut client, "POST", "/v1/books", fields, "{}");
    let seen = |name: &str| answer.header(name);
    assert_eq!((seen("seen-authorization"), seen("seen-user")), (Some("Bearer x"), Some("ada")), "{answer:?}");
    assert_eq!((seen("seen-trace"), seen("seen-accept")), (Some("AP+A"), None));
    assert!(seen("seen-x-request-id").is_some());
    let left: u64 = seen("seen-grpc-timeout").and_then(|text| text.strip_suffix('m')).unwrap().parse().unwrap();
    assert!((5000..=7000).contains(&left), "{left}");
}

#[test]
fn what_may_be_sent_twice_is_sent_once_more_where_the_route_says_so() {
    let library = Library::start();
    let gateway = started(&library, "retry = { on = [\"grpc-unavailable\"] }");
    let mut client = gateway.client();
    for method in ["GET", "PUT", "DELETE"] {
        let answer = ask(&mut client, method, "/v1/books/War", "flaky: 1\r\n", "");
        assert_eq!((answer.status, answer.json()), (200, json!({ "title": "War" })), "{method}: {answer:?}");
    }
    is_problem(&ask(&mut client, "POST", "/v1/books", "flaky: 1\r\n", "{}"), 503, "not this time");
}

#[test]
fn a_path_with_a_slash_in_a_segment_is_taken_as_it_is_meant() {
    let library = Library::start();
    let gateway = started(&library, "allow = [\"encoded-slash\"]");
    assert_eq!(gateway.get("/v1/books/a%2Fb").json(), json!({ "title": "a/b" }));
    // Several segments: decoded, it would be one more.
    assert_eq!(gateway.get("/v1/files/a%2Fb/c%20d").json(), json!({ "name": "a%2Fb/c d" }));
    // What `gateway explain` says, too.
    let explained = |url: &str| gateway.post_admin("/explain", &json!({ "method": "GET", "url": url })).1.to_string();
    assert!(
        explained("http://a/v1/books/War").contains("/test.v1.Library/Get"),
        "{}",
        explained("http://a/v1/books/War")
    );
    assert!(explained("http://a/v2").contains("none: 404"));
}

#[test]
fn a_deadline_ends_a_call_and_so_does_a_client_that_leaves() {
    let library = Library::start();
    let gateway = started(&library, "deadline = \"300 ms\"");
    is_problem(&gateway.get("/v1/hang"), 504, "");
    until("the call is given up", || (library.given_up() == 1 && library.hanging() == 0).then_some(()));
    // On HTTP/2 a client says so; on HTTP/1.1 it is found out when something is written to it.
    let gateway = started(&library, "");
    let mut client = Http2::connect(gateway.address("public"), &[]);
    client.send(http2::get(1, "/v1/hang"));
    until("the call hangs", || (library.hanging() == 1).then_some(()));
    client.send(http2::frame(http2::kind::RST_STREAM, 0, 1, &8_u32.to_be_bytes()));
    until("the call is given up", || (library.given_up() == 2 && library.hanging() == 0).then_some(()));
    assert_eq!(gateway.get("/v1/books/War").status, 200);
}

#[test]
fn a_service_that_dies_and_comes_back_gets_calls_again() {
    let mut library = Library::start();
    let gateway = started(&library, "");
    let (over, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    let load = || {
        let (mut client, mut statuses) = (gateway.client(), BTreeSet::new());
        while !over.load(Ordering::Relaxed) {
            let number = sent.fetch_add(1, Ordering::Relaxed);
            let answer = ask(&mut client, "POST", "/v1/books", "", &format!("{{\"pages\":{number}}}"));
            statuses.insert(answer.status);
            match answer.status {
                200 if number == 0 => assert_eq!(answer.json(), json!({})),
                200 => assert_eq!(answer.json(), json!({ "pages": number.to_string() })),
                _ => assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{answer:?}"),
            }
        }
        statuses
    };
    let more = |what: &str, count: u64| {
        let before = sent.load(Ordering::Relaxed);
        until(what, || (sent.load(Ordering::Relaxed) >= before + count).then_some(()));
    };
    let statuses: BTreeSet<u16> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..2).map(|_| scope.spawn(load)).collect();
        more("there is load", 100);
        library.kill();
        more("requests are answered without the service", 50);
        library.revive();
        until("it recovers", || (gateway.get("/v1/books/War").status == 200).then_some(()));
        more("there is load again", 100);
        over.store(true, Ordering::Relaxed);
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    assert!(statuses.is_subset(&[200, 502, 503, 504].into()), "{statuses:?}");
    assert!(statuses.contains(&200) && statuses.contains(&502), "{statuses:?}");
    let endpoint = &gateway.status()["upstreams"]["library"]["endpoints"][0];
    assert_eq!((&endpoint["state"], &endpoint["active"]), (&json!("up"), &json!(0)), "{endpoint}");
}

/// The service over TLS is another gateway with a certificate, which passes calls on as they are.
#[test]
fn a_service_over_tls_is_asked_as_one_without() {
    let (library, authority) = (Library::start(), Authority::default());
    let issued = authority.server(&["library.example"]);
    let secure = format!(
        "[[listener]]\nname = \"public\"\naddress = \"127.0.0.1:0\"\n\
         tls = {{ certificates = [{{ cert = \"a.pem\", key = \"a.key\" }}] }}\n\
         [upstream.library]\nendpoints = [\"{}\"]\nprotocol = \"http2\"\n\
         [[route]]\nname = \"all\"\nmatch = {{ prefix = \"/\" }}\nupstream = \"library\"\n",
        library.url()
    );
    let secure = Setup::new(&secure).file("a.pem", &*issued.cert).file("a.key", &*issued.key).start();
    let config = config(&library, "").replace(
        &format!("endpoints = [\"{}\"]\n", library.url()),
        &format!(
            "endpoints = [\"https://{}\"]\ntls = {{ ca = \"ca.pem\", server-name = \"library.example\" }}\n",
            secure.address("public")
        ),
    );
    let setup = Setup::new(&config).file("library.pb", descriptors("library.proto")).file("ca.pem", authority.pem());
    let gateway = setup.start();
    let answer = gateway.get("/v1/books/War?pages=7");
    assert_eq!((answer.status, answer.json()["pages"].clone()), (200, json!("7")), "{answer:?}");
    // A stream, and the end that only trailers tell.
    let lines = gateway.get("/v1/watch/2?title=fail").text();
    assert!(lines.lines().count() == 3 && lines.contains("\"@problem\""), "{lines}");
}

#[test]
fn a_new_descriptor_set_is_taken_up_and_a_broken_one_is_not() {
    let library = Library::start();
    let gateway = started(&library, "");
    assert_eq!(gateway.get("/catalog/items/7").status, 404);
    gateway.replace("library.pb", &descriptors("catalog.proto"));
    gateway.wait_for_generation(2);
    // It is told what it asked.
    assert_eq!(gateway.get("/catalog/items/7").json(), json!({ "sku": "7" }));
    assert_eq!(gateway.get("/v1/books/War").status, 404);
    gateway.replace("library.pb", b"no descriptors");
    until("it is told", || gateway.status().to_string().contains("grpc-descriptors").then_some(()));
    assert_eq!(gateway.get("/catalog/items/7").status, 200);
}
