//! Tables: for the terminal as soon as they are there, and all of them as Markdown at the end.

use crate::machine;
use std::fs;
use std::path::Path;

/// What one scenario found.
pub(crate) struct Table {
    pub(crate) title: String,
    /// What was done, in a sentence or two.
    pub(crate) about: String,
    /// The first one names the rows.
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(title: impl Into<String>, about: impl Into<String>, columns: &[&str]) -> Self {
        let columns = columns.iter().map(|&column| column.to_owned()).collect();
        Self { title: title.into(), about: about.into(), columns, rows: Vec::new() }
    }

    pub(crate) fn print(&self) {
        println!("\n{}\n{}", self.title, self.about);
        for row in std::iter::once(&self.columns).chain(&self.rows) {
            println!("  {}", self.aligned(row).join("  "));
        }
    }

    fn markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let rule: String = self.columns.iter().skip(1).map(|_| "---:|").collect();
        let rows: String = self.rows.iter().map(|row| line(&self.aligned(row))).collect();
        format!("## {}\n\n{}\n\n{}|---|{rule}\n{rows}", self.title, self.about, line(&self.aligned(&self.columns)))
    }

    /// Names to the left, numbers to the right.
    fn aligned(&self, row: &[String]) -> Vec<String> {
        let width = |column: usize| {
            let cells = std::iter::once(&self.columns).chain(&self.rows).filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
        };
        let pad = |(column, cell): (usize, &String)| match column {
            0 => format!("{cell:<0$}", width(column)),
            _ => format!("{cell:>0$}", width(column)),
        };
        let empty = String::new();
        (0..self.columns.len()).map(|column| pad((column, row.get(column).unwrap_or(&empty)))).collect()
    }
}

/// How the numbers were found, in front of them.
const METHOD: &str = "\
Load and upstream are two threads of one process on the first core; each proxy has one worker on the last core. Both ends are
on the same machine, over loopback, with kept-alive connections. Every answer's status and length is checked. Rounds are
interleaved: each row has its turn in every round, in turning order, and ratios are of the same round. *CPU* is what the proxy's
processes used per request, user and system, by the scheduler's account; with quartiles over the rounds. *req/s* is at
saturation, *busy* the part of that time that the proxy had its core: where it is well below 100 %, load or upstream were the
limit. *p50* and *p99* are at the fixed rate that the table names, counted from when a request was due. *RSS* is after the load.
The service sends without pacing, as Linux does where it is not told otherwise, but in the table that says so: the timers that pace
would be the service's, and interrupt its reader only because both are on one machine.
Access logs are off. The peers set the same forwarding fields as the gateway does (`x-forwarded-for`, `-proto`, `-host`,
`x-request-id`); the bare hyper forwarder sets none and checks nothing: it is the floor.
The gateway is what `make release` makes, compiled by a profile of this load; the forwarder is compiled as any program, the peers are as
they are packaged.
";

/// Writes everything as one page.
pub(crate) fn write(path: &Path, rounds: usize, versions: &[String], left_out: &[String], tables: &[Table]) {
    let versions: String = versions.iter().map(|version| format!("- {version}\n")).collect();
    let left_out: String = left_out.iter().map(|name| format!("- {name}: not installed, left out\n")).collect();
    let tables: Vec<_> = tables.iter().map(Table::markdown).collect();
    let page = format!(
        "# Benchmarks\n\n<!-- Written by `make bench-peers` and `make bench BENCH_REPORT=gateway/docs/benchmarks.md`. -->\n\n{METHOD}\n{}, {rounds} rounds.\n\n{versions}{left_out}\n{}",
        machine::description(),
        tables.join("\n")
    );
    fs::write(path, page).unwrap();
    println!("\nwritten: {}", path.display());
}
