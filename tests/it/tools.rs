//! Other people's tools against the gateway: slowhttptest and h2load, as Debian has them. `make attack` installs them and runs this.

use gateway_tests::wait::until;
use gateway_tests::{Client, Reply, TestGateway, Upstream};
use std::io::Write as _;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Bounds that a run of some seconds can see.
const SHORT: &str =
    "timeouts = { header = \"2 s\", idle = \"3 s\", body = \"2 s\", body-total = \"5 s\", write = \"2 s\" }\n";

/// Slow clients at once.
const SLOW: usize = 300;

/// What is still open when a tool has gone, beside whoever looks.
const LEFT: i64 = 4;

fn served() -> (Upstream, TestGateway) {
    let upstream = Upstream::start(|request| match request.target() {
        "/big" => Reply::ok(&"x".repeat(4 << 20)),
        _ => Reply::ok("ok"),
    });
    let config =
        upstream.config().replace("address = \"127.0.0.1:0\"\n", &format!("address = \"127.0.0.1:0\"\n{SHORT}"));
    (upstream, TestGateway::start(&config))
}

/// What a tool says; it has to end well.
fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}: run `make attack`"));
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program}: {said}");
    said
}

#[test]
#[ignore = "needs slowhttptest: make attack"]
fn p10_slow_clients_are_cut_and_others_served() {
    let (_upstream, gateway) = served();
    let address = gateway.address("public");
    for (what, kind, path) in [("heads", "-H", "/"), ("bodies", "-B", "/"), ("reads", "-X", "/big")] {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let neighbour = thread::spawn(move || {
            let mut slowest = Duration::ZERO;
            while !stopped.load(Ordering::Relaxed) {
                let start = Instant::now();
                assert_eq!(Client::connect(address).get("/neighbour").status, 200);
                slowest = slowest.max(start.elapsed());
                thread::sleep(Duration::from_millis(50));
            }
            slowest
        });
        let url = format!("http://{address}{path}");
        let slow = SLOW.to_string();
        // Something every second, for longer than a head or a body may take; small windows, read slowly.
        let more = [
            "-c", &slow, "-r", &slow, "-i", "1", "-l", "12", "-w", "512", "-y", "1024", "-n", "1", "-z", "8", "-k", "1",
        ];
        let said = said("slowhttptest", &[&[kind, "-u", &url][..], &more].concat());
        stop.store(true, Ordering::Relaxed);
        let slowest = neighbour.join().unwrap();
        let available =
            |word: &str| said.lines().filter(|line| line.contains("available") && line.contains(word)).count();
        let _ = writeln!(
            std::io::stderr(),
            "slow {what}: others waited at most {slowest:?}; available {} times, not {} times",
            available("YES"),
            available("NO")
        );
        assert!(available("YES") > 0 && available("NO") == 0, "slow {what}: {said}");
        assert!(slowest < Duration::from_secs(2), "slow {what}: others waited {slowest:?}");
        until(&format!("slow {what}: all are cut"), || (open(&gateway) <= LEFT).then_some(()));
    }
    assert_eq!(gateway.counter("requests.panicked"), 0);
}

/// Sockets of the gateway that are connected, the administration's left out.
fn open(gateway: &TestGateway) -> i64 {
    let port = format!(":{}", gateway.address("public").port());
    let listed = Command::new("ss")
        .args(["--tcp", "--numeric", "--no-header", "state", "established", "sport"])
        .arg("=")
        .arg(&port)
        .output();
    let listed = listed.expect("`ss`, of Debian's iproute2").stdout;
    i64::try_from(String::from_utf8_lossy(&listed).lines().count()).unwrap()
}

#[test]
#[ignore = "needs h2load: make attack"]
fn h2load_loses_nothing() {
    let (_upstream, gateway) = served();
    let url = format!("http://{}/", gateway.address("public"));
    // At most 1,024 at once go to one service by default; past them there is 503 at once.
    for more in [&["--h1", "-c", "50"][..], &["-c", "20", "-m", "50"], &["-c", "4", "-m", "100"]] {
        let said = said("h2load", &[&["-n", "20000"], more, &[&url]].concat());
        let line = said.lines().find(|line| line.starts_with("requests:")).unwrap_or_default();
        let speed = said.lines().find(|line| line.starts_with("finished")).unwrap_or_default();
        let _ = writeln!(std::io::stderr(), "h2load {}: {line}; {speed}", more.join(" "));
        assert!(line.contains("20000 succeeded, 0 failed, 0 errored, 0 timeout"), "h2load {more:?}: {said}");
    }
}
