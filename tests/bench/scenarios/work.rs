//! Rows of proxies at some work, measured in turn, round after round.

use super::{Bench, LOAD};
use crate::load::{Ask, Closed, Plan, closed, paced};
use crate::machine;
use crate::peers::{Kind, Proxy};
use crate::report::Table;
use crate::statistics::{Quartiles, median, quantile};
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

/// Kept-alive connections, each with one request at a time.
pub(super) const CONNECTIONS: usize = 32;
/// How long a row is asked at the fixed rate in each round.
const PACED: Duration = Duration::from_millis(500);

/// A proxy at some work.
pub(super) struct Row<'a> {
    pub(super) label: String,
    pub(super) proxy: &'a Proxy,
    pub(super) plan: Plan,
}

impl<'a> Row<'a> {
    pub(super) fn new(label: impl Into<String>, proxy: &'a Proxy, ask: &Ask) -> Self {
        let plan = Plan { address: proxy.address, ask: ask.clone(), connections: CONNECTIONS, cores: LOAD };
        Self { label: label.into(), proxy, plan }
    }
}

/// Rows to compare with the first of them.
pub(super) struct Work<'a> {
    pub(super) title: String,
    pub(super) rows: Vec<Row<'a>>,
    /// Of each row in each round.
    pub(super) requests: usize,
}

/// What the rounds of a row have shown.
#[derive(Default)]
pub(super) struct Taken {
    /// Microseconds of CPU for each request.
    pub(super) cpu: Vec<f64>,
    /// Requests in a second.
    pub(super) rate: Vec<f64>,
    /// The part of the time in which the proxy had a core.
    pub(super) busy: Vec<f64>,
    pub(super) middle: Vec<f64>,
    pub(super) slow: Vec<f64>,
}

impl Taken {
    pub(super) fn add(&mut self, requests: usize, seconds: f64, cpu: f64) {
        self.cpu.push(cpu * 1e6 / requests as f64);
        self.rate.push(requests as f64 / seconds);
        self.busy.push(cpu / seconds);
    }

    /// CPU, ratio, difference, rate: what every table of work begins with.
    pub(super) fn cells(&self, label: &str, first: &Self) -> Vec<String> {
        let cpu = Quartiles::of(&self.cpu);
        let ratio = Quartiles::of_ratios(&self.cpu, &first.cpu);
        let more: Vec<f64> = self.cpu.iter().zip(&first.cpu).map(|(own, first)| own - first).collect();
        vec![
            label.to_owned(),
            format!("{:.2}", cpu.median),
            cpu.spread(2),
            format!("{:.3}", ratio.median),
            ratio.spread(3),
            format!("{:+.2}", median(&more)),
            format!("{:.0}", median(&self.rate)),
            format!("{:.0} %", median(&self.busy) * 100.0),
        ]
    }
}

/// The columns of [`Taken::cells`].
pub(super) const COLUMNS: [&str; 8] = ["", "CPU µs", "quartiles", "ratio", "quartiles", "more µs", "req/s", "busy"];

/// Saturation first, then a fixed rate that all of them can sustain.
pub(super) fn measure(bench: &Bench, work: Work<'_>) -> Table {
    let mut taken: Vec<Taken> = work.rows.iter().map(|_| Taken::default()).collect();
    for row in &work.rows {
        saturate(row, work.requests / 2);
    }
    in_rounds(bench.rounds, work.rows.len(), |at| {
        let (seconds, cpu) = saturate(&work.rows[at], work.requests);
        taken[at].add(work.requests, seconds, cpu);
    });
    let slowest = taken.iter().map(|taken| median(&taken.rate)).fold(f64::INFINITY, f64::min);
    let rate = round(slowest / 2.0);
    let requests = (rate * PACED.as_secs_f64()) as usize;
    in_rounds(bench.rounds, work.rows.len(), |at| {
        let latencies = paced(&work.rows[at].plan, rate, requests);
        taken[at].middle.push(median(&latencies));
        taken[at].slow.push(quantile(&latencies, 0.99));
    });

    let about = format!(
        "{} requests a round on {} connections; p50 and p99 at {rate:.0} requests/s, half of what the slowest can.",
        work.requests,
        work.rows.first().map_or(0, |row| row.plan.connections)
    );
    let has_base = work.rows.iter().any(|row| row.proxy.kind == Kind::Base);
    let against_base: &[&str] = if has_base { &["against base", "quartiles"] } else { &[] };
    let columns = [COLUMNS.as_slice(), &["p50 µs", "p99 µs", "RSS MiB"], against_base].concat();
    let mut table = Table::new(work.title, about, &columns);
    for (row, own) in work.rows.iter().zip(&taken) {
        let mut cells = own.cells(&row.label, &taken[0]);
        cells.push(format!("{:.0}", median(&own.middle)));
        cells.push(format!("{:.0}", median(&own.slow)));
        cells.push(format!("{:.1}", machine::memory(&row.proxy.processes()) / 1024.0));
        if let Some(base) = base_of(&work.rows, row) {
            let ratio = Quartiles::of_ratios(&own.cpu, &taken[base].cpu);
            cells.extend([format!("{:.3}", ratio.median), ratio.spread(3)]);
        }
        table.rows.push(cells);
    }
    table
}

/// Where the gateway's base is at a row's work.
fn base_of(rows: &[Row<'_>], of: &Row<'_>) -> Option<usize> {
    let name = of.label.strip_prefix(Kind::Gateway.name())?;
    rows.iter().position(|row| row.label.strip_prefix(Kind::Base.name()) == Some(name))
}

/// Seconds, and seconds of the proxy's CPU; every request must succeed.
pub(super) fn saturate(row: &Row<'_>, requests: usize) -> (f64, f64) {
    let done = saturate_all(row, requests);
    assert!(done.failures.is_empty(), "{}: {} failed: {}", row.label, done.failures.len(), done.failures[0]);
    (done.seconds, done.cpu)
}

/// The same, whatever fails.
pub(super) fn saturate_all(row: &Row<'_>, requests: usize) -> Closed {
    closed(&row.plan, requests, &row.proxy.processes())
}

/// Every row once a round, in turning order, so that nobody always follows the same one.
pub(super) fn in_rounds(rounds: usize, rows: usize, mut each: impl FnMut(usize)) {
    for round in 0..rounds {
        if std::io::stderr().is_terminal() {
            eprint!("\r  round {} of {rounds} ", round + 1);
            let _ = std::io::stderr().flush();
        }
        for at in 0..rows {
            each((at + round) % rows);
        }
    }
    if std::io::stderr().is_terminal() {
        eprint!("\r                    \r");
    }
}

/// Two digits are enough of a rate.
fn round(rate: f64) -> f64 {
    let unit = 10_f64.powf(rate.log10().floor() - 1.0);
    (rate / unit).floor() * unit
}
