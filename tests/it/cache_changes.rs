//! What makes a stored answer go: unsafe methods, purges, other configurations.

use crate::cache::{cached, pair, script, told};
use crate::cache_collapse::{Gate, ask};
use gateway_tests::gateway::Setup;
use gateway_tests::{Reply, Response, TestGateway, Upstream};
use std::collections::HashMap;
use std::sync::Mutex;

fn is_hit(gateway: &TestGateway, path: &str) -> bool {
    gateway.get(path).header("cache-status").unwrap().starts_with("gateway; hit")
}

#[test]
fn a_change_makes_what_is_stored_of_it_go() {
    let upstream = Upstream::start(|request| match request.line().split(' ').next() {
        Some("GET") => Reply::with("200 OK", "cache-control: max-age=1000\r\n", "a"),
        _ if request.target() == "/refused" => Reply::with("409 Conflict", "", ""),
        _ => Reply::with("201 Created", "location: /orders/8\r\ncontent-location: other?x=1\r\n", ""),
    });
    let config = format!(
        "{}match.methods = [\"GET\"]\ncache = true\n[[route]]\nname = \"writes\"\nmatch = {{ prefix = \"/\" }}\nupstream = \"service\"\n",
        upstream.config().replace("match = { prefix = \"/\" }\n", "match.prefix = \"/\"\n")
    );
    let gateway = TestGateway::start(&config);
    let paths = ["/orders/7", "/orders/8", "/orders/other?x=1", "/orders/9", "/refused"];
    for path in paths {
        assert!(!is_hit(&gateway, path) && is_hit(&gateway, path), "{path}");
    }
    for (method, path) in [("POST", "/orders/7"), ("DELETE", "/refused"), ("OPTIONS", "/orders/9")] {
        let mut client = gateway.client();
        let _ = client.ask(format!("{method} {path} HTTP/1.1\r\nhost: shop.example\r\n\r\n"));
    }
    // On another route, and with what its answer names.
    let hits = paths.map(|path| is_hit(&gateway, path));
    assert_eq!(hits, [false, false, false, true, true]);
    assert!(is_hit(&gateway, "/orders/7"));
    assert_eq!(gateway.status()["cache"]["keys"], paths.len(), "what was forgotten has left");
}

#[test]
fn what_is_purged_is_fetched_anew() {
    let upstream = Upstream::start(|request| {
        let tag = request.target().trim_start_matches('/').replace('/', "-");
        Reply::with("200 OK", &format!("cache-control: max-age=1000\r\ncache-tag: all, {tag}\r\n"), "a")
    });
    let gateway = cached(&upstream, "true");
    let purge = |query: &str| {
        let (status, body) = gateway.admin_with("POST", &format!("/cache/purge?{query}"), "").unwrap();
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
        serde_json::from_slice::<serde_json::Value>(&body).unwrap()["purged"].as_u64().unwrap()
    };
    let paths = ["/a", "/a/1", "/b"];
    let fill = || paths.map(|path| is_hit(&gateway, path));
    for (query, purged, left) in [
        ("all", 3, [false; 3]),
        ("url=http://shop.example/a", 1, [false, true, true]),
        ("prefix=shop.example/a", 2, [false, false, true]),
        ("tag=b", 1, [true, true, false]),
        ("tag=all", 3, [false; 3]),
        ("route=all", 3, [false; 3]),
        ("route=other", 0, [true; 3]),
        ("url=other.example/a", 0, [true; 3]),
    ] {
        let _ = fill();
        assert_eq!((purge(query), fill()), (purged, left), "{query}");
    }
    for (method, query, fields, expected) in [
        ("GET", "all", "", 405),
        ("POST", "everything", "", 400),
        ("POST", "all", "origin: http://page.example\r\n", 403),
    ] {
        let (status, _) = gateway.admin_with(method, &format!("/cache/purge?{query}"), fields).unwrap();
        assert_eq!(status, expected, "{method} {query} {fields}");
    }
    assert_eq!(fill(), [true; 3]);
    let uncached = TestGateway::start(&upstream.config());
    assert_eq!(uncached.admin_with("POST", "/cache/purge?all", "").unwrap().0, 404);
}

#[test]
fn a_reload_keeps_what_is_stored_for_routes_that_are_what_they_were() {
    let upstream = Upstream::start(|request| {
        Reply::with(
            "200 OK",
            "cache-control: max-age=1000\r\n",
            &format!("{} {}", request.value("host").unwrap(), request.target()),
        )
    });
    let config = format!("{}cache = true\n", upstream.config());
    let gateway = TestGateway::start(&config);
    let (before, _) = told(&gateway.get("/a"));
    gateway.configure(&format!("# nothing else\n{config}deadline = \"10 s\"\n"));
    gateway.wait_for_generation(2);
    assert!(is_hit(&gateway, "/a"), "over a reload");

    // What answers has changed: its answers are its own.
    gateway.configure(&format!("{config}host-header = \"preserve\"\n"));
    gateway.wait_for_generation(3);
    let (after, status) = told(&gateway.get("/a"));
    assert_eq!(status, "gateway; fwd=uri-miss; stored");
    assert_ne!(after, before);

    // Another route at the same place.
    gateway.configure(&config.replace("name = \"all\"", "name = \"other\""));
    gateway.wait_for_generation(4);
    assert!(!is_hit(&gateway, "/a"));

    // Another store.
    gateway.configure(&format!("[cache]\nsize = \"8 MiB\"\n{config}"));
    gateway.wait_for_generation(5);
    assert_eq!(gateway.status()["cache"]["size"], 8 << 20);
    assert!(!is_hit(&gateway, "/a"));
}

