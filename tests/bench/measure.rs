//! Load, and what it costs the one that takes it.

use crate::proxies::Proxy;
use gateway_tests::Client;
use std::fs;
use std::net::SocketAddr;
use std::thread;

/// Kept-alive connections, each with one request at a time.
pub(crate) const CLIENTS: usize = 8;

const FIELDS: &str = "x-api-key: secret-key-of-ada\r\nuser-agent: bench/1\r\naccept: application/json\r\n\
                      accept-encoding: gzip\r\naccept-language: en\r\ncookie: a=1; b=2\r\n";

/// So many requests, all answered with 200.
pub(crate) fn load(address: SocketAddr, path: &'static str, requests: usize) {
    let ask = move || {
        let mut client = Client::connect(address);
        for _ in 0..requests / CLIENTS {
            assert_eq!(client.get_with(path, FIELDS).status, 200);
        }
    };
    let clients: Vec<_> = (0..CLIENTS).map(|_| thread::spawn(ask)).collect();
    clients.into_iter().for_each(|client| client.join().unwrap());
}

/// Seconds of CPU that a proxy has used, user and system.
pub(crate) fn cpu(proxy: &Proxy) -> f64 {
    let tasks = proxy
        .processes()
        .into_iter()
        .flat_map(|process| fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten());
    let nanoseconds = |task: fs::DirEntry| -> f64 {
        let account = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        account.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or_default()
    };
    tasks.map(nanoseconds).sum::<f64>() / 1e9
}

/// The proxies on the last core, the load wherever the scheduler puts it.
pub(crate) fn pin(proxy: &Proxy) {
    let last = thread::available_parallelism().map_or(1, usize::from) - 1;
    for process in proxy.processes() {
        let pinned =
            std::process::Command::new("taskset").args(["-acp", &last.to_string(), &process.to_string()]).output();
        assert!(pinned.is_ok_and(|output| output.status.success()), "taskset (Debian's util-linux) is needed");
    }
}

/// Lower quartile, median, upper quartile.
pub(crate) fn quartiles(values: &[f64]) -> [f64; 3] {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    [values.len() / 4, values.len() / 2, values.len() * 3 / 4].map(|at| values[at])
}
