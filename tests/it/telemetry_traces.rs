//! Traces: one request with all that happened on its way, at a scripted collector; context to services; whose word counts.

use gateway_tests::collector::{Collector, attribute};
use gateway_tests::gateway::Setup;
use gateway_tests::wait::until;
use gateway_tests::{Reply, TestGateway, Upstream};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use std::collections::BTreeSet;
use std::net::TcpListener;

const ALL: &str = "traces = { sample = \"100 %\", trust = \"everybody\" }\n";
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn named<'a>(spans: &'a [Span], name: &str) -> Vec<&'a Span> {
    spans.iter().filter(|span| span.name == name).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// All spans, once the one of the request is there: it leaves last, with all others.
fn spans(collector: &Collector) -> Vec<Span> {
    until("a trace arrives", || {
        let spans = collector.spans();
        spans.iter().any(|span| span.kind() == SpanKind::Server).then_some(spans)
    })
}

/// A request that is aggregated from two services, behind a plugin with all phases.
fn aggregated(collector: &Collector) {
    let part = || Upstream::start(|_| Reply::with("200 OK", "content-type: application/json\r\n", "{\"a\":1}"));
    let (orders, customers) = (part(), part());
    let config = format!(
        r#"[[listener]]
name = "public"
address = "127.0.0.1:0"
[upstream.orders]
endpoints = ["{}"]
[upstream.customers]
endpoints = ["{}"]
[plugin.aggregate]
grants = {{ http = ["orders", "customers"] }}
[[route]]
name = "home"
match = {{ path = "/home/{{id}}" }}
chain = ["phases"]
answer = {{ plugin = "aggregate", config = {{ parts = {{ order = {{ url = "upstream://orders/{{id}}" }}, customer = {{ url = "upstream://customers/{{id}}" }} }} }} }}
{}{ALL}"#,
        orders.url(),
        customers.url(),
        collector.section(),
    );
    let gateway = Setup::new(&config).plugin("aggregate").plugin("phases").start();
    let answer =
        gateway.client().get_with("/home/7", &format!("traceparent: {PARENT}\r\ntracestate: a=1\r\nbaggage: b=2\r\n"));
    assert_eq!(answer.status, 200, "{}", answer.text());

    let spans = spans(collector);
    let (server, rest): (Vec<_>, Vec<_>) = spans.iter().partition(|span| span.kind() == SpanKind::Server);
    let [server] = server.as_slice() else { panic!("{} requests", server.len()) };
    assert_eq!(server.name, "GET /home/{id}");
    assert!(spans.iter().all(|span| hex(&span.trace_id) == "4bf92f3577b34da6a3ce929d0e0e4736"));
    assert_eq!((hex(&server.parent_span_id).as_str(), server.trace_state.as_str()), ("00f067aa0ba902b7", "a=1"));
    for (key, expected) in [
        ("http.request.method", "GET"),
        ("http.response.status_code", "200"),
        ("http.route", "/home/{id}"),
        ("gateway.route", "home"),
        ("url.path", "/home/7"),
        ("url.scheme", "http"),
        ("network.protocol.version", "1.1"),
    ] {
        assert_eq!(attribute(&server.attributes, key).as_deref(), Some(expected), "{key}");
    }
    // Every plugin's calls stand in the request.
    for name in ["phases on-request", "aggregate handle", "phases on-response", "phases on-complete"] {
        let [call] = named(&spans, name)[..] else {
            panic!("{name} in {:?}", spans.iter().map(|span| &span.name).collect::<Vec<_>>())
        };
        assert_eq!(call.parent_span_id, server.span_id, "{name}");
    }
    // Every part stands in the call that asked for it, and its service was told so.
    let handle = named(&spans, "aggregate handle")[0];
    let parts: Vec<_> = rest.iter().filter(|span| span.kind() == SpanKind::Client).collect();
    assert_eq!(parts.len(), 2);
    for (upstream, service) in [("orders", &orders), ("customers", &customers)] {
        let of = |span: &&&&Span| attribute(&span.attributes, "gateway.upstream").as_deref() == Some(upstream);
        let part = parts.iter().find(of).unwrap();
        assert_eq!(part.parent_span_id, handle.span_id);
        assert_eq!(attribute(&part.attributes, "http.response.status_code").as_deref(), Some("200"));
        assert_eq!(attribute(&part.attributes, "server.port"), Some(service.address().port().to_string()));
        let expected = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{}-01", hex(&part.span_id));
        let asked = service.last();
        assert_eq!(asked.values("traceparent"), [expected.as_str()]);
        assert_eq!((asked.value("tracestate"), asked.value("baggage")), (Some("a=1"), Some("b=2")));
    }
    assert!(spans.iter().all(|span| span.start_time_unix_nano <= span.end_time_unix_nano));
    assert!(handle.start_time_unix_nano >= server.start_time_unix_nano);
    let ids: BTreeSet<_> = spans.iter().map(|span| &span.span_id).collect();
    assert_eq!(ids.len(), spans.len());
    assert_eq!(attribute(&collector.resource(), "service.name").as_deref(), Some("gateway"));
}

#[test]
fn an_aggregated_request_is_one_trace_by_http() {
    aggregated(&Collector::http());
}

#[test]
fn an_aggregated_request_is_one_trace_by_grpc() {
    aggregated(&Collector::grpc());
}

