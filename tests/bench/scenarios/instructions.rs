//! Instructions in user space for each request, counted by valgrind: steadier than time, and blind to the kernel's part.

use super::{Bench, KIBIBYTE, LOAD};
use crate::load::{Ask, Plan, closed};
use crate::peers::gateway::Configured;
use crate::peers::{self, Kind};
use crate::report::Table;
use crate::statistics::Quartiles;
use std::fs;
use std::net::TcpStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;

/// Between the two runs of which the difference is taken: what a start costs falls out.
const REQUESTS: usize = 2000;
const CONNECTIONS: usize = 8;
/// Counts hardly vary.
const ROUNDS: usize = 3;
/// A program that guards its memory by signals does not always live under valgrind.
const TRIES: usize = 3;

pub(super) fn measure(bench: &Bench) -> Vec<Table> {
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("valgrind is not installed (`make bench-peers`): no instructions are counted");
        return Vec::new();
    }
    let mut table = Table::new(
        "Instructions in user space",
        format!(
            "For each request, in thousands, by valgrind's callgrind: the difference of {REQUESTS} and {} requests on {CONNECTIONS} \
             connections, answers of 1 KiB.",
            2 * REQUESTS
        ),
        &["", "thousands", "quartiles", "ratio"],
    );
    let all = [
        (Kind::Floor, "/plain"),
        (Kind::Gateway, "/plain"),
        (Kind::Gateway, "/key"),
        (Kind::Base, "/plain"),
        (Kind::Base, "/key"),
    ];
    let mut first = None;
    for (kind, path) in all.into_iter().filter(|(kind, _)| bench.installed.contains(kind)) {
        eprintln!("  {kind}, {path}");
        // What the first start compiles for the processor that valgrind shows, later ones find done.
        let _ = run(bench, kind, path, CONNECTIONS);
        let each: Result<Vec<f64>, String> = (0..bench.rounds.min(ROUNDS)).map(|_| each(bench, kind, path)).collect();
        let each = match each {
            Ok(each) => each,
            Err(said) => {
                println!("{kind} does not start under valgrind, its instructions are not counted: {}", said.trim());
                continue;
            }
        };
        let each = Quartiles::of(&each);
        let first = *first.get_or_insert(each.median);
        let cells = [format!("{:.2}", each.median), each.spread(2), format!("{:.3}", each.median / first)];
        table.rows.push([vec![format!("{kind}, {path}")], cells.to_vec()].concat());
    }
    vec![table]
}

/// Thousands for each request; the error is what a program says that does not start under valgrind.
fn each(bench: &Bench, kind: Kind, path: &'static str) -> Result<f64, String> {
    let once = total(bench, kind, path, REQUESTS)?;
    let twice = total(bench, kind, path, 2 * REQUESTS)?;
    Ok((twice - once) / REQUESTS as f64 / 1000.0)
}

/// Everything from start to end, of the first run that comes to its end; the error is that of the last.
fn total(bench: &Bench, kind: Kind, path: &'static str, requests: usize) -> Result<f64, String> {
    let mut result = run(bench, kind, path, requests);
    for _ in 1..TRIES {
        result = result.or_else(|said| {
            eprintln!("  again, for {said}");
            run(bench, kind, path, requests)
        });
    }
    result
}

fn run(bench: &Bench, kind: Kind, path: &'static str, requests: usize) -> Result<f64, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("said");
    let start = || peers::start_counted(kind, bench.upstream, &Configured::key(bench.upstream), &file);
    let proxy = catch_unwind(AssertUnwindSafe(start)).map_err(|_| "it was not ready in time".to_owned())??;
    TcpStream::connect(proxy.address).map_err(|error| format!("it is gone again: {error}"))?;
    let ask = Ask::get(path, KIBIBYTE);
    let plan = Plan { address: proxy.address, ask, connections: CONNECTIONS, cores: LOAD };
    let load = AssertUnwindSafe(|| closed(&plan, requests, &[]));
    let done = catch_unwind(load).map_err(|_| "it went away under the load".to_owned())?;
    assert!(done.failures.is_empty(), "{kind}: {}", done.failures[0]);
    // It says its sum at its end.
    drop(proxy);
    let said = fs::read_to_string(file).unwrap_or_default();
    let count = said.split_once("Collected :").and_then(|(_, rest)| rest.split_whitespace().next()?.parse().ok());
    count.ok_or_else(|| "it did not say its sum".to_owned())
}
