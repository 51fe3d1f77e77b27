//! Tables: which of some routes takes which request.

use super::{Matched, Miss, Router, misses};
use crate::route::{Dispatch, Route};
use gateway_config::{Allow, Host, Match, PathPattern, Segment, ValueMatch, specificity};
use gateway_core::exchange::{Answer, Request};
use gateway_core::instruments::Meters;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use std::sync::Arc;
use std::time::Duration;

/// `/a/{b}` or, with a star at the end, the prefix before it.
fn pattern(text: &str) -> PathPattern {
    let (path, prefix) = match text.strip_suffix('*') {
        Some(path) => (path.trim_end_matches('/'), true),
        None => (text, false),
    };
    let segment = |part: &str| match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
        Some(name) => match name.strip_prefix('*') {
            Some(name) => Segment::Rest(name.into()),
            None => Segment::Parameter(name.into()),
        },
        None => Segment::Literal(part.to_owned()),
    };
    let segments = match path.strip_prefix('/') {
        Some(rest) => rest.split('/').map(segment).collect(),
        None => Vec::new(),
    };
    PathPattern { text: text.to_owned(), segments, prefix }
}

fn matches(path: &str) -> Match {
    Match { host: None, path: pattern(path), methods: Vec::new(), headers: Vec::new(), query: Vec::new() }
}

fn route(name: &str) -> Arc<Route> {
    Arc::new(Route {
        name: name.into(),
        chain: crate::chain::Chain::default(),
        dispatch: Dispatch::Respond(Answer::default()),
        deadline: Duration::from_secs(1),
        allow: Allow::default(),
        body_limit: None,
        admission: None,
        cache: None,
        compress: None,
        meter: Meters::default().route(&name.into(), ""),
    })
}

fn request(method: &str, host: &str, target: &str) -> Request {
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query.to_owned())));
    Request {
        method: Method::from_bytes(method.as_bytes()).unwrap(),
        scheme: "http",
        authority: host.into(),
        path: path.to_owned(),
        query,
        headers: HeaderMap::new(),
    }
}

/// The route's name with what was captured, the status where there is none.
fn found(router: &Router, request: &Request) -> String {
    match router.find(request) {
        Matched::Route(route, captures) => {
            let captures: String = captures.decoded().iter().map(|(name, value)| format!(" {name}={value}")).collect();
            format!("{}{captures}", route.name)
        }
        Matched::MethodNotAllowed(methods) => {
            format!("405 {}", methods.iter().map(Method::as_str).collect::<Vec<_>>().join(","))
        }
        Matched::NotFound => "404".to_owned(),
    }
}

fn router(routes: Vec<(&str, Match, i32)>) -> Router {
    Router::new(routes.into_iter().map(|(name, matches, priority)| (matches, priority, route(name))).collect())
}

#[test]
fn the_most_specific_path_wins() {
    let paths = [
        "/",
        "/orders",
        "/orders/new",
        "/orders/{id}",
        "/orders/{id}/items/{item}",
        "/orders/*",
        "/files/{*rest}",
        "/{a}/items",
        "*",
    ];
    let router = router(paths.iter().map(|path| (*path, matches(path), 0)).collect());
    for (path, expected) in [
        ("/", "/"),
        ("/orders", "/orders"),
        ("/orders/new", "/orders/new"),
        ("/orders/17", "/orders/{id} id=17"),
        ("/orders/a%20b", "/orders/{id} id=a b"),
        ("/orders/17/items/3", "/orders/{id}/items/{item} id=17 item=3"),
        ("/orders/17/else", "/orders/*"),
        ("/orders/", "/orders/*"),
        ("/ordersx", "*"),
        ("/files/a/b", "/files/{*rest} rest=a/b"),
        ("/files/", "/files/{*rest} rest="),
        ("/files", "*"),
        ("/x/items", "/{a}/items a=x"),
        // The literal branch leads nowhere: the walk comes back.
        ("/orders/items", "/orders/{id} id=items"),
        ("/nothing/here", "*"),
    ] {
        assert_eq!(found(&router, &request("GET", "h", path)), expected, "{path}");
    }
}

#[test]
fn hosts_come_before_paths_and_know_neither_case_nor_port() {
    let at = |host: Option<Host>, path: &str| Match { host, ..matches(path) };
    let router = router(vec![
        ("exact", at(Some(Host::Exact("api.example.com".into())), "*"), 0),
        ("wide", at(Some(Host::Wildcard("example.com".into())), "*"), 0),
        ("deep", at(Some(Host::Wildcard("eu.example.com".into())), "*"), 0),
        ("any", at(None, "/exact/path"), 0),
    ]);
    for (host, path, expected) in [
        ("api.example.com", "/exact/path", "exact"),
        ("API.example.com:8080", "/", "exact"),
        ("api.example.com.", "/", "exact"),
        ("x.example.com", "/", "wide"),
        ("a.b.example.com", "/", "wide"),
        ("x.eu.example.com", "/", "deep"),
        ("example.com", "/", "404"),
        ("badexample.com", "/", "404"),
        ("other", "/exact/path", "any"),
        ("[::1]:80", "/exact/path", "any"),
    ] {
        assert_eq!(found(&router, &request("GET", host, path)), expected, "{host}{path}");
    }
}

