//! What a key check and a header change in Wasm add to a plain route: CPU time of the gateway for each request, the two
//! interleaved in one run. Run by `make bench`.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::indexing_slicing, reason = "a program for the terminal")]
#![expect(clippy::disallowed_methods, reason = "it measures")]

use gateway_tests::gateway::Setup;
use gateway_tests::{Client, TestGateway};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::thread;

const ROUNDS: usize = 15;
const REQUESTS: usize = 8000;
const CLIENTS: usize = 8;

const FIELDS: &str = "user-agent: bench/1\r\naccept: application/json\r\naccept-encoding: gzip\r\naccept-language: en\r\ncookie: a=1; b=2\r\n";

fn main() {
    let upstream = upstream();
    let gateway = Setup::new(&format!(
        r#"
[[listener]]
name = "public"
address = "127.0.0.1:0"
[upstream.service]
endpoints = ["http://{upstream}"]
[plugin.api-key]
config = {{ keys = {{ ada = "secret-key-of-ada" }} }}
grants = {{ identity = true }}
[plugin.transform]
config = {{ response = {{ set = {{ x-served-by = "gateway" }} }} }}
[[route]]
name = "plain"
match = {{ prefix = "/plain" }}
upstream = "service"
[[route]]
name = "key"
match = {{ prefix = "/key" }}
chain = ["api-key"]
upstream = "service"
[[route]]
name = "key-and-transform"
match = {{ prefix = "/both" }}
chain = ["api-key", "transform"]
upstream = "service"
"#
    ))
    .plugin("api-key")
    .plugin("transform")
    .argument("--threads=1")
    .log("warn")
    .start();
    pin(gateway.id());

    let scenarios =
        [("plain", "/plain"), ("api-key (consumer, key removed)", "/key"), ("api-key and transform", "/both")];
    let mut rounds: Vec<Vec<f64>> = vec![Vec::new(); scenarios.len()];
    for (_, path) in scenarios {
        load(&gateway, path);
    }
    for _ in 0..ROUNDS {
        for (scenario, (_, path)) in scenarios.iter().enumerate() {
            let before = cpu(gateway.id());
            load(&gateway, path);
            rounds[scenario].push((cpu(gateway.id()) - before) * 1e6 / REQUESTS as f64);
        }
    }
    println!(
        "CPU of the gateway for each request in µs, {ROUNDS} interleaved rounds of {REQUESTS} requests on {CLIENTS} connections"
    );
    println!("{:<34} {:>8} {:>8} {:>8} {:>12}", "", "lower", "median", "upper", "more, median");
    for (scenario, (name, _)) in scenarios.iter().enumerate() {
        let [lower, median, upper] = quartiles(&rounds[scenario]);
        // Round by round, so that a change of the machine's speed falls on both.
        let more: Vec<f64> = rounds[scenario].iter().zip(&rounds[0]).map(|(with, plain)| with - plain).collect();
        println!("{name:<34} {lower:>8.2} {median:>8.2} {upper:>8.2} {:>12.2}", quartiles(&more)[1]);
    }
}

fn load(gateway: &TestGateway, path: &'static str) {
    let address = gateway.address("public");
    let clients: Vec<_> = (0..CLIENTS).map(|_| thread::spawn(move || ask(address, path, REQUESTS / CLIENTS))).collect();
    clients.into_iter().for_each(|client| client.join().unwrap());
}

fn ask(address: SocketAddr, path: &str, times: usize) {
    let mut client = Client::connect(address);
    let fields = format!("x-api-key: secret-key-of-ada\r\n{FIELDS}");
    for _ in 0..times {
        assert_eq!(client.get_with(path, &fields).status, 200);
    }
}

/// Answers a kibibyte to every head it reads; written for little more than that.
fn upstream() -> SocketAddr {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let answer =
        format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 1024\r\n\r\n{}", "x".repeat(1024));
    thread::spawn(move || {
        for mut stream in socket.incoming().flatten() {
            let answer = answer.clone();
            thread::spawn(move || {
                let mut buffer = [0; 16 * 1024];
                let mut read = 0;
                while let Ok(count @ 1..) = stream.read(&mut buffer[read..]) {
                    read += count;
                    if buffer[..read].ends_with(b"\r\n\r\n") {
                        read = 0;
                        if stream.write_all(answer.as_bytes()).is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
    address
}

/// Seconds of CPU that a process has used, user and system, from the scheduler's own account.
fn cpu(process: u32) -> f64 {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let nanoseconds = |task: fs::DirEntry| -> f64 {
        let account = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        account.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or_default()
    };
    tasks.flatten().map(nanoseconds).sum::<f64>() / 1e9
}

/// The gateway on the last core, the load wherever the scheduler puts it.
fn pin(process: u32) {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let pinned =
        std::process::Command::new("taskset").args(["-acp", &(cores - 1).to_string(), &process.to_string()]).output();
    if !pinned.is_ok_and(|output| output.status.success()) {
        println!("taskset is missing: the gateway is not pinned to a core");
    }
}

fn quartiles(values: &[f64]) -> [f64; 3] {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    [values.len() / 4, values.len() / 2, values.len() * 3 / 4].map(|at| values[at])
}
