//! What the administration listener tells: as it is described, with places, without secrets.

use gateway_tests::gateway::Setup;
use gateway_tests::wait::until;
use gateway_tests::{Reply, TestGateway, Upstream};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;

fn get(gateway: &TestGateway, path: &str) -> Value {
    let (status, body) = gateway.admin(path).unwrap();
    assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&body));
    serde_json::from_slice(&body).unwrap()
}

/// Fails where an answer is not as `/openapi.json` says.
fn conforms(openapi: &Value, path: &str, method: &str, status: u16, body: &Value) {
    let media = if status == 200 { "application/json" } else { "application/problem+json" };
    let pointer = format!(
        "/paths/{}/{method}/responses/{status}/content/{}/schema",
        path.replace('/', "~1"),
        media.replace('/', "~1")
    );
    let schema =
        openapi.pointer(&pointer).unwrap_or_else(|| panic!("{method} {path} answers {status}, which is not described"));
    let whole = json!({ "components": openapi["components"], "allOf": [schema] });
    let validator = jsonschema::validator_for(&whole).unwrap();
    let problems: Vec<_> =
        validator.iter_errors(body).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(problems.is_empty(), "{method} {path}: {problems:#?}\n{body:#}");
}

#[test]
fn every_answer_is_as_the_description_says() {
    let service = Upstream::start(|request| match request.target() {
        "/fails" => Reply::Reset,
        _ => Reply::ok("hello"),
    });
    let config = format!(
        "{}[[route]]\nname = \"traps\"\nmatch = {{ path = \"/traps\" }}\nchain = [\"trapping\"]\nrespond = {{ status = 204 }}\n\
         [[route]]\nname = \"cached\"\nmatch = {{ path = \"/cached\" }}\ncache = {{ ttl = \"1 m\" }}\nupstream = \"service\"\n",
        service.config().replace("upstream = \"service\"", "upstream = \"service\"\nchain = [\"phases\"]")
    );
    let gateway = Setup::new(&config).plugin("trapping").plugin("phases").start();
    for path in ["/", "/fails", "/traps", "/cached"] {
        let _ = gateway.get(path);
    }
    let openapi = get(&gateway, "/openapi.json");
    assert_eq!(openapi["openapi"], "3.1.0");
    for path in ["/status", "/figures", "/config", "/routes", "/plugins", "/upstreams", "/failures", "/log-level"] {
        conforms(&openapi, path, "get", 200, &get(&gateway, path));
    }
    let question = json!({ "method": "get", "url": "http://shop.example/orders", "headers": { "x-tier": "gold" } });
    for (path, document, expected) in [
        ("/explain", question, 200),
        ("/explain", json!({ "method": "GET", "url": "::" }), 200),
        ("/explain", json!({ "method": "GET" }), 400),
        ("/log-level", json!({ "filter": "warn" }), 200),
        ("/log-level", json!({ "filter": "=,=" }), 400),
        ("/log-level", json!({ "filter": "warn", "for": 1 }), 400),
        ("/cache/purge", json!({ "prefix": "127.0.0.1" }), 200),
        ("/cache/purge", json!({ "prefix": "a", "tag": "b" }), 400),
        ("/cache/purge", json!({ "all": false }), 400),
        ("/cache/purge?all", json!({}), 200),
        ("/cache/purge?some", json!({}), 400),
        ("/log-level", json!(["warn"]), 400),
        ("/reload", json!({ "now": true }), 400),
        ("/reload", json!([]), 400),
        ("/reload", json!({}), 200),
        ("/rollback", json!({}), 409),
    ] {
        let (status, body) = gateway.post_admin(path, &document);
        assert_eq!(status, expected, "{path} {document}: {body}");
        conforms(&openapi, path.split('?').next().unwrap(), "post", status, &body);
    }
    let endpoints = "/upstreams/{upstream}/endpoints/{endpoint}";
    let endpoint = service.address();
    for (path, verb, expected) in [
        (format!("/upstreams/service/endpoints/{endpoint}"), "drain", 409),
        (format!("/upstreams/service/endpoints/{endpoint}"), "enable", 200),
        ("/upstreams/service/endpoints/127.0.0.1%3A1".to_owned(), "drain", 404),
        ("/upstreams/none/endpoints/127.0.0.1:1".to_owned(), "enable", 404),
    ] {
        let (status, body) = gateway.post_admin(&format!("{path}/{verb}"), &json!({}));
        assert_eq!(status, expected, "{path} {verb}: {body}");
        conforms(&openapi, &format!("{endpoints}/{verb}"), "post", status, &body);
    }
    let trapping =
        get(&gateway, "/plugins").as_array().unwrap().iter().find(|plugin| plugin["name"] == "trapping").cloned();
    let trapping = trapping.unwrap();
    assert_eq!((&trapping["traps"], &trapping["last_error"]["kind"]), (&json!(1), &json!("trap")), "{trapping}");
    let failures = get(&gateway, "/failures");
    let told: Vec<_> = failures.as_array().unwrap().iter().map(|entry| (&entry["path"], &entry["status"])).collect();
    assert_eq!(told, [(&json!("/traps"), &json!(503)), (&json!("/fails"), &json!(502))], "the latest first");
    assert_eq!(failures[1]["error"], "connection_terminated");
    let figures = get(&gateway, "/figures");
    assert_eq!((&figures["routes"]["all"]["requests"], &figures["routes"]["all"]["failed"]), (&json!(2), &json!(1)));
}

