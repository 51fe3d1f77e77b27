//! Fetches what the lines of `x-fetch` name, all at once, and answers with each status and body, or the error. `x-timeout` is in
//! milliseconds. In a chain it answers in the place of the service; as an `answer` it is the service.

use plugin_sdk::fetch::{self, Request};
use plugin_sdk::{Flow, Plugin, Response, Result, request};
use serde_json::{Value, json};
use std::time::Duration;

#[derive(Default)]
struct Fetch;

#[plugin_sdk::plugin]
impl Plugin for Fetch {
    fn on_request(&self) -> Result<Flow> {
        Ok(if request::header("x-fetch").is_some() { answer()?.into() } else { Flow::Next })
    }

    fn handle(&self, _body: Vec<u8>) -> Result<Response> {
        answer()
    }
}

fn answer() -> Result<Response> {
    let timeout = request::header("x-timeout").and_then(|text| text.parse().ok()).map(Duration::from_millis);
    let lines = request::header_values("x-fetch").into_iter().filter_map(|line| String::from_utf8(line).ok());
    let requests: Vec<Request> = lines
        .map(|url| {
            let request = Request::get(url);
            timeout.map_or(request.clone(), |timeout| request.timeout(timeout))
        })
        .collect();
    let answers: Vec<Value> = fetch::all(&requests).into_iter().map(describe).collect();
    Response::json(200, &answers)
}

fn describe(answer: Result<Response>) -> Value {
    match answer {
        Ok(answer) => json!({ "status": answer.status, "body": String::from_utf8_lossy(&answer.body) }),
        Err(error) => json!({ "error": error.to_string() }),
    }
}
