//! Two workers on all cores against one worker on one core: whether more cores cost more for each request.

use super::work::{COLUMNS, Row, Taken, in_rounds, saturate};
use super::{Bench, GATEWAYS, KIBIBYTE};
use crate::load::Ask;
use crate::machine::{self, Cores};
use crate::peers;
use crate::peers::gateway::Configured;
use crate::report::Table;
use crate::service::{self, Sending};

const REQUESTS: usize = 16_000;

pub(super) fn measure(bench: &Bench) -> Vec<Table> {
    let everywhere = service::start(Cores::All, Sending::Unpaced).unwrap();
    let one = bench.start(&GATEWAYS, &Configured::plain(bench.upstream));
    let workers = machine::count();
    let all = Configured::plain(everywhere).threads(workers);
    let kinds = GATEWAYS.into_iter().filter(|kind| bench.installed.contains(kind));
    let all: Vec<_> = kinds.map(|kind| peers::start(kind, everywhere, &all)).collect();
    let ask = Ask::get("/plain", KIBIBYTE);
    let first = one.iter().map(|proxy| Row::new(format!("{}, 1 worker", proxy.kind), proxy, &ask));
    let second = all.iter().map(|proxy| {
        let mut row = Row::new(format!("{}, {workers} workers", proxy.kind), proxy, &ask);
        row.plan.cores = Cores::All;
        row
    });
    let rows: Vec<_> = first.chain(second).collect();
    let mut taken: Vec<Taken> = rows.iter().map(|_| Taken::default()).collect();
    for row in &rows {
        saturate(row, REQUESTS / 2);
    }
    in_rounds(bench.rounds, rows.len(), |at| {
        let (seconds, cpu) = saturate(&rows[at], REQUESTS);
        taken[at].add(REQUESTS, seconds, cpu);
    });
    let about = format!(
        "{REQUESTS} requests a round, answers of 1 KiB. One worker has the last core for itself; {workers} workers share all cores \
         with load and upstream, so that only the CPU for each request compares, not the throughput."
    );
    let mut table = Table::new(format!("{workers} workers on {workers} cores, against one on one"), about, &COLUMNS);
    table.rows = rows.iter().zip(&taken).map(|(row, own)| own.cells(&row.label, &taken[0])).collect();
    vec![table]
}
