//! One answer of three calls: how long the client waits for it, against one call and against its own three.

use super::work::in_rounds;
use super::{Bench, GATEWAYS, LOAD};
use crate::load::{Ask, Plan, in_turn};
use crate::peers::gateway::Configured;
use crate::report::Table;
use crate::statistics::{Quartiles, median};
use gateway_tests::Client;

/// Answers of a row in a round.
const TIMES: usize = 100;

pub(super) fn measure(bench: &Bench) -> Vec<Table> {
    let proxies = bench.start(&GATEWAYS, &Configured::aggregate(bench.upstream));
    let mut rows = Vec::new();
    for proxy in &proxies {
        let length = |path| {
            let answer = Client::connect(proxy.address).get(path);
            assert_eq!(answer.status, 200, "{path}");
            (answer.body.len() as u64, String::from_utf8_lossy(&answer.body).into_owned())
        };
        let (slow, one) = length("/item/slow");
        let (merged, three) = length("/aggregate");
        assert_eq!(three.matches(one.trim()).count(), 3, "not three parts: {three}");
        let plan =
            |path, answer| Plan { address: proxy.address, ask: Ask::get(path, answer), connections: 1, cores: LOAD };
        rows.push((format!("{}, one call", proxy.kind), plan("/item/slow", slow), 1));
        rows.push((format!("{}, three calls by aggregate", proxy.kind), plan("/aggregate", merged), 1));
        rows.push((format!("{}, three calls by the client in turn", proxy.kind), plan("/item/slow", slow), 3));
    }
    let mut taken: Vec<Vec<f64>> = vec![Vec::new(); rows.len()];
    in_rounds(bench.rounds, rows.len(), |at| {
        let (_, plan, requests) = &rows[at];
        taken[at].push(median(&in_turn(plan, *requests, TIMES)) / 1000.0);
    });
    let mut table = Table::new(
        "Three calls of 2 ms in one answer, against one such call",
        format!("Medians of {TIMES} answers a round, on one connection, in ms."),
        &["", "ms", "quartiles", "ratio", "quartiles"],
    );
    for ((label, ..), own) in rows.iter().zip(&taken) {
        let (time, ratio) = (Quartiles::of(own), Quartiles::of_ratios(own, &taken[0]));
        table.rows.push(vec![
            label.clone(),
            format!("{:.3}", time.median),
            time.spread(3),
            format!("{:.3}", ratio.median),
            ratio.spread(3),
        ]);
    }
    vec![table]
}