#[test]
fn the_configuration_in_force_has_places_and_no_secrets() {
    let config = "[[listener]]\nname = \"public\"\naddress = \"127.0.0.1:0\"\n\
         [plugin.trapping.config]\nmode = { secret = \"MODE\" }\npassword = \"s3cr3t-literal\"\n\
         [[route]]\nname = \"all\"\nmatch = { prefix = \"/\" }\nchain = [\"trapping\"]\nrespond = { status = 204 }\n";
    let gateway = Setup::new(config).plugin("trapping").variable("MODE", "s3cr3t-variable").start();
    let (_, body) = gateway.admin("/config").unwrap();
    let text = String::from_utf8(body).unwrap();
    assert!(!text.contains("s3cr3t"), "{text}");
    let document: Value = serde_json::from_str(&text).unwrap();
    let setting = |name: &str| {
        let settings = document["settings"].as_array().unwrap();
        let setting =
            settings.iter().find(|setting| setting["name"] == name).unwrap_or_else(|| panic!("{name}: {text}"));
        (setting["value"].clone(), setting["place"].as_str().map(str::to_owned))
    };
    assert_eq!(setting("route.all.respond.status"), (json!(204), Some("gateway.toml:15:22".to_owned())));
    assert_eq!(setting("plugin.trapping.config.mode").0, json!({ "secret": "MODE" }));
    assert_eq!(setting("plugin.trapping.config.password").0, "***");
    assert_eq!(setting("listener.public.timeouts.header"), (json!("10 s"), None));
    let everything: String = ["/status", "/plugins", "/routes", "/upstreams", "/figures"]
        .map(|path| String::from_utf8(gateway.admin(path).unwrap().1).unwrap())
        .concat();
    assert!(!everything.contains("s3cr3t"));
}

#[test]
fn explain_says_the_way_and_why_other_routes_do_not_match() {
    let route = |name: &str, matches: &str| {
        format!("[[route]]\nname = \"{name}\"\nmatch = {{ {matches} }}\nrespond = {{ status = 204 }}\n")
    };
    let gateway = TestGateway::start(&format!(
        "[[listener]]\nname = \"public\"\naddress = \"127.0.0.1:0\"\n{}{}{}{}",
        route("orders", "path = \"/orders/{id}\", methods = [\"GET\"]"),
        route("gold", "path = \"/orders/{id}\", methods = [\"GET\"], headers = { x-tier = \"gold\" }"),
        route("writes", "path = \"/orders/{id}\", methods = [\"PUT\"]"),
        route("shop", "prefix = \"/\", host = \"shop.example\""),
    ));
    let (_, said) = gateway.post_admin("/explain", &json!({ "method": "GET", "url": "http://api.example/orders/7" }));
    let listener = &said["listeners"][0];
    assert_eq!(listener["route"], "orders");
    let line = |what: &str| listener["way"].as_array().unwrap().iter().find(|line| line["what"] == what).unwrap();
    assert_eq!((&line("captured")["text"], &line("respond")["text"]), (&json!("id = 7"), &json!("204")));
    let others: Vec<_> = listener["others"]
        .as_array()
        .unwrap()
        .iter()
        .map(|other| (other["route"].as_str().unwrap(), other["why"].as_str().unwrap()))
        .collect();
    let expected = [
        ("gold", "there is no field x-tier"),
        ("writes", "the method is GET, not PUT"),
        ("shop", "the host is api.example"),
    ];
    assert_eq!(others, expected);
    let (_, said) =
        gateway.post_admin("/explain", &json!({ "method": "DELETE", "url": "http://api.example/orders/7" }));
    assert_eq!((&said["listeners"][0]["refused"], &said["listeners"][0]["route"]), (&json!(405), &Value::Null));
}

