//! Answers with what several services give: fetched in parallel, one after the other where one needs another, and merged.

mod part;
mod pick;
mod plan;
mod text;

use part::{Missing, Part, Written};
use plugin_sdk::fetch::{self, Request};
use plugin_sdk::{Field, Plugin, Response, Result, request};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use text::{Answers, Pattern, Reference};

/// Parts of one answer.
const PARTS: usize = 32;

/// As many calls as the gateway makes at once.
const AT_ONCE: usize = 32;

/// What may be written as `config`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    parts: BTreeMap<String, Written>,
    #[serde(default)]
    forward: Vec<String>,
    #[serde(default)]
    cookies: Vec<String>,
    response: Option<Value>,
}

struct Aggregate {
    parts: Vec<Part>,
    waves: Vec<Vec<usize>>,
    forward: Vec<String>,
    cookies: Vec<String>,
    response: Option<Pattern>,
}

#[plugin_sdk::plugin]
impl Plugin for Aggregate {
    type Config = Config;

    fn configure(config: Config) -> Result<Self, String> {
        let Config { parts: written, forward, cookies, response } = config;
        if written.is_empty() || written.len() > PARTS {
            return Err(format!("`parts` has {} parts; 1 to {PARTS} can be merged", written.len()));
        }
        if let Some(bad) = written.keys().find(|name| name.contains(['.', '{', '}']) || *name == "each") {
            return Err(format!("`parts`: a part cannot be called `{bad}`"));
        }
        let names: Vec<String> = written.keys().cloned().collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let parts = written.into_iter().map(|(name, written)| Part::parse(name, written, &names));
        let parts: Vec<Part> = parts.collect::<Result<_, _>>()?;
        let response = response.map(|response| Pattern::parse(&response, &names)).transpose();
        let response = response.map_err(|error| format!("`response`: {error}"))?;
        let has_item = |pattern: &Pattern| pattern.references().iter().any(|one| matches!(one, Reference::Item(_)));
        if response.as_ref().is_some_and(has_item) {
            return Err("`response`: `{each}` stands for nothing here".to_owned());
        }
        let waves = plan::waves(&parts).map_err(|error| format!("`parts`: {error}"))?;
        Ok(Self { parts, waves, forward, cookies, response })
    }

    fn handle(&self, _body: Vec<u8>) -> Result<Response> {
        let forwarded = self.forwarded();
        let mut answers = Answers::new();
        let mut outcome = Outcome::default();
        for wave in &self.waves {
            if let Some(failure) = self.ask(wave, &forwarded, &mut answers, &mut outcome) {
                return Ok(failure);
            }
        }
        Ok(outcome.answer(&self.merge(answers)))
    }
}

/// What comes of the parts beside their values.
#[derive(Default)]
struct Outcome {
    degraded: Vec<String>,
    kept: Vec<Field>,
    /// Calls that were made, and their answers: for the same thing nobody is asked twice.
    known: Vec<(Request, Result<Response>)>,
}

impl Aggregate {
    /// Asks the parts of one wave. Gives an answer where one that must be there is missing.
    fn ask(
        &self,
        wave: &[usize],
        forwarded: &[Field],
        answers: &mut Answers,
        outcome: &mut Outcome,
    ) -> Option<Response> {
        let parts: Vec<&Part> = wave.iter().filter_map(|position| self.parts.get(*position)).collect();
        let calls: Vec<_> = parts.iter().map(|part| part.calls(answers, forwarded)).collect();
        outcome.fetch(calls.iter().flat_map(|calls| &calls.requests).flatten());
        for (part, calls) in parts.into_iter().zip(calls) {
            let values = calls.requests.iter().map(|request| match request {
                Ok(request) => outcome.known(request).map_or_else(
                    || Err("it was not asked".to_owned()),
                    |answer| part.value(answer).map(|value| (value, part.kept(answer))),
                ),
                Err(reason) => Err(reason.clone()),
            });
            let values: Vec<_> = values.collect();
            let mut list = Vec::with_capacity(values.len());
            for value in values {
                match (value, &part.missing) {
                    (Ok((value, kept)), _) => {
                        outcome.kept.extend(kept);
                        list.push(value);
                    }
                    (Err(reason), missing) => {
                        plugin_sdk::warn!("the part `{}` is missing: {reason}", part.name);
                        match missing {
                            // The reason may name addresses, which the client must not learn; the log has it.
                            Missing::Fail => {
                                return Some(Response::problem(502, &format!("The part `{}` is missing.", part.name)));
                            }
                            Missing::Default(value) => list.push(value.clone()),
                        }
                        outcome.degrade(&part.name);
                    }
                }
            }
            let value = if calls.is_list { Value::Array(list) } else { list.pop().unwrap_or_default() };
            answers.insert(part.name.clone(), value);
        }
        None
    }

    /// The fields of the request that every part gets.
    fn forwarded(&self) -> Vec<Field> {
        let mut fields: Vec<Field> = self
            .forward
            .iter()
            .filter_map(|name| {
                Some(Field { name: name.to_ascii_lowercase(), value: request::header(name)?.into_bytes() })
            })
            .collect();
        if !self.cookies.is_empty()
            && let Some(cookies) = request::header("cookie")
        {
            let chosen = cookies.split(';').map(str::trim).filter(|pair| {
                pair.split_once('=').is_some_and(|(name, _)| self.cookies.iter().any(|chosen| chosen == name))
            });
            let chosen: Vec<&str> = chosen.collect();
            if !chosen.is_empty() {
                fields.push(Field { name: "cookie".to_owned(), value: chosen.join("; ").into_bytes() });
            }
        }
        fields
    }

    fn merge(&self, answers: Answers) -> Value {
        match &self.response {
            Some(pattern) => pattern.fill(&answers, None),
            None => Value::Object(answers.into_iter().collect::<Map<_, _>>()),
        }
    }
}

impl Part {
    /// The fields of an answer that the client gets.
    fn kept(&self, answer: &Result<Response>) -> Vec<Field> {
        let Ok(answer) = answer else { return Vec::new() };
        let fields = answer.headers.iter().filter(|field| self.keep.contains(&field.name.to_ascii_lowercase()));
        fields.cloned().collect()
    }
}

impl Outcome {
    /// Makes the calls that were not made yet.
    fn fetch<'r>(&mut self, requests: impl Iterator<Item = &'r Request>) {
        let mut new: Vec<Request> = Vec::new();
        for request in requests {
            if self.known(request).is_none() && !new.contains(request) {
                new.push(request.clone());
            }
        }
        for some in new.chunks(AT_ONCE) {
            self.known.extend(some.iter().cloned().zip(fetch::all(some)));
        }
    }

    fn known(&self, request: &Request) -> Option<&Result<Response>> {
        self.known.iter().find(|(known, _)| known == request).map(|(_, answer)| answer)
    }

    fn degrade(&mut self, name: &str) {
        if self.degraded.iter().all(|known| known != name) {
            self.degraded.push(name.to_owned());
        }
    }

    fn answer(self, body: &Value) -> Response {
        let mut response = Response::new(200).header("content-type", "application/json").body(body.to_string());
        response.headers.extend(self.kept);
        if self.degraded.is_empty() {
            return response;
        }
        response.headers.retain(|field| !field.name.eq_ignore_ascii_case("cache-control"));
        response.header("x-degraded", self.degraded.join(", ")).header("cache-control", "no-store")
    }
}

#[cfg(test)]
mod tests;
