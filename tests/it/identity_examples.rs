//! The folder `examples/identity`, started as it is but for its ports, and each of its stories played.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use gateway_tests::gateway::Setup;
use gateway_tests::issuer::now;
use gateway_tests::{Key, Reply, TestGateway, Upstream};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

struct Example {
    gateway: TestGateway,
    service: Upstream,
    idp: Upstream,
    key: Key,
}

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/identity")
}

impl Example {
    fn start() -> Self {
        let (service, key) = (Upstream::ok(), Key::rsa("2026"));
        let keys = json!({ "keys": [key.jwk()] }).to_string();
        let idp = Upstream::start(move |request| match request.target() {
            "/keys" => Reply::ok(&keys),
            "/introspect" if request.body.starts_with(b"token=good&") => {
                Reply::ok(&json!({ "active": true, "sub": "carol", "exp": now() + 60 }).to_string())
            }
            "/introspect" if request.body.starts_with(b"token=odd&") => Reply::with("500 Oops", "", "{}"),
            "/introspect" => Reply::ok(r#"{"active":false}"#),
            other => panic!("{other}"),
        });
        let mut setup = Setup::default();
        for file in fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
            let mut text = fs::read_to_string(&file).unwrap();
            for (written, here) in [
                ("\"127.0.0.1:9901\"", "\"unix:{folder}/admin.sock\"".to_owned()),
                ("\"127.0.0.1:8080\"", "\"127.0.0.1:0\"".to_owned()),
                ("http://127.0.0.1:9001", service.url()),
                ("http://127.0.0.1:9002", idp.url()),
            ] {
                text = text.replace(written, &here);
            }
            setup = setup.file(file.file_name().unwrap(), text);
        }
        let plugins = ["jwt", "introspection", "basic", "api-key", "authorize"];
        let gateway = plugins.into_iter().fold(setup, Setup::plugin).start();
        Self { gateway, service, idp, key }
    }

    /// The answer's status, and whom the service was told of.
    fn ask(&self, method: &str, path: &str, fields: &str) -> (u16, Option<String>) {
        let before = self.service.received().len();
        let answer =
            self.gateway.client().ask(format!("{method} {path} HTTP/1.1\r\nhost: a\r\nx-user: root\r\n{fields}\r\n"));
        let received = self.service.received();
        assert_eq!(received.len() - before, usize::from(answer.status == 200), "{path}: {answer:?}");
        if answer.status != 200 {
            assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{path}: {answer:?}");
            return (answer.status, None);
        }
        (200, received.last().unwrap().value("x-user").map(str::to_owned))
    }

    fn get(&self, path: &str, fields: &str) -> (u16, Option<String>) {
        self.ask("GET", path, fields)
    }

    fn token(&self, change: Value) -> String {
        let mut claims = json!({ "iss": "https://idp.example", "aud": "shop", "sub": "alice", "exp": now() + 60 });
        claims.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        bearer(&self.key.token(&claims))
    }
}

fn bearer(token: &str) -> String {
    format!("authorization: Bearer {token}\r\n")
}

fn password(credentials: &str) -> String {
    format!("authorization: Basic {}\r\n", BASE64_STANDARD.encode(credentials))
}

fn known(name: &str) -> (u16, Option<String>) {
    (200, Some(name.to_owned()))
}

const UNKNOWN: (u16, Option<String>) = (401, None);
const FORBIDDEN: (u16, Option<String>) = (403, None);

#[test]
fn tokens_of_an_issuer_and_with_a_shared_secret() {
    let example = Example::start();
    assert_eq!(example.get("/jwt", &example.token(json!({}))), known("alice"));
    assert_eq!(example.get("/jwt", ""), UNKNOWN);
    assert_eq!(example.get("/jwt", &bearer(&Key::rsa("2026").token(&json!({ "sub": "x" })))), UNKNOWN);
    let readme = fs::read_to_string(folder().join("README.md")).unwrap();
    let token = readme.lines().find_map(|line| line.trim().strip_prefix("TOKEN=")).unwrap();
    assert_eq!(example.get("/shared", &bearer(token)), known("alice"));
    assert_eq!(example.get("/jwt", &bearer(token)), UNKNOWN);
    assert_eq!(example.get("/shared", &example.token(json!({}))), UNKNOWN);
}

#[test]
fn tokens_whose_issuer_is_asked() {
    let example = Example::start();
    assert_eq!(example.get("/opaque", &bearer("good")), known("carol"));
    assert_eq!(example.get("/opaque", &bearer("good")), known("carol"));
    let asked = example.idp.received();
    assert_eq!(asked.len(), 1, "and remembered");
    let credentials = BASE64_STANDARD.encode("gateway:gateway-asks");
    assert_eq!(asked[0].value("authorization"), Some(&*format!("Basic {credentials}")));
    assert_eq!(example.get("/opaque", &bearer("bad")), UNKNOWN);
    assert_eq!(example.get("/opaque", &bearer("odd")), (503, None), "nobody can say");
    assert_eq!(example.get("/opaque", ""), UNKNOWN);
}