/// Blocks of the event stream, those that are no comments.
struct Events(BufReader<UnixStream>);

impl Events {
    fn listen(gateway: &TestGateway, query: &str) -> Self {
        let mut socket = UnixStream::connect(gateway.path("admin.sock")).unwrap();
        write!(socket, "GET /tail?{query} HTTP/1.1\r\nhost: admin\r\n\r\n").unwrap();
        let mut events = Self(BufReader::new(socket));
        while !events.line().starts_with(": listening") {}
        events
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        assert!(self.0.read_line(&mut line).unwrap() > 0, "the stream has ended");
        line.trim_end().to_owned()
    }

    /// The next event: its kind and its data.
    fn next(&mut self) -> (String, Value) {
        let mut kind = None;
        loop {
            let line = self.line();
            if let Some(name) = line.strip_prefix("event: ") {
                kind = Some(name.to_owned());
            }
            if let (Some(data), Some(kind)) = (line.strip_prefix("data: "), kind.clone()) {
                return (kind, serde_json::from_str(data).unwrap());
            }
        }
    }
}

#[test]
fn the_tail_shows_requests_as_they_end_by_filter_and_without_credentials() {
    let service = Upstream::start(|request| match request.target() {
        "/fails" => Reply::Reset,
        _ => Reply::ok("hello"),
    });
    let gateway = TestGateway::start(&service.config());
    let (mut all, mut failed) = (Events::listen(&gateway, ""), Events::listen(&gateway, "status=5xx&route=all"));
    gateway.client().get_with("/a?token=s3cr3t", "authorization: Bearer s3cr3t\r\n");
    let _ = gateway.get("/fails");
    let (kind, entry) = all.next();
    assert_eq!(
        (kind.as_str(), &entry["path"], &entry["status"], &entry["sent"]),
        ("request", &json!("/a"), &json!(200), &json!(5))
    );
    assert!(!entry.to_string().contains("s3cr3t"), "{entry}");
    let (_, entry) = failed.next();
    assert_eq!(
        (&entry["path"], &entry["status"], &entry["upstream"]),
        (&json!("/fails"), &json!(502), &json!("service"))
    );
    let openapi = get(&gateway, "/openapi.json");
    let schema = json!({ "components": openapi["components"], "$ref": "#/components/schemas/Entry" });
    assert!(jsonschema::validator_for(&schema).unwrap().is_valid(&entry), "{entry}");
    assert_eq!(gateway.admin("/tail?path=/a").unwrap().0, 400);
}

#[test]
fn a_reader_of_the_tail_that_stands_still_loses_requests_and_delays_nobody() {
    let gateway = TestGateway::start(
        "[[listener]]\nname = \"public\"\naddress = \"127.0.0.1:0\"\n\
         [[route]]\nname = \"all\"\nmatch = { prefix = \"/\" }\nrespond = { status = 204 }\n",
    );
    let mut events = Events::listen(&gateway, "");
    let mut client = gateway.client();
    let long = format!("/{}", "a".repeat(4000));
    // More than fits into sockets and queues; nobody reads.
    (0..4000).for_each(|_| assert_eq!(client.get(&long).status, 204));
    let lost = loop {
        let (kind, data) = events.next();
        if kind == "lost" {
            break data["lost"].as_u64().unwrap();
        }
    };
    assert!(lost > 0);
    assert!(gateway.counter("telemetry.tail-lost") >= lost);
    drop(events);
    let mut others: Vec<_> = (0..16).map(|_| Events::listen(&gateway, "")).collect();
    assert_eq!(gateway.admin("/tail").unwrap().0, 503, "sixteen listen");
    others.pop();
    until("one has gone", || {
        let _ = gateway.get("/");
        let mut socket = UnixStream::connect(gateway.path("admin.sock")).unwrap();
        write!(socket, "GET /tail HTTP/1.1\r\nhost: admin\r\n\r\n").unwrap();
        let mut line = String::new();
        BufReader::new(socket).read_line(&mut line).unwrap();
        line.contains("200").then_some(())
    });
}
