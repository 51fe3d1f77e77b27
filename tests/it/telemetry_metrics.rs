//! `/metrics`, read as Prometheus reads it: names, units, labels, and that no client makes them up.

use gateway_tests::gateway::Setup;
use gateway_tests::wait::until;
use gateway_tests::{Reply, TestGateway, Upstream};
use openmetrics_parser::prometheus::parse_prometheus;
use openmetrics_parser::{PrometheusType, PrometheusValue};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A figure: its labels, and its value; of a histogram how often something was seen.
type Sample = (BTreeMap<String, String>, f64);

/// All figures of one moment by the name of their family.
struct Figures(BTreeMap<String, (PrometheusType, Vec<Sample>)>);

impl Figures {
    fn of(gateway: &TestGateway) -> Self {
        let (status, body) = gateway.admin("/metrics").unwrap();
        assert_eq!(status, 200);
        let text = String::from_utf8(body).unwrap();
        let parsed = parse_prometheus(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let family = |(name, family): (String, openmetrics_parser::MetricFamily<_, PrometheusValue>)| {
            let names = family.get_label_names().to_vec();
            let sample = |sample: &openmetrics_parser::Sample<PrometheusValue>| {
                let labels = sample.get_labelset().unwrap();
                let labels =
                    names.iter().filter_map(|name| Some((name.clone(), labels.get_label_value(name)?.to_owned())));
                let value = match &sample.value {
                    PrometheusValue::Unknown(number) | PrometheusValue::Gauge(number) => number.as_f64(),
                    PrometheusValue::Counter(counter) => counter.value.as_f64(),
                    PrometheusValue::Histogram(histogram) => {
                        let ends: Vec<_> = histogram.buckets.iter().map(|bucket| bucket.upper_bound).collect();
                        assert!(ends.is_sorted() && ends.last() == Some(&f64::INFINITY), "{ends:?}");
                        assert!(ends.iter().filter(|end| **end > 1e15).count() == 1, "{ends:?}");
                        histogram.count.unwrap() as f64
                    }
                    PrometheusValue::Summary(_) => unreachable!("there are none"),
                };
                (labels.filter(|(_, value)| !value.is_empty()).collect(), value)
            };
            let samples = family.iter_samples().map(sample).collect();
            (name, (family.family_type, samples))
        };
        Self(parsed.families.into_iter().map(family).collect())
    }

    /// The sum of a family's figures whose labels are among others these.
    fn sum(&self, family: &str, labels: &[(&str, &str)]) -> f64 {
        let fits = |known: &BTreeMap<String, String>| {
            labels.iter().all(|(name, value)| known.get(*name).is_some_and(|known| known == value))
        };
        self.0
            .get(family)
            .map_or(0.0, |(_, samples)| samples.iter().filter(|(known, _)| fits(known)).map(|(_, value)| value).sum())
    }
}

const ROUTES: &str = "[[route]]\nname = \"order\"\nmatch = { path = \"/orders/{id}\", methods = [\"GET\", \"POST\", \"BREW\"] }\nupstream = \"service\"\n";

#[test]
fn requests_are_counted_by_the_conventions() {
    let service = Upstream::start(|request| match request.target() {
        "/orders/503" => Reply::with("503 Service Unavailable", "", ""),
        _ => Reply::ok("hello"),
    });
    let gateway = TestGateway::start(&format!("{}{ROUTES}", service.config()));
    let mut client = gateway.client();
    for path in ["/orders/1", "/orders/2", "/orders/503"] {
        client.get(path);
    }
    client.ask("POST /orders/1 HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc");
    client.ask("GET /orders/%zz HTTP/1.1\r\nhost: a\r\n\r\n");

    let figures = Figures::of(&gateway);
    let get = [
        ("http_request_method", "GET"),
        ("http_response_status_code", "200"),
        ("http_route", "/orders/{id}"),
        ("gateway_route", "order"),
        ("network_protocol_version", "1.1"),
        ("url_scheme", "http"),
    ];
    let duration = "http_server_request_duration_seconds";
    assert_eq!(figures.sum(duration, &get), 2.0);
    let failed = [("http_response_status_code", "503"), ("error_type", "503"), ("gateway_route", "order")];
    assert_eq!(figures.sum(duration, &failed), 1.0);
    assert_eq!(figures.sum(duration, &[("http_request_method", "POST")]), 1.0);
    // What is no request has no route.
    assert_eq!(figures.sum(duration, &[("http_response_status_code", "400")]), 1.0);
    assert_eq!(figures.sum("http_server_request_body_size_bytes", &[("gateway_route", "order")]), 4.0);
    let client = [("gateway_upstream", "service"), ("http_response_status_code", "200")];
    assert_eq!(figures.sum("http_client_request_duration_seconds", &client), 3.0);
    let of_service = [("gateway_upstream", "service")];
    assert_eq!(figures.sum("gateway_upstream_connections_opened_total", &of_service), 1.0);
    assert_eq!(figures.sum("gateway_upstream_connections_reused_total", &of_service), 3.0);
    assert_eq!(figures.sum("gateway_upstream_endpoint_up", &of_service), 1.0);
    assert_eq!(figures.sum("http_server_active_requests", &[]), 0.0);
    assert_eq!(figures.sum("gateway_generation", &[]), 1.0);
    for (name, (kind, _)) in &figures.0 {
        // Base units, and counters that say that they are some (Prometheus' and OpenMetrics' rules for names).
        assert_eq!(name.ends_with("_total"), *kind == PrometheusType::Counter, "{name}");
        assert!(!name.contains("milliseconds") && !name.contains("kib"), "{name}");
        if *kind == PrometheusType::Histogram {
            assert!(name.ends_with("_seconds") || name.ends_with("_bytes"), "{name}");
        }
    }
}

/// HARDENING W4: a client's words are no labels, so it cannot make the gateway keep more.
#[test]
fn w4_no_client_makes_series_up() {
    let service = Upstream::start(|request| {
        let status: u16 = request.target().rsplit('/').next().unwrap().parse().unwrap();
        Reply::with(&format!("{status} Made Up"), "", "")
    });
    let gateway = TestGateway::start(&format!("{}{ROUTES}", service.config()));
    let mut client = gateway.client();
    for number in 0..300 {
        client.ask(format!(
            "BREW{number} /{number}/{} HTTP/1.1\r\nhost: h{number}\r\nx-request-id: {number}\r\n\r\n",
            200 + number
        ));
    }
    let figures = Figures::of(&gateway);
    let (_, samples) = &figures.0["http_server_request_duration_seconds"];
    let values = |name: &str| -> BTreeSet<_> { samples.iter().filter_map(|(labels, _)| labels.get(name)).collect() };
    assert_eq!(values("http_request_method"), BTreeSet::from([&"_OTHER".to_owned()]));
    assert_eq!(values("http_route"), BTreeSet::from([&"/{*}".to_owned()]));
    // 200 to 499: those that have a meaning, and a class for all others.
    assert!(values("http_response_status_code").len() < 60, "{:?}", values("http_response_status_code"));
    assert!(values("http_response_status_code").contains(&"2xx".to_owned()));
    assert_eq!(figures.sum("http_server_request_duration_seconds", &[]), 300.0);
    let lines = String::from_utf8(gateway.admin("/metrics").unwrap().1).unwrap().lines().count();
    client.get("/1/200");
    for number in 0..300 {
        client.get(&format!("/other{number}/200?x={number}"));
    }
    let more = String::from_utf8(gateway.admin("/metrics").unwrap().1).unwrap().lines().count();
    assert!(more < lines + 100, "{lines} lines became {more}");
}

#[test]
fn plugins_are_counted_without_their_help_and_with_it() {
    let service = Upstream::ok();
    let config = format!(
        "{}chain = [\"phases\"]\n[[route]]\nname = \"traps\"\nmatch = {{ path = \"/traps\" }}\nchain = [\"trapping\"]\nrespond = {{ status = 204 }}\n",
        service.config()
    );
    let gateway = Setup::new(&config).plugin("phases").plugin("trapping").start();
    for _ in 0..3 {
        let _ = gateway.get("/");
        let _ = gateway.get("/traps");
    }
    let figures = until("plugins were called", || {
        let figures = Figures::of(&gateway);
        (figures.sum("gateway_plugin_call_duration_seconds", &[("gateway_plugin", "phases")]) > 0.0).then_some(figures)
    });
    let phases = [("gateway_plugin", "phases"), ("phase", "on-request")];
    assert_eq!(figures.sum("gateway_plugin_call_duration_seconds", &phases), 3.0);
    until("what it counts itself is there", || {
        let own = [("gateway_plugin", "phases"), ("name", "completed-200")];
        (Figures::of(&gateway).sum("gateway_plugin_count_total", &own) == 3.0).then_some(())
    });
    let of = [("gateway_plugin", "phases")];
    assert!(figures.sum("gateway_plugin_busy_seconds_total", &of) > 0.0);
    assert!(figures.sum("gateway_plugin_instances", &of) >= 1.0);
    assert!(figures.sum("gateway_plugin_memory_bytes", &of) > 0.0);
    assert_eq!(figures.sum("gateway_plugin_info", &of), 1.0);
    assert!(figures.0.contains_key("gateway_plugin_compile_time_seconds"));
    let faults = [("gateway_plugin", "trapping"), ("kind", "trap")];
    assert_eq!(figures.sum("gateway_plugin_faults_total", &faults), 3.0);
    let errors = [("gateway_route", "traps"), ("error_type", "plugin_failed")];
    assert_eq!(figures.sum("gateway_request_errors_total", &errors), 3.0);
}

#[test]
fn nothing_is_counted_where_metrics_are_off_and_figures_outlive_reloads() {
    let service = Upstream::ok();
    let gateway = TestGateway::start(&service.config());
    let _ = gateway.get("/");
    let count = || Figures::of(&gateway).sum("http_server_request_duration_seconds", &[]);
    until("the first is counted", || (count() == 1.0).then_some(()));
    gateway.configure(&format!("[telemetry]\nmetrics = false\n{}", service.config()));
    gateway.wait_for_generation(2);
    let _ = gateway.get("/");
    assert_eq!(count(), 0.0);
    assert_eq!(Figures::of(&gateway).sum("gateway_generation", &[]), 2.0, "what is known anyway is told");
    gateway.configure(&service.config());
    gateway.wait_for_generation(3);
    let _ = gateway.get("/");
    until("the third is counted with the first", || (count() == 2.0).then_some(()));
    assert_eq!(Figures::of(&gateway).sum("gateway_reloads_total", &[("result", "succeeded")]), 2.0);
}

#[test]
fn openmetrics_is_told_to_whom_asks_for_it() {
    let gateway = TestGateway::start(&Upstream::ok().config());
    let _ = gateway.get("/");
    let (_, body) =
        gateway.admin_with("GET", "/metrics", "accept: application/openmetrics-text;version=1.0.0\r\n").unwrap();
    let text = String::from_utf8(body).unwrap();
    // The parser knows no histograms with units, which OpenMetrics has (section 5.2.7).
    assert!(text.contains("# UNIT http_server_request_duration_seconds seconds\n"), "{text}");
    assert!(
        text.contains("# TYPE gateway_upstream_retries counter\n")
            && text.contains("\ngateway_upstream_retries_total{")
    );
    assert!(text.ends_with("# EOF\n"));
}

/// Every figure that the dashboard and the alert rules of the example ask for is one that the gateway has.
#[test]
fn the_dashboard_and_the_alerts_ask_for_what_there_is() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/telemetry");
    let dashboard = std::fs::read_to_string(folder.join("grafana-dashboard.json")).unwrap();
    serde_json::from_str::<serde_json::Value>(&dashboard).unwrap();
    let alerts = std::fs::read_to_string(folder.join("alerts.yaml")).unwrap();
    let service = Upstream::start(|_| Reply::Reset);
    let config = format!(
        "{}chain = [\"phases\", {{ plugin = \"rate-limit\", config = {{ per = \"address\", rate = \"100/s\" }} }}]\ncache = true\n",
        service.config()
    );
    let config = format!("{config}[plugin.rate-limit]\ngrants = {{ limit = true }}\n");
    let gateway = Setup::new(&config).plugin("phases").plugin("rate-limit").start();
    let _ = gateway.get("/");
    let figures = until("a failure is counted", || {
        let figures = Figures::of(&gateway);
        (figures.sum("gateway_upstream_errors_total", &[]) > 0.0).then_some(figures)
    });
    let words = |text: &str| -> BTreeSet<String> {
        let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_' && letter != ':');
        let is_figure = |word: &&str| {
            word.starts_with("gateway_") || word.starts_with("http_server_") || word.starts_with("http_client_")
        };
        words.filter(is_figure).map(str::to_owned).collect()
    };
    let labels: BTreeSet<&str> = figures
        .0
        .values()
        .flat_map(|(_, samples)| samples)
        .flat_map(|(labels, _)| labels.keys())
        .map(String::as_str)
        .collect();
    for (file, text) in [("grafana-dashboard.json", &dashboard), ("alerts.yaml", &alerts)] {
        let asked: Vec<_> = words(text).into_iter().filter(|word| !labels.contains(word.as_str())).collect();
        assert!(asked.len() > 5, "{file}: {asked:?}");
        for word in asked {
            let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| word.strip_suffix(end)).unwrap_or(&word);
            assert!(figures.0.contains_key(&word) || figures.0.contains_key(family), "{file} asks for `{word}`");
        }
    }
}
