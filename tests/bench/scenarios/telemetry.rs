//! What it costs to count, trace and tell of each request: the same gateway with nothing of it, and with more and more.

use super::work::{Row, Work, measure as rows_of};
use super::{Bench, KIBIBYTE};
use crate::load::Ask;
use crate::peers::gateway::Configured;
use crate::peers::{self, Kind};
use crate::report::Table;

/// The name of a row, and what its gateway has in `[telemetry]`. The first is what the others are compared with.
const SECTIONS: [(&str, &str); 4] = [
    ("off", "metrics = false\notlp = { upstream = \"collector\" }"),
    ("metrics", "otlp = { upstream = \"collector\" }"),
    (
        "metrics, access log",
        "otlp = { upstream = \"collector\" }\naccess-log = { to = { file = \"{folder}/access.log\", rotate = \"never\" } }",
    ),
    (
        "metrics, access log, 1 of 10 traced",
        "otlp = { upstream = \"collector\" }\ntraces = { sample = \"10 %\" }\n\
         access-log = { to = { file = \"{folder}/access.log\", rotate = \"never\" } }",
    ),
];

pub(super) fn measure(bench: &Bench) -> Vec<Table> {
    let table = |what: &str, path: &'static str| {
        let start = |(name, section): &(&'static str, &str)| {
            (*name, peers::start(Kind::Gateway, bench.upstream, &Configured::telemetry(bench.upstream, section)))
        };
        let started: Vec<_> = SECTIONS.iter().map(start).collect();
        let ask = Ask::get(path, KIBIBYTE);
        let rows = started.iter().map(|(name, proxy)| Row::new(*name, proxy, &ask)).collect();
        rows_of(bench, Work { title: format!("Telemetry off and on, {what}; against off"), rows, requests: 8000 })
    };
    vec![table("plain", "/plain"), table("a key check", "/key")]
}