#[test]
fn methods_fields_and_parameters_narrow_and_fall_back() {
    let base = || matches("/a");
    let router = router(vec![
        ("any", base(), 0),
        ("get", Match { methods: vec!["GET".into()], ..base() }, 0),
        ("beta", Match { headers: vec![("x-beta".into(), ValueMatch::Present)], ..base() }, 0),
        (
            "gold",
            Match {
                methods: vec!["GET".into()],
                headers: vec![("x-tier".into(), ValueMatch::Exact("gold".into()))],
                ..base()
            },
            0,
        ),
        (
            "paged",
            Match {
                methods: vec!["GET".into()],
                query: vec![("page".into(), ValueMatch::Exact("a b".into()))],
                ..base()
            },
            0,
        ),
        ("put", Match { methods: vec!["PUT".into(), "GET".into()], ..matches("/b") }, 0),
        ("all", matches("/c/*"), 0),
        ("post", Match { methods: vec!["POST".into()], ..matches("/c/d") }, 0),
    ]);
    let ask = |method: &str, target: &str, fields: &[(&'static str, &'static str)]| {
        let mut request = request(method, "h", target);
        for (name, value) in fields {
            request.headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        found(&router, &request)
    };
    assert_eq!(ask("POST", "/a", &[]), "any");
    assert_eq!(ask("GET", "/a", &[]), "get");
    assert_eq!(ask("HEAD", "/a", &[]), "get");
    assert_eq!(ask("POST", "/a", &[("x-beta", "")]), "beta");
    assert_eq!(ask("GET", "/a", &[("x-tier", "gold")]), "gold");
    assert_eq!(ask("GET", "/a", &[("x-tier", "lead"), ("x-tier", "gold")]), "gold");
    assert_eq!(ask("GET", "/a", &[("x-tier", "lead")]), "get");
    assert_eq!(ask("GET", "/a?x=1&page=a%20b", &[]), "paged");
    assert_eq!(ask("GET", "/a?page=2", &[]), "get");
    assert_eq!(ask("DELETE", "/b", &[]), "405 PUT,GET,HEAD");
    // A less specific path takes what the more specific one does not.
    assert_eq!(ask("GET", "/c/d", &[]), "all");
    assert_eq!(ask("POST", "/c/d", &[]), "post");
}

#[test]
fn priority_overrides_specificity() {
    let router =
        router(vec![("exact", matches("/a/b"), 0), ("prefix", matches("/a/*"), 5), ("low", matches("/a/b/c"), -1)]);
    for (path, expected) in [("/a/b", "prefix"), ("/a/x", "prefix"), ("/a/b/c", "prefix")] {
        assert_eq!(found(&router, &request("GET", "h", path)), expected, "{path}");
    }
}

/// `gateway check` finds ambiguous pairs by this order; the walk must have the same one.
#[test]
fn the_walk_agrees_with_the_configurations_order() {
    let paths = ["/a/b", "/a/{x}", "/a/{*r}", "/a/*", "/{x}/b", "/{x}/{y}", "/{*r}", "*"];
    for first in paths {
        for second in paths {
            let (one, two) = (matches(first), matches(second));
            let (one_rank, two_rank) = (specificity(&one), specificity(&two));
            if one_rank == two_rank {
                continue;
            }
            let expected = if one_rank > two_rank { first } else { second };
            let router = router(vec![(first, one, 0), (second, two, 0)]);
            let taken = found(&router, &request("GET", "h", "/a/b"));
            assert_eq!(taken.split(' ').next(), Some(expected), "{first} against {second}");
        }
    }
}

#[test]
fn of_a_thousand_routes_one_is_looked_at() {
    let names: Vec<String> = (0..1000).map(|number| format!("/service-{number}/items/{{id}}")).collect();
    let many = router(names.iter().map(|name| (name.as_str(), matches(name), 0)).collect());
    let mut looked_at = 0;
    many.any.walk("/service-999/items/5", &mut |_, _| {
        looked_at += 1;
        false
    });
    assert_eq!(looked_at, 1);
}

#[test]
fn what_does_not_match_says_why_and_the_path_is_judged_as_the_tree_does() {
    let paths = ["/", "/a", "/a/", "/a/b", "/a//b", "/ab", "/a/b/c", "/b"];
    for text in ["/", "/*", "/a", "/a*", "/a/", "/a/{b}", "/a/{b}*", "/a/{*rest}", "/{x}/b", "/{*all}"] {
        let router = Router::new(vec![(matches(text), 0, route("it"))]);
        for path in paths {
            let request = request("GET", "h", path);
            let found = matches!(router.find(&request), Matched::Route(..));
            assert_eq!(misses(&matches(text), &request).is_empty(), found, "{text} and {path}");
        }
    }
    let mut wanted = matches("/a");
    wanted.host = Some(Host::Wildcard("shop.example".to_owned()));
    wanted.methods = vec!["GET".to_owned()];
    wanted.headers = vec![("x-tier".to_owned(), ValueMatch::Exact("gold".to_owned()))];
    wanted.query = vec![("page".to_owned(), ValueMatch::Present)];
    let (field, query) = (Miss::Field("x-tier".to_owned()), Miss::Query("page".to_owned()));
    assert_eq!(
        misses(&wanted, &request("POST", "shop.example", "/b")),
        [Miss::Host, Miss::Path, Miss::Method, field, query]
    );
    let mut right = request("HEAD", "a.shop.example", "/a?page");
    right.headers.insert("x-tier", HeaderValue::from_static("gold"));
    assert_eq!(misses(&wanted, &right), []);
}
