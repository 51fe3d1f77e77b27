//! HTTP/2 load by Debian's h2load (nghttp2-client), in cleartext with prior knowledge.

use crate::load::{Ask, FIELDS};
use crate::machine;
use std::net::SocketAddr;
use std::process::Command;

/// Connections, and requests at once on each.
pub(crate) const CONNECTIONS: usize = 8;
pub(crate) const STREAMS: usize = 4;

/// What it says of itself; none where it is not installed.
pub(crate) fn version() -> Option<String> {
    let output = Command::new("h2load").arg("--version").output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// So many requests; gives seconds, and seconds of CPU that the proxy used, connections included.
pub(crate) fn run(address: SocketAddr, ask: &Ask, requests: usize, processes: &[u32]) -> (f64, f64) {
    // On the first core, as all load.
    let mut command = Command::new("taskset");
    command.args(["-c", "0", "h2load", "--threads=1"]);
    command.args([
        format!("--requests={requests}"),
        format!("--clients={CONNECTIONS}"),
        format!("--max-concurrent-streams={STREAMS}"),
    ]);
    command.args(FIELDS.iter().map(|(name, value)| format!("--header={name}: {value}")));
    command.arg(format!("http://{address}{}", ask.path));
    let before = machine::cpu(processes);
    let output = command.output().unwrap();
    let cpu = machine::cpu(processes) - before;
    let text = String::from_utf8_lossy(&output.stdout);
    let number = |before: &str| -> Option<f64> { text.split_once(before)?.0.rsplit([' ', '(']).next()?.parse().ok() };
    let expected = Some(requests as f64);
    assert!(
        number(" succeeded") == expected
            && number(" 2xx") == expected
            && number(") data") == Some((requests as u64 * ask.answer) as f64),
        "h2load did not get every answer whole:\n{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let rate = number(" req/s,").unwrap();
    (requests as f64 / rate, cpu)
}
