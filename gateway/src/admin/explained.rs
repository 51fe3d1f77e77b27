//! `POST /explain`: what `gateway explain` says, of the generation that serves.

use super::reply::{Problem, Reply, json, read};
use crate::explain::{Question, explain};
use crate::server::Running;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    method: String,
    url: String,
    /// By name.
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

pub(super) fn answer(running: &Running, body: &[u8]) -> Result<Reply, Problem> {
    let asked: Asked = read(body)?;
    let fields = asked.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let question =
        Question::new(&asked.method, &asked.url, fields).map_err(|error| Problem::bad(format!("{error:#}")))?;
    let current = Arc::clone(&running.current.lock());
    Ok(json(&explain(&current, &question, &asked.url)))
}