#[test]
fn each_try_is_a_span_with_a_context_of_its_own() {
    let collector = Collector::http();
    let (bad, good) = (Upstream::start(|_| Reply::Reset), Upstream::ok());
    let config = format!(
        "[[listener]]\nname = \"public\"\naddress = \"127.0.0.1:0\"\n[upstream.service]\nendpoints = [\"{}\", {{ url = \"{}\", priority = 1 }}]\n\
         [[route]]\nname = \"all\"\nmatch = {{ prefix = \"/\" }}\nupstream = \"service\"\n{}{ALL}",
        bad.url(),
        good.url(),
        collector.section(),
    );
    let gateway = TestGateway::start(&config);
    assert_eq!(gateway.get("/x").status, 200);
    let spans = spans(&collector);
    let mut tries: Vec<_> = spans.iter().filter(|span| span.kind() == SpanKind::Client).collect();
    tries.sort_by_key(|span| span.start_time_unix_nano);
    let told = |key: &str| -> Vec<_> { tries.iter().map(|span| attribute(&span.attributes, key)).collect() };
    assert_eq!(told("error.type"), [Some("connection_terminated".to_owned()), None]);
    assert_eq!(told("http.request.resend_count"), [None, Some("1".to_owned())]);
    assert_eq!(told("http.response.status_code"), [None, Some("200".to_owned())]);
    let context = good.last().value("traceparent").unwrap().to_owned();
    assert!(context.contains(&hex(&tries[1].span_id)), "{context}");
}

#[test]
fn a_stranger_does_not_decide_what_is_recorded() {
    let collector = Collector::http();
    let service = Upstream::ok();
    let config = |trust: &str| {
        format!(
            "{}{}traces = {{ sample = \"0.0001 %\", trust = \"{trust}\" }}\n",
            service.config(),
            collector.section()
        )
    };
    let gateway = TestGateway::start(&config("proxies"));
    let fields = format!("traceparent: {PARENT}\r\ntracestate: a=1\r\nbaggage: b=2\r\n");
    gateway.client().get_with("/stranger", &fields);
    let asked = service.last();
    let context = asked.value("traceparent").unwrap();
    assert!(!context.contains("4bf92f3577b34da6a3ce929d0e0e4736") && context.ends_with("-00"), "{context}");
    assert_eq!((asked.value("tracestate"), asked.value("baggage")), (None, None));
    // The same client as a proxy that is believed.
    gateway.configure(&format!("[server]\ntrusted-proxies = [\"127.0.0.0/8\"]\n{}", config("proxies")));
    gateway.wait_for_generation(2);
    gateway.client().get_with("/proxy", &fields);
    let asked = service.last();
    assert!(asked.value("traceparent").unwrap().starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"));
    assert_eq!((asked.value("tracestate"), asked.value("baggage")), (Some("a=1"), Some("b=2")));
    let spans = spans(&collector);
    let paths: BTreeSet<_> = spans.iter().filter_map(|span| attribute(&span.attributes, "url.path")).collect();
    assert_eq!(paths, BTreeSet::from(["/proxy".to_owned()]));
}

#[test]
fn without_traces_the_fields_are_fields_like_others() {
    let service = Upstream::ok();
    let gateway = TestGateway::start(&service.config());
    gateway.client().get_with("/", &format!("traceparent: {PARENT}\r\n"));
    assert_eq!(service.last().value("traceparent"), Some(PARENT));
    let _ = gateway.get("/");
    assert_eq!(service.last().value("traceparent"), None);
}

/// A collector that is dead, or takes nothing, costs no request anything; what is lost is counted.
#[test]
fn a_dead_collector_disturbs_nobody() {
    let service = Upstream::ok();
    let dead = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = |collector: &str| format!("{}{collector}{ALL}access-log = {{ to = \"otlp\" }}\n", service.config());
    let gateway = TestGateway::start(&config(&format!(
        "[upstream.collector]\nendpoints = [\"http://{dead}\"]\ntimeouts = {{ connect = \"100 ms\" }}\n[telemetry]\notlp = {{ upstream = \"collector\" }}\n"
    )));
    let mut client = gateway.client();
    for _ in 0..200 {
        assert_eq!(client.get("/").status, 200);
    }
    until("losses are counted", || (gateway.counter("telemetry.traces-lost") >= 200).then_some(()));
    assert!(gateway.counter("telemetry.exports-failed") >= 1);
    // One that takes nothing, then one that does.
    let collector = Collector::grpc();
    collector.refuse();
    gateway.configure(&config(&collector.section()));
    gateway.wait_for_generation(2);
    assert_eq!(client.get("/").status, 200);
    until("the collector was asked", || (collector.messages() > 0).then_some(()));
    let collector = Collector::grpc();
    gateway.configure(&config(&collector.section()));
    gateway.wait_for_generation(3);
    assert_eq!(client.get("/last").status, 200);
    until("the new collector gets it", || {
        let is_last = |span: &Span| attribute(&span.attributes, "url.path").as_deref() == Some("/last");
        collector.spans().iter().any(is_last).then_some(())
    });
}

#[test]
fn what_is_still_there_is_sent_before_the_end() {
    let collector = Collector::http();
    let service = Upstream::ok();
    let mut gateway = TestGateway::start(&format!("{}{}{ALL}", service.config(), collector.section()));
    assert_eq!(gateway.get("/").status, 200);
    gateway.terminate();
    assert_eq!(gateway.exit_code(), Some(0));
    assert!(!collector.spans().is_empty());
}
