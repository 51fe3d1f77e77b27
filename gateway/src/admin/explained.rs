//! `POST /explain`: what `gateway explain` says, of the generation that serves.

use super::reply::{Problem, Reply, json, read};
use crate::explain::{Explanation, Question, explain};
use crate::server::Running;
use serde::{Deserialize, Serialize};
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

#[derive(Serialize)]
struct Answer {
    /// Why no request is like this; the gateway answers what comes close to it with 400.
    unusable: Option<String>,
    #[serde(flatten)]
    explanation: Explanation,
}

pub(super) fn answer(running: &Running, body: &[u8]) -> Result<Reply, Problem> {
    let asked: Asked = read(body)?;
    let fields = asked.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let current = Arc::clone(&running.current.lock());
    Ok(json(&match Question::new(&asked.method, &asked.url, fields) {
        Ok(question) => Answer { unusable: None, explanation: explain(&current, &question, &asked.url) },
        Err(error) => Answer {
            unusable: Some(format!("{error:#}")),
            explanation: Explanation { method: asked.method, url: asked.url, listeners: Vec::new() },
        },
    }))
}
