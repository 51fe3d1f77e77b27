//! One try, as it is counted with its upstream and told in a trace.

use super::Sending;
use super::attempt::Failed;
use crate::measure::nanoseconds;
use crate::upstream::Endpoint;
use gateway_core::clock::{lately, lately_after};
use gateway_core::instruments::{Protocol, Status, Verb, Words};
use gateway_core::trace::{Begun, Side, TRACEPARENT, Trace, Value};
use gateway_core::{Body, Error};
use http::{Request, Response, Version};
use std::time::Instant;

/// A try under way.
pub(super) struct Watch<'a> {
    sending: &'a Sending<'a>,
    verb: Verb,
    number: u32,
    began: Instant,
    span: Option<(&'a Trace, Begun)>,
}

impl<'a> Watch<'a> {
    /// A try begins: its service is told of the trace. None where nobody wants to know.
    pub(super) fn begin(sending: &'a Sending<'a>, request: &mut Request<Body>, number: u32) -> Option<Self> {
        if sending.trace.is_none() && sending.upstream.meter().is_none() {
            return None;
        }
        let began = lately();
        let span = sending.trace.and_then(|trace| Some((trace, trace.start(began)?)));
        if let Some(trace) = sending.trace {
            request.headers_mut().insert(TRACEPARENT, trace.field(span.as_ref().map(|(_, begun)| begun)));
        }
        Some(Self { sending, verb: Verb::of(request.method()), number, began, span })
    }

    /// The head of its answer is there, or there is none.
    pub(super) fn end(self, asked: Option<&Endpoint>, result: &Result<Box<Response<Body>>, Box<Failed>>) {
        let answer: Result<&Response<Body>, &Error> = match result {
            Ok(response) => Ok(response),
            Err(failed) => failed.answer.as_deref(),
        };
        let ended = lately_after(self.began);
        if let Some(meter) = self.sending.upstream.meter() {
            let (status, version) = match answer {
                Ok(response) => (Some(Status::of(response.status().as_u16())), response.version()),
                Err(error) => {
                    meter.errors.note(error.kind().token());
                    (None, Version::HTTP_11)
                }
            };
            let words = Words { verb: self.verb, protocol: Protocol::of(version), secure: false, status };
            meter.duration.record(words, nanoseconds(ended.saturating_duration_since(self.began)));
        }
        if let Some((trace, begun)) = self.span {
            let mut span = begun.end(self.verb.word(), Side::Client, ended);
            span.attributes = vec![
                ("http.request.method", self.verb.word().into()),
                ("gateway.upstream", Value::from(&self.sending.upstream.settings().name)),
            ];
            if let Some(endpoint) = asked {
                let (host, port) = endpoint.host_and_port();
                span.attributes.extend([("server.address", host.to_owned().into()), ("server.port", port.into())]);
            }
            if self.number > 0 {
                span.attributes.push(("http.request.resend_count", Value::Number(self.number.into())));
            }
            match answer {
                Ok(response) => {
                    let status = response.status().as_u16();
                    span.attributes.push(("http.response.status_code", status.into()));
                    span.failure = (status >= 400).then(|| status.to_string().into());
                }
                Err(error) => span.failure = Some(error.kind().token().into()),
            }
            trace.record(span);
        }
    }
}
