//! The order of events, each phase in an instance of its own.

use super::exchange::Exchange;
use super::outcome::Outcome;
use super::state::{Stage, with};
use crate::{BodyFlow, Flow, Plugin, Response, Result, Summary, config, sys};

pub(super) fn run<P: Plugin>(exchange: Exchange) -> Result<Outcome, String> {
    let Exchange { state, mut body, service } = exchange;
    with(|present| *present = state);
    P::configure(config::parse(&sys::config::get())?)?;

    let received = body.len() as u64;
    let refusal = request_phases::<P>(&mut body)?;
    let reached_service = refusal.is_none() && !writes::<P>("handle");
    let request = with(|state| {
        state.stage = Stage::Sent;
        state.request.clone()
    });
    let answer = match refusal {
        Some(response) => response,
        None if reached_service => service,
        None => phase::<P, _>("handle", |plugin| plugin.handle(body.clone()))?,
    };
    with(|state| {
        state.stage = Stage::Response;
        state.response = Some(answer);
    });
    response_phases::<P>()?;

    let response = with(|state| {
        state.stage = Stage::Complete;
        state.response.clone().unwrap_or_else(|| Response::new(200))
    });
    let sent = response.body.len() as u64;
    phase::<P, _>("on_complete", |plugin| {
        plugin.on_complete(Summary {
            status: response.status,
            duration: 1000,
            request_bytes: received,
            response_bytes: sent,
            error: None,
        });
        Ok(())
    })?;
    let state = with(std::mem::take);
    Ok(Outcome { response, reached_service, request, request_body: body, state })
}

/// What the request phases answered themselves. They may replace the body.
fn request_phases<P: Plugin>(body: &mut Vec<u8>) -> Result<Option<Response>, String> {
    match phase::<P, _>("on_request", P::on_request)? {
        Flow::Next => Ok(None),
        Flow::Respond(response) => Ok(Some(response)),
        Flow::AwaitBody => {
            let flow = awaited::<P>("on_request_body", |plugin| plugin.on_request_body(body.clone()))?;
            Ok(match flow {
                BodyFlow::Next => None,
                BodyFlow::Replace(replacement) => {
                    *body = replacement;
                    None
                }
                BodyFlow::Respond(response) => Some(response),
            })
        }
    }
}

fn response_phases<P: Plugin>() -> Result<(), String> {
    match phase::<P, _>("on_response", P::on_response)? {
        Flow::Next => {}
        Flow::Respond(response) => with(|state| state.response = Some(response)),
        Flow::AwaitBody => {
            let body = with(|state| state.response.as_ref().map(|response| response.body.clone())).unwrap_or_default();
            let flow = awaited::<P>("on_response_body", |plugin| plugin.on_response_body(body))?;
            with(|state| match (flow, &mut state.response) {
                (BodyFlow::Replace(body), Some(response)) => response.body = body,
                (BodyFlow::Respond(answer), response) => *response = Some(answer),
                _ => {}
            });
        }
    }
    Ok(())
}

fn awaited<P: Plugin>(name: &str, call: impl FnOnce(&P) -> Result<BodyFlow>) -> Result<BodyFlow, String> {
    if !writes::<P>(name) {
        return Err(format!("the plugin awaits a body and has no `{name}`"));
    }
    phase(name, call)
}

/// Calls a phase in a fresh instance.
fn phase<P: Plugin, T>(name: &str, call: impl FnOnce(&P) -> Result<T>) -> Result<T, String> {
    let plugin = P::configure(config::parse(&sys::config::get())?)?;
    call(&plugin).map_err(|error| format!("{name} failed: {error}"))
}

fn writes<P: Plugin>(phase: &str) -> bool {
    P::PHASES.contains(&phase)
}
