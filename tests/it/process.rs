//! The program as a person meets it: exit codes, what it prints, how it ends.

use gateway_tests::gateway::{Setup, component, program};
use gateway_tests::wait::until;
use gateway_tests::{Client, Reply, TestGateway, Upstream};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

fn gateway(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(program()).args(arguments).current_dir(folder).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

const CONFIG: &str = r#"[plugins]
directory = "plugins.d"

[[listener]]
name = "public"
address = "127.0.0.1:8080"

[upstream.orders]
endpoints = ["http://127.0.0.1:9001"]

[[route]]
name = "order"
match = { path = "/orders/{id}", methods = ["GET"] }
chain = ["phases"]
upstream = "orders"
rewrite = { path = "/v1/{id}" }
cache = { default-ttl = "1 m", key = { query = ["page"] }, share = "consumer" }
"#;

fn folder(config: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("plugins.d")).unwrap();
    fs::write(folder.path().join("plugins.d/phases.wasm"), component("phases")).unwrap();
    fs::write(folder.path().join("gateway.toml"), config).unwrap();
    folder
}

#[test]
fn check_says_everything_and_its_exit_code_says_whether() {
    let good = folder(CONFIG);
    let output = gateway(good.path(), &["check"]);
    assert_eq!(
        (output.status.code(), text(&output.stdout).trim()),
        (Some(0), "gateway.toml: 1 listener, 1 route, 1 upstream, 1 plugin")
    );
    let bad = folder(&CONFIG.replace("methods", "metods").replace("upstream = \"orders\"", "upstream = \"order\""));
    let output = gateway(bad.path(), &["check"]);
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    for expected in ["unknown-key", "did you mean `methods`", "unknown-upstream", "gateway.toml:13:", "^"] {
        assert!(errors.contains(expected), "{expected}: {errors}");
    }
    assert_eq!(gateway(good.path(), &["check", "--config", "missing.toml"]).status.code(), Some(2));
    assert_eq!(gateway(good.path(), &["frobnicate"]).status.code(), Some(2));
    assert_eq!(gateway(good.path(), &["plugin", "inspect", "missing.wasm"]).status.code(), Some(1));
}

#[test]
fn explain_says_the_way_and_where_it_was_written() {
    let folder = folder(CONFIG);
    let output = gateway(folder.path(), &["explain", "get", "http://127.0.0.1:8080/orders/17"]);
    let way = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0));
    for expected in [
        "order    ",
        "gateway.toml:11:",
        "id = 17",
        "phases (on-request",
        "/v1/17",
        "http://127.0.0.1:9001",
        "as answers say, else 60s, by query page, by consumer",
    ] {
        assert!(way.contains(expected), "{expected}: {way}");
    }
    for (url, told) in [
        ("https://127.0.0.1:8080/orders/17", "scheme      no TLS handshake succeeds here"),
        ("http://127.0.0.1:9/orders/17", "port        no listener has port 9"),
    ] {
        let output = gateway(folder.path(), &["explain", "GET", url]);
        assert!(text(&output.stdout).contains(told), "{url}: {}", text(&output.stdout));
    }
    let output = gateway(folder.path(), &["explain", "POST", "http://127.0.0.1:8080/orders/17"]);
    assert!(output.status.code() == Some(1) && text(&output.stdout).contains("405"));
}

#[test]
fn explain_says_why_other_routes_do_not_match() {
    let gold = "[[route]]\nname = \"gold\"\nmatch = { path = \"/orders/{id}\", headers = { x-tier = \"gold\" } }\nrespond = { status = 204 }\n";
    let folder = folder(&format!("{CONFIG}{gold}"));
    let output = gateway(folder.path(), &["explain", "GET", "http://127.0.0.1:8080/orders/17"]);
    let way = text(&output.stdout);
    assert!(
        way.contains("not         gold (path /orders/{id}, header x-tier): there is no field x-tier    gateway.toml:"),
        "{way}"
    );
    let output = gateway(folder.path(), &["explain", "GET", "http://127.0.0.1:8080/orders/17", "-H", "x-tier: gold"]);
    let way = text(&output.stdout);
    assert!(
        way.contains("gold (path /orders/{id}, header x-tier): it matches too, and `order` is more specific"),
        "{way}"
    );
}

