//! The access log: what an entry has, where it goes, and that credentials are in none.

use gateway_tests::collector::{Collector, attribute};
use gateway_tests::gateway::Setup;
use gateway_tests::http2::{Http2, frame, get, kind};
use gateway_tests::wait::until;
use gateway_tests::{Reply, TestGateway, Upstream};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use serde_json::Value;
use std::fs;

/// Every entry in the files whose names begin so.
fn entries(gateway: &TestGateway, name: &str) -> Vec<String> {
    let mut files: Vec<_> = fs::read_dir(gateway.path(""))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with(name))
        .collect();
    files.sort();
    files
        .iter()
        .flat_map(|file| fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

fn wait_for(gateway: &TestGateway, name: &str, count: usize) -> Vec<String> {
    until("entries are written", || {
        let entries = entries(gateway, name);
        (entries.len() >= count).then_some(entries)
    })
}

#[test]
fn each_request_has_an_entry_and_no_credentials_are_in_it() {
    let service = Upstream::start(|request| match request.target() {
        "/fails" => Reply::Reset,
        _ => Reply::ok("hello"),
    });
    let gateway = TestGateway::start(&format!(
        "{}[telemetry]\naccess-log = {{ to = {{ file = \"{{folder}}/access.log\" }}, fields = [\"time\", \"request\", \"client\", \"method\", \
         \"path\", \"query\", \"status\", \"error\", \"sent\", \"received\", \"route\", \"upstream\", \"milliseconds\", \"header.authorization\", \
         \"header.user-agent\", \"header.x-tenant\"], redact = [\"x-tenant\"] }}\n",
        service.config()
    ));
    let mut client = gateway.client();
    let secrets =
        "authorization: Bearer s3cr3t-token\r\nx-tenant: s3cr3t-tenant\r\nuser-agent: test\r\nx-request-id: r-1\r\n";
    client.get_with("/a?access_token=s3cr3t-query&page=1", secrets);
    client.ask("POST /b HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc");
    client.get("/fails");
    let lines = wait_for(&gateway, "access.log", 3);
    assert!(!lines.concat().contains("s3cr3t"), "{lines:?}");
    let parsed: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let first = &parsed[0];
    for (name, expected) in [
        ("request", "r-1"),
        ("method", "GET"),
        ("path", "/a"),
        ("query", "access_token=REDACTED&page=1"),
        ("client", "127.0.0.1"),
        ("route", "all"),
        ("upstream", "service"),
        ("header.authorization", "REDACTED"),
        ("header.x-tenant", "REDACTED"),
        ("header.user-agent", "test"),
    ] {
        assert_eq!(first[name], expected, "{name}");
    }
    assert_eq!((&first["status"], &first["sent"], first.get("error")), (&200.into(), &5.into(), None));
    assert!(first["milliseconds"].as_f64().unwrap() > 0.0);
    assert_eq!(first.as_object().unwrap().keys().next().unwrap(), "time", "in the order that was chosen");
    assert_eq!((&parsed[1]["method"], &parsed[1]["received"]), (&"POST".into(), &3.into()));
    assert_eq!((&parsed[2]["status"], &parsed[2]["error"]), (&502.into(), &"connection_terminated".into()));
    assert_eq!(parsed.len(), 3);
}

#[test]
fn where_and_how_is_taken_up_while_it_serves() {
    let service = Upstream::ok();
    let config = |log: &str| format!("{}[telemetry]\naccess-log = {log}\n", service.config());
    let gateway = TestGateway::start(&config("{ to = { file = \"{folder}/one.log\", rotate = \"never\" } }"));
    let _ = gateway.get("/one");
    wait_for(&gateway, "one.log", 1);
    gateway.configure(&config(
        "{ to = { file = \"{folder}/two.log\", rotate = \"hourly\", keep = 2 }, format = \"text\" }",
    ));
    gateway.wait_for_generation(2);
    let _ = gateway.get("/two");
    let lines = wait_for(&gateway, "two.log.", 1);
    assert!(lines[0].contains(" method=GET host=shop.example path=/two status=200 "), "{lines:?}");
    assert_eq!(entries(&gateway, "one.log").len(), 1);
    gateway.configure(&service.config());
    gateway.wait_for_generation(3);
    let _ = gateway.get("/three");
    assert_eq!(entries(&gateway, "two.log.").len(), 1);
}

#[test]
fn a_share_has_entries_and_every_failure_has_one() {
    let service = Upstream::start(|request| match request.target() {
        "/fails" => Reply::with("500 Internal Server Error", "", ""),
        _ => Reply::ok("ok"),
    });
    let gateway = TestGateway::start(&format!(
        "{}[telemetry]\naccess-log = {{ to = {{ file = \"{{folder}}/access.log\", rotate = \"never\" }}, sample = \"10 %\" }}\n",
        service.config()
    ));
    let mut client = gateway.client();
    (0..400).for_each(|_| drop(client.get("/")));
    (0..20).for_each(|_| drop(client.get("/fails")));
    let failures = || entries(&gateway, "access.log").iter().filter(|line| line.contains("\"status\":500")).count();
    until("failures are written", || (failures() == 20).then_some(()));
    let others = entries(&gateway, "access.log").len() - 20;
    assert!((10..=90).contains(&others), "{others} of 400");
}

#[test]
fn entries_reach_the_collector_with_their_trace() {
    let collector = Collector::grpc();
    let service = Upstream::ok();
    let gateway = TestGateway::start(&format!(
        "{}{}service = \"edge\"\ntraces = {{ sample = \"100 %\" }}\naccess-log = {{ to = \"otlp\" }}\n",
        service.config(),
        collector.section()
    ));
    let _ = gateway.get("/a");
    let (entry, span) = until("both arrive", || Some((collector.entries().pop()?, collector.spans().pop()?)));
    assert_eq!(attribute(&entry.attributes, "path").as_deref(), Some("/a"));
    assert_eq!(attribute(&entry.attributes, "status").as_deref(), Some("200"));
    assert_eq!((entry.trace_id, entry.span_id.len()), (span.trace_id, 8));
    assert_eq!(attribute(&collector.resource(), "service.name").as_deref(), Some("edge"));
}

/// A disk that is full, or a folder that is none, stops nobody.
#[test]
fn a_log_that_cannot_be_written_is_told_and_counted() {
    let service = Upstream::ok();
    let gateway = TestGateway::start(&format!(
        "{}[telemetry]\naccess-log = {{ to = {{ file = \"/dev/full/access.log\" }} }}\n",
        service.config()
    ));
    for _ in 0..10 {
        assert_eq!(gateway.get("/").status, 200);
    }
    until("losses are counted", || (gateway.counter("telemetry.entries-lost") == 10).then_some(()));
    until("it is told", || gateway.log().contains("the access log cannot be written").then_some(()));
}

#[test]
fn a_request_is_known_by_one_id_wherever_it_is_told() {
    let service = Upstream::start(|_| Reply::Reset);
    let gateway = TestGateway::start(&format!(
        "{}[telemetry]\naccess-log = {{ to = {{ file = \"{{folder}}/access.log\", rotate = \"never\" }} }}\n",
        service.config()
    ));
    let answer = gateway.client().get_with("/", "x-request-id: r-17\r\n");
    assert_eq!(answer.status, 502);
    assert_eq!(service.last().value("x-request-id"), Some("r-17"));
    assert!(wait_for(&gateway, "access.log", 1)[0].contains("\"request\":\"r-17\""));
    until("the log has it", || gateway.log().contains("r-17").then_some(()));
}

/// The log of the gateway and of plugins: each line with its plugin and the request's id, wherever it goes.
#[test]
fn the_log_goes_where_the_configuration_says() {
    let collector = Collector::http();
    let service = Upstream::ok();
    let routes = format!(
        "{}[[route]]\nname = \"traps\"\nmatch = {{ path = \"/traps\" }}\nchain = [\"trapping\"]\nrespond = {{ status = 204 }}\n",
        service.config()
    );
    let gateway =
        Setup::new(&format!("{routes}{}log = {{ to = \"otlp\" }}\n", collector.section())).plugin("trapping").start();
    assert_eq!(gateway.client().get_with("/traps", "x-request-id: r-1\r\n").status, 503);
    let line = until("a line arrives", || {
        let of_plugin =
            |line: &LogRecord| attribute(&line.attributes, "code.namespace").as_deref() == Some("gateway::plugin");
        collector.entries().into_iter().find(of_plugin)
    });
    assert_eq!(attribute(&line.attributes, "plugin").as_deref(), Some("trapping"));
    assert_eq!(attribute(&line.attributes, "request_id").as_deref(), Some("r-1"));
    assert_eq!(line.severity_text, "ERROR");
    until("it is written as well", || gateway.log().contains("r-1").then_some(()));

    gateway.configure(&format!("{routes}[telemetry]\nlog = {{ to = {{ file = \"{{folder}}/gateway.log\", rotate = \"never\" }}, format = \"json\" }}\n"));
    gateway.wait_for_generation(2);
    assert_eq!(gateway.client().get_with("/traps", "x-request-id: r-2\r\n").status, 503);
    let lines = until("lines are written", || {
        let lines = entries(&gateway, "gateway.log");
        lines.iter().any(|line| line.contains("r-2")).then_some(lines)
    });
    let line = lines.iter().find(|line| line.contains("gateway::plugin")).unwrap();
    let line: Value = serde_json::from_str(line).unwrap();
    assert_eq!((&line["level"], &line["fields"]["plugin"]), (&"ERROR".into(), &"trapping".into()));
    assert!(!gateway.log().contains("r-2"));
}

/// What a client gave up is told as well: it is what it waited for that somebody should look at.
#[test]
fn a_client_that_goes_away_has_an_entry_a_figure_and_a_span() {
    let collector = Collector::http();
    let service = Upstream::start(|_| Reply::Stall(Vec::new()));
    let gateway = TestGateway::start(&format!(
        "{}{}traces = {{ sample = \"100 %\" }}\naccess-log = {{ to = {{ file = \"{{folder}}/access.log\", rotate = \"never\" }} }}\n",
        service.config(),
        collector.section()
    ));
    // By HTTP/2, which says so: on HTTP/1.1 it may still be listening.
    let mut client = Http2::connect(gateway.address("public"), &[]);
    client.send(get(1, "/slow"));
    let _ = service.last();
    client.send(frame(kind::RST_STREAM, 0, 1, &8_u32.to_be_bytes()));
    let line = wait_for(&gateway, "access.log", 1).remove(0);
    let entry: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&entry["status"], &entry["error"]), (&499.into(), &"client_gone".into()));
    assert_eq!((&entry["path"], &entry["route"]), (&"/slow".into(), &"all".into()));
    let (_, figures) = gateway.admin("/metrics").unwrap();
    let figures = String::from_utf8(figures).unwrap();
    let is_it =
        |line: &&str| line.starts_with("http_server_request_duration_seconds_count{") && line.contains("\"499\"");
    assert!(figures.lines().find(is_it).unwrap().ends_with(" 1"), "{figures}");
    let is_over = "http_server_active_requests{http_request_method=\"GET\",url_scheme=\"http\"} 0";
    assert!(figures.lines().any(|line| line == is_over), "{figures}");
    let span = until("a span arrives", || collector.spans().pop());
    assert_eq!(attribute(&span.attributes, "error.type").as_deref(), Some("client_gone"));
}
