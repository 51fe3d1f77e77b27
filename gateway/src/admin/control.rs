//! What may be asked of the running gateway: endpoints out and in, what is logged, reload, roll back.

use super::reply::{Problem, Reply, json, read};
use crate::reload::{Order, Outcome};
use crate::server::Running;
use gateway_proxy::upstream::Undrained;
use http::StatusCode;
use regex::Regex;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// `warn,gateway_proxy=debug`
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Level {
    filter: String,
}

/// Levels, each for everything or for what a module says. The description has the same.
const FILTER: &str =
    "^([a-z_:]+=)?(off|error|warn|info|debug|trace)(,([a-z_:]+=)?(off|error|warn|info|debug|trace)){0,20}$";

#[derive(Serialize)]
struct Reloaded {
    /// `changed`: another generation serves; `unchanged`: the files say what serves already.
    outcome: &'static str,
    generation: u64,
}

#[derive(Serialize)]
struct Drained<'a> {
    upstream: &'a str,
    endpoint: &'a str,
    state: &'static str,
}

/// Takes an endpoint out, or back in.
pub(super) fn drain(running: &Running, upstream: &str, endpoint: &str, out: bool) -> Result<Reply, Problem> {
    let current = Arc::clone(&running.current.lock());
    let known = current.snapshot.upstreams.get(upstream);
    let known = known.ok_or_else(|| Problem::absent(format!("there is no upstream `{upstream}`")))?;
    match known.set_drained(endpoint, out) {
        Ok(()) => {
            tracing::warn!(upstream, endpoint, "{}", if out { "taken out" } else { "put back in" });
            let status = known.status().endpoints.into_iter().find(|known| known.endpoint == endpoint);
            Ok(json(&Drained { upstream, endpoint, state: status.map_or("gone", |status| status.state) }))
        }
        Err(Undrained::Unknown) => {
            Err(Problem::absent(format!("upstream `{upstream}` has no endpoint `{endpoint}`; `/upstreams` names them")))
        }
        Err(Undrained::Last) => Err(Problem::new(
            StatusCode::CONFLICT,
            format!("no other endpoint of upstream `{upstream}` would be left; add one, or take the route away"),
        )),
    }
}

/// What is logged.
pub(super) fn level(running: &Running) -> Reply {
    json(&Level { filter: running.log.filter() })
}

/// Logs something else from now on, until the process ends.
pub(super) fn set_level(running: &Running, body: &[u8]) -> Result<Reply, Problem> {
    let Level { filter } = read(body)?;
    let fault = || Problem::bad("a filter is `info`, or `warn,gateway_proxy=debug`");
    if !Regex::new(FILTER).is_ok_and(|form| form.is_match(&filter)) {
        return Err(fault());
    }
    running.log.set_filter(&filter).map_err(|_| fault())?;
    tracing::info!(filter, "what is logged has changed");
    Ok(level(running))
}

/// Reads the files now.
pub(super) async fn reload(running: &Running) -> Result<Reply, Problem> {
    ordered(running, Order::Reload).await
}

/// Serves what was served before.
pub(super) async fn roll_back(running: &Running) -> Result<Reply, Problem> {
    ordered(running, Order::RollBack).await
}

async fn ordered(running: &Running, order: Order) -> Result<Reply, Problem> {
    let done = |outcome| Ok(json(&Reloaded { outcome, generation: running.current.lock().snapshot.generation }));
    match running.orders.give(order).await {
        Some(Outcome::Changed) => done("changed"),
        Some(Outcome::Unchanged) => done("unchanged"),
        Some(Outcome::Refused) => {
            let status = running.status.lock().clone();
            let problem = Problem::new(StatusCode::CONFLICT, "it cannot be used; what served before goes on");
            Err(problem.with(&status.problems))
        }
        Some(Outcome::NothingBefore) => Err(Problem::new(
            StatusCode::CONFLICT,
            "there is nothing to go back to: nothing has changed since the start, or since the last time",
        )),
        None => Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "several others wait for the same")),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_description_has_the_form_of_a_filter() {
        let openapi: serde_json::Value = serde_json::from_str(include_str!("openapi.json")).unwrap();
        assert_eq!(openapi["components"]["schemas"]["LevelWanted"]["properties"]["filter"]["pattern"], super::FILTER);
    }
}