#[test]
fn what_plugins_answer_is_stored_like_anything_else() {
    let upstream = Upstream::start(|_| Reply::with("200 OK", "content-type: application/json\r\n", "{\"a\":1}"));
    let config = format!(
        r#"{}[plugin.aggregate]
grants = {{ http = ["service"] }}
[[route]]
name = "home"
match = {{ path = "/home/{{id}}" }}
answer = {{ plugin = "aggregate", config = {{ parts = {{ item = {{ url = "upstream://service/items/{{id}}" }} }} }} }}
cache = {{ default-ttl = "1 m" }}
"#,
        upstream.config()
    );
    let gateway = Setup::new(&config).plugin("aggregate").start();
    assert_eq!(told(&gateway.get("/home/7")), pair("{\"item\":{\"a\":1}}", "gateway; fwd=uri-miss; stored"));
    assert!(is_hit(&gateway, "/home/7"));
    assert!(!is_hit(&gateway, "/home/8"));
    assert_eq!(upstream.received().len(), 2);
}

#[test]
fn a_purge_reaches_what_is_under_way() {
    let (gate, upstream) = Gate::before(|_| Reply::with("200 OK", "cache-control: max-age=1000\r\n", "a"));
    let gateway = cached(&upstream, "true");
    let asking = ask(&gateway, "/", "");
    gate.arrived(1);
    assert_eq!(gateway.admin_with("POST", "/cache/purge?all", "").unwrap().0, 200);
    gate.open();
    assert_eq!(asking.join().unwrap().body, b"a");
    assert!(!is_hit(&gateway, "/"), "what was asked for before the purge is not given after it");
}

#[test]
fn a_cookie_is_not_given_to_others() {
    let upstream = script(&[("200 OK", "cache-control: max-age=1000\r\nset-cookie: session=1\r\n", "a")]);
    let gateway = cached(&upstream, "true");
    for asked in 1..=2 {
        assert_eq!(gateway.get("/").header("set-cookie"), Some("session=1"));
        assert_eq!(upstream.received().len(), asked);
    }
}

#[test]
fn under_load_nobody_gets_what_was_before_their_own_change() {
    let versions: Mutex<HashMap<String, u64>> = Mutex::default();
    let upstream = Upstream::start(move |request| {
        let mut versions = versions.lock().unwrap();
        let version = versions.entry(request.target().to_owned()).or_default();
        if request.line().starts_with("POST") {
            *version += 1;
        }
        let tag = format!("\"{version}\"");
        match request.value("if-none-match") == Some(&tag) {
            true => Reply::Bytes(
                format!("HTTP/1.1 304 Not Modified\r\netag: {tag}\r\ncache-control: max-age=60\r\n\r\n").into(),
            ),
            // Some are stale at once.
            false => {
                let age = if version.is_multiple_of(3) { "age: 60\r\n" } else { "" };
                Reply::with(
                    "200 OK",
                    &format!("cache-control: max-age=60\r\n{age}etag: {tag}\r\n"),
                    &version.to_string(),
                )
            }
        }
    });
    let gateway = cached(&upstream, "true");
    let version = |response: &Response| str::from_utf8(&response.body).unwrap().parse::<u64>().unwrap();
    let hits: usize = std::thread::scope(|scope| {
        let clients = (0..8_usize).map(|number| {
            let mut client = gateway.client();
            scope.spawn(move || {
                let (mut known, mut hits) = (HashMap::new(), 0);
                for turn in 0..300_usize {
                    let path = format!("/{}", (turn * 7 + number * 3) % 5);
                    if turn % 11 == number {
                        let changed = client.ask(format!("POST {path} HTTP/1.1\r\nhost: shop.example\r\n\r\n"));
                        known.insert(path, version(&changed));
                        continue;
                    }
                    let found = client.get(&path);
                    hits += usize::from(found.header("cache-status").unwrap().starts_with("gateway; hit"));
                    let least = known.get(&path).copied().unwrap_or_default();
                    assert!(version(&found) >= least, "{path}: {} after {least}", version(&found));
                }
                hits
            })
        });
        let clients: Vec<_> = clients.collect();
        clients.into_iter().map(|client| client.join().unwrap()).sum()
    });
    assert!(hits > 500, "{hits} hits");
    assert_eq!(gateway.counter("requests.panicked"), 0);
}
