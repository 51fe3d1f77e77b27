//! Exports every phase, and says which ran: in `x-phases` of the request for the service, of the response for the client, and of
//! `on-complete` in the log. A request with `x-await: request`, `response` or both awaits these bodies; `x-respond` is a
//! status to refuse with.

use plugin_sdk::{BodyFlow, Flow, Plugin, Response, Result, Summary, attribute, request, response};

const RAN: &str = "ran";

#[derive(Default)]
struct Phases;

#[plugin_sdk::plugin]
impl Plugin for Phases {
    fn on_request(&self) -> Result<Flow> {
        request::set_header("x-phases", ran("on-request")?)?;
        if let Some(status) = request::header("x-respond").and_then(|status| status.parse().ok()) {
            return Ok(Response::problem(status, "the request asks for it").into());
        }
        Ok(awaits("request"))
    }

    fn on_request_body(&self, body: Vec<u8>) -> Result<BodyFlow> {
        request::set_header("x-phases", ran("on-request-body")?)?;
        Ok(BodyFlow::Replace([body.as_slice(), b"+request"].concat()))
    }

    fn handle(&self, body: Vec<u8>) -> Result<Response> {
        ran("handle")?;
        Ok(Response::new(200).header("content-type", "text/plain").body(body))
    }

    fn on_response(&self) -> Result<Flow> {
        response::set_header("x-phases", ran("on-response")?)?;
        Ok(awaits("response"))
    }

    fn on_response_body(&self, body: Vec<u8>) -> Result<BodyFlow> {
        response::set_header("x-phases", ran("on-response-body")?)?;
        Ok(BodyFlow::Replace([body.as_slice(), b"+response"].concat()))
    }

    fn on_complete(&self, summary: Summary) {
        let ran = attribute::get(RAN).unwrap_or_default();
        plugin_sdk::info!("{ran} on-complete status={} bytes={}", summary.status, summary.response_bytes);
    }
}

/// Notes a phase, and gives all so far.
fn ran(phase: &str) -> Result<String> {
    let before = attribute::get(RAN);
    let ran = before.map_or_else(|| phase.to_owned(), |before| format!("{before} {phase}"));
    attribute::set(RAN, &ran)?;
    Ok(ran)
}

fn awaits(body: &str) -> Flow {
    let wanted = request::header("x-await").is_some_and(|wanted| wanted.contains(body));
    if wanted { Flow::AwaitBody } else { Flow::Next }
}