#[test]
fn names_and_passwords() {
    let example = Example::start();
    assert_eq!(example.get("/basic", &password("alice:open sesame")), known("alice"));
    assert_eq!(example.get("/basic", &password("bob:hunter2")), known("bob"));
    assert_eq!(example.service.last().value("authorization"), None, "the service gets no password");
    for wrong in ["alice:hunter2", "bob:open sesame", "carol:x", "alice:", ":open sesame"] {
        assert_eq!(example.get("/basic", &password(wrong)), UNKNOWN, "{wrong}");
    }
    assert_eq!(example.get("/basic", ""), UNKNOWN);
}

/// A password costs its hash once, not for each request.
#[test]
fn a_password_seen_before_costs_little() {
    let example = Example::start();
    let mut client = example.gateway.client();
    let fields = password("alice:open sesame");
    let mut ask = |times: usize, fields: &str, status: u16| {
        let begin = std::time::Instant::now();
        for _ in 0..times {
            assert_eq!(client.get_with("/basic", fields).status, status);
        }
        begin.elapsed() / u32::try_from(times).unwrap()
    };
    ask(1, &fields, 200);
    let wrong = ask(3, &password("alice:wrong"), 401);
    let right = ask(100, &fields, 200);
    assert!(right * 4 < wrong, "{right:?} for a password that is known, {wrong:?} for a wrong one");
}

/// Whoever guesses passwords takes all the time there is for hashing, and keeps nobody out who is known.
#[test]
fn a_crowd_that_guesses_keeps_nobody_out() {
    let example = Example::start();
    let address = example.gateway.address("public");
    assert_eq!(example.get("/basic", &password("alice:open sesame")), known("alice"));
    let wrong = password("alice:wrong");
    let mut crowd: Vec<_> = (0..120).map(|_| gateway_tests::Client::connect(address)).collect();
    for client in &mut crowd {
        client.send(format!("GET /basic HTTP/1.1\r\nhost: a\r\n{wrong}\r\n"));
    }
    for _ in 0..20 {
        assert_eq!(example.get("/basic", &password("alice:open sesame")), known("alice"));
    }
    let answers: Vec<_> = crowd.iter_mut().map(|client| client.response().unwrap().status).collect();
    assert!(answers.iter().all(|status| [401, 503].contains(status)), "{answers:?}");
    assert!(answers.contains(&401) && answers.contains(&503), "{answers:?}");
}

#[test]
fn keys_of_applications() {
    let example = Example::start();
    assert_eq!(example.get("/key", "x-api-key: k-1f0c7a52d1\r\n"), known("web"));
    assert_eq!(example.get("/key?key=k-93be0d4477&a=1", ""), known("mobile"));
    assert_eq!(example.service.last().target(), "/key?a=1");
    assert_eq!(example.get("/key", "x-api-key: k\r\n"), UNKNOWN);
    assert_eq!(example.get("/key", ""), UNKNOWN);
}

#[test]
fn what_they_may_do() {
    let example = Example::start();
    let with = |change: Value| example.token(change);
    let reader = with(json!({ "scope": "orders:read" }));
    let writer = with(json!({ "scope": "orders:read orders:write", "tenant": "north" }));
    let stranger = with(json!({ "scope": "orders:write", "tenant": "east" }));
    let admin = with(json!({ "sub": "root", "groups": ["admin"] }));
    for (method, path, who, expected) in [
        ("GET", "/orders/17", &reader, known("alice")),
        ("POST", "/orders/17", &reader, FORBIDDEN),
        ("POST", "/orders/17", &writer, known("alice")),
        ("POST", "/orders/17/lines", &writer, FORBIDDEN),
        ("POST", "/orders/17", &stranger, FORBIDDEN),
        ("DELETE", "/orders/17", &writer, FORBIDDEN),
        ("DELETE", "/orders/17", &admin, known("root")),
        ("GET", "/orders/17", &with(json!({})), FORBIDDEN),
    ] {
        assert_eq!(example.ask(method, path, who), expected, "{method} {path}");
    }
    assert_eq!(example.get("/orders/17", ""), UNKNOWN);
    assert_eq!(example.get("/office", &password("bob:hunter2")), known("bob"));
    assert_eq!(example.get("/office", &password("alice:open sesame")), FORBIDDEN);
    assert_eq!(example.get("/office", ""), UNKNOWN);
}