#[test]
fn check_prints_the_settings_in_force_with_their_places() {
    let folder = folder(CONFIG);
    let output = gateway(folder.path(), &["check", "--effective"]);
    let said = text(&output.stdout);
    for expected in [
        "listener.public.timeouts.header = \"10 s\"    # default",
        "match.path = \"/orders/{id}\"    # gateway.toml:13:",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
}

#[test]
fn diff_says_what_a_reload_would_change_and_no_secret() {
    let route = |name: &str, status: u16| {
        format!("[[route]]\nname = \"{name}\"\nmatch = {{ path = \"/{name}\" }}\nrespond = {{ status = {status} }}\n")
    };
    let plugin = |password: &str| format!("[plugin.phases.config]\npassword = \"{password}\"\n");
    let (old, new) = (
        folder(&format!("{CONFIG}{}{}{}", route("gone", 204), route("other", 204), plugin("s3cr3t-one"))),
        folder(&format!("{CONFIG}{}{}{}", route("other", 404), route("new", 204), plugin("s3cr3t-two"))),
    );
    fs::write(new.path().join("plugins.d/phases.wasm"), component("trapping")).unwrap();
    let output = gateway(old.path(), &["diff", "gateway.toml", new.path().to_str().unwrap()]);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    for expected in [
        "+ route new\n",
        "- route gone\n",
        "~ route other\n    respond.status: 204 -> 404    ",
        "config.password: \"***\" -> \"***\"",
        "~ component of plugin phases\n    its content differs",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    assert!(!said.contains("s3cr3t") && !said.contains("upstream"), "{said}");
    let output = gateway(old.path(), &["diff", "gateway.toml", "gateway.toml"]);
    assert_eq!(text(&output.stdout), "nothing would change\n");
}

#[test]
fn completions_and_manual_pages_know_every_command() {
    let folder = folder(CONFIG);
    let commands = ["run", "check", "explain", "diff", "plugin"];
    let output = gateway(folder.path(), &["completions", "bash"]);
    assert!(commands.iter().all(|command| text(&output.stdout).contains(command)));
    assert_eq!(gateway(folder.path(), &["man", "--into", "."]).status.code(), Some(0));
    for command in commands {
        assert!(folder.path().join(format!("gateway-{command}.1")).exists(), "{command}");
    }
}

#[test]
fn inspect_says_what_a_component_is() {
    let folder = folder(CONFIG);
    let output = gateway(folder.path(), &["plugin", "inspect", "plugins.d/phases.wasm"]);
    let said = text(&output.stdout);
    for expected in ["gateway:plugin 0.1.0", "on-request, on-request-body, handle, on-response", "phases 0.1.0"] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    let output = gateway(folder.path(), &["plugin", "inspect", "--json", "plugins.d/phases.wasm"]);
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["manifest"]["name"], "phases");
}

#[test]
fn a_plugins_configuration_is_held_against_its_schema_at_its_line() {
    let config = format!("{CONFIG}[plugin.api-key]\nconfig = {{ keys = {{ ada = \"k\" }}, heder = \"x\" }}\ngrants = {{ identity = true }}\n")
        .replace("chain = [\"phases\"]", "chain = [\"api-key\"]");
    let folder = folder(&config);
    fs::write(folder.path().join("plugins.d/api-key.wasm"), component("api-key")).unwrap();
    let output = gateway(folder.path(), &["check"]);
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(errors.contains("gateway.toml:19:") && errors.contains("heder"), "{errors}");
}

#[test]
fn a_termination_lets_requests_finish() {
    let upstream = Upstream::start(|_| {
        Reply::Trickle(
            vec![b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nsl".to_vec(), b"ow".to_vec()],
            Duration::from_millis(700),
        )
    });
    let mut gateway = TestGateway::start(&upstream.config());
    let address = gateway.address("public");
    let mut busy = gateway.client();
    busy.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let _ = upstream.last();
    gateway.terminate();
    assert_eq!(busy.response().unwrap().text(), "slow");
    assert_eq!(gateway.exit_code(), Some(0));
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[test]
fn readiness_goes_before_the_process_does() {
    let upstream = Upstream::start(|_| Reply::Stall(Vec::new()));
    let gateway = Setup::new(&format!("[server]\ndrain = \"20 s\"\n{}", upstream.config())).start();
    let mut busy = gateway.client();
    busy.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let _ = upstream.last();
    gateway.terminate();
    until("it is no longer ready", || gateway.admin("/ready").filter(|(status, _)| *status == 503));
    assert_eq!(gateway.admin("/live").unwrap().0, 200);
    assert_eq!(gateway.status()["state"], "draining");
}

#[test]
fn f6_connections_that_came_before_the_termination_are_answered() {
    let upstream = Upstream::ok();
    let mut gateway = TestGateway::start(&upstream.config());
    let address = gateway.address("public");
    let signal = |name: &str| {
        assert!(Command::new("kill").args([name, &gateway.id().to_string()]).status().unwrap().success());
    };
    // The kernel takes connections and their requests while the process stands still.
    signal("-STOP");
    let mut clients: Vec<_> = (0..50).map(|_| Client::connect(address)).collect();
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    }
    signal("-TERM");
    signal("-CONT");
    for client in &mut clients {
        assert_eq!(client.response().map(|response| response.status), Some(200));
    }
    assert_eq!(gateway.exit_code(), Some(0));
}

#[test]
fn what_a_plugin_would_need_is_told_where_it_is_written() {
    let upstream = Upstream::ok();
    let route = "[[route]]\nname = \"home\"\nmatch = { path = \"/home\" }\nchain = [\"jwt\"]\nanswer = \"aggregate\"\n";
    let told = |written: &str| {
        let config = format!("{}{written}{route}", upstream.config());
        let mut gateway = Setup::new(&config).plugin("jwt").plugin("aggregate").launch();
        assert_eq!(gateway.exit_code(), Some(2));
        gateway.log()
    };
    let keys = r#"config.issuers = [{ shared-secret = "a secret of thirty-two bytes, or so" }]"#;
    let part = r#"config.parts.a = { url = "upstream://servce/{id}", missing = "skip" }"#;
    let log = told(&format!("[plugin.jwt]\n{keys}\n[plugin.aggregate]\ngrants = {{ http = [\"service\"] }}\n{part}\n"));
    for text in [
        "plugin `jwt`: it asks for `identity`, which the configuration does not grant",
        "write `grants = { identity = true }` under `[plugin.jwt]`",
        "`parts.a.url`: the upstream `servce` is not granted: write it into `grants.http`",
        "`parts.a.missing`: value is not one of \"fail\" or \"null\", or value is not of type \"object\"",
        "\nconfig.parts.a = { url = \"upstream",
    ] {
        assert!(log.replace(" | ", "\n").contains(text), "{text}: {log}");
    }
    // A guest's own words stand at its configuration; with keys of its own it needs no service.
    let log = told(&format!(
        "[plugin.jwt]\ngrants = {{ identity = true, crypto = true }}\n{keys}\n[plugin.aggregate]\ngrants = {{ http = [\"service\"] }}\nconfig.parts.a = {{ url = \"upstream://service/{{b.c}}\" }}\n"
    ));
    assert!(log.contains("`{b.c}` stands for nothing: there is no part `b`"), "{log}");
    assert!(log.contains("config.parts.a = ") && !log.contains("jwt`"), "{log}");
}
