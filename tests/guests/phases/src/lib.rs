//! Exports every phase, and tells in `x-ran` of the response which ran. What else happens is in `x-phases` of the request: the words
//! `request-body` and `response-body` await these bodies, `respond` is answered with 418.

use plugin_sdk::{BodyFlow, Flow, Plugin, Response, Result, Summary, attribute, metrics, request, response};

/// The phases that ran so far.
const RAN: &str = "ran";

#[derive(Default)]
struct Phases;

#[plugin_sdk::plugin]
impl Plugin for Phases {
    fn on_request(&self) -> Result<Flow> {
        ran("on-request")?;
        if told("respond") {
            return Ok(Response::new(418).header("x-from", "phases").into());
        }
        Ok(awaits("request-body"))
    }

    fn on_request_body(&self, body: Vec<u8>) -> Result<BodyFlow> {
        ran("on-request-body")?;
        Ok(BodyFlow::Replace([b"seen: ", body.as_slice()].concat()))
    }

    fn handle(&self, body: Vec<u8>) -> Result<Response> {
        ran("handle")?;
        Ok(Response::new(200).header("content-type", "text/plain").body(body))
    }

    fn on_response(&self) -> Result<Flow> {
        response::set_header("x-ran", ran("on-response")?)?;
        Ok(awaits("response-body"))
    }

    fn on_response_body(&self, body: Vec<u8>) -> Result<BodyFlow> {
        Ok(BodyFlow::Replace([body.as_slice(), b" and seen"].concat()))
    }

    fn on_complete(&self, summary: Summary) {
        metrics::count(&format!("completed-{}", summary.status), 1);
    }
}

/// Notes a phase, and gives all so far.
fn ran(phase: &str) -> Result<String> {
    let before = attribute::get(RAN);
    let ran = before.map_or_else(|| phase.to_owned(), |before| format!("{before} {phase}"));
    attribute::set(RAN, &ran)?;
    Ok(ran)
}

fn told(word: &str) -> bool {
    request::header("x-phases").is_some_and(|words| words.split(' ').any(|told| told == word))
}

fn awaits(body: &str) -> Flow {
    if told(body) { Flow::AwaitBody } else { Flow::Next }
}
