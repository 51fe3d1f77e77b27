//! The harness plays an exchange as the gateway does.

use crate::attribute::Attribute;
use crate::testing::Exchange;
use crate::{BodyFlow, Flow, Plugin, Response, Result, fetch, kv, request, response};
use serde_json::json;
use std::cell::Cell;
use std::time::Duration;

const SEEN: Attribute<Vec<u32>> = Attribute::new("seen");

#[derive(Default)]
struct Recorder {
    remembered: Cell<u32>,
}

#[plugin_sdk::plugin]
impl Plugin for Recorder {
    fn on_request(&self) -> Result<Flow> {
        self.remembered.set(1);
        SEEN.set(&vec![1, 2])?;
        request::set_header("X-Seen", "yes")?;
        Ok(if request::path() == "/body" { Flow::AwaitBody } else { Flow::Next })
    }

    fn on_request_body(&self, body: Vec<u8>) -> Result<BodyFlow> {
        Ok(BodyFlow::Replace([body, b"!".to_vec()].concat()))
    }

    fn on_response(&self) -> Result<Flow> {
        response::set_header("x-remembered", self.remembered.get().to_string())?;
        response::set_header("x-attribute", format!("{:?}", SEEN.get()?))?;
        response::set_header("x-late", request::set_path("/").unwrap_err().to_string())?;
        Ok(Flow::Next)
    }
}

#[test]
fn phases_share_attributes_and_no_memory() {
    let outcome = Exchange::get("/").run::<Recorder>(json!({}));
    assert!(outcome.reached_service);
    assert_eq!(outcome.request_header("x-seen").as_deref(), Some("yes"));
    assert_eq!(outcome.response_header("x-remembered").as_deref(), Some("0"));
    assert_eq!(outcome.response_header("x-attribute").as_deref(), Some("Some([1, 2])"));
    assert_eq!(outcome.response_header("x-late").as_deref(), Some("there is no such thing in this phase"));
}

#[test]
fn a_body_phase_follows_await_body() {
    let outcome = Exchange::post("/body").body("hi").run::<Recorder>(json!({}));
    assert_eq!(outcome.request_body, b"hi!");
}

#[test]
fn a_plugin_without_configuration_takes_none() {
    let error = Exchange::get("/").try_run::<Recorder>(json!({ "a": 1 })).unwrap_err();
    assert_eq!(error, "`a`: unknown field `a`, there are no fields");
}

#[derive(Default)]
struct Answer;

#[plugin_sdk::plugin]
impl Plugin for Answer {
    fn handle(&self, _body: Vec<u8>) -> Result<Response> {
        let hits = kv::increment("hits", 1, Some(Duration::from_secs(1)))?;
        let part = fetch::Request::get("upstream://a/").send()?;
        Ok(Response::text(part.status, hits.to_string()))
    }
}

#[test]
fn an_answering_plugin_stands_in_the_services_place() {
    let exchange = || Exchange::get("/").fetch("upstream://a/", Response::new(203)).capability("http");
    let first = exchange().run::<Answer>(json!({}));
    assert!(!first.reached_service);
    assert_eq!((first.response.status, first.response.body.as_slice()), (203, b"1".as_slice()));
    let second = exchange().after(&first).run::<Answer>(json!({}));
    assert_eq!(second.response.body, b"2");
    let third = exchange().after(&second).later(Duration::from_secs(2)).run::<Answer>(json!({}));
    assert_eq!(third.response.body, b"1");
}

#[test]
fn what_is_not_asked_is_denied() {
    let error = Exchange::get("/").try_run::<Answer>(json!({})).unwrap_err();
    assert_eq!(error, "handle failed: `http` is not among the `capabilities` of plugin.toml");
}

#[derive(Default)]
struct Bad;

#[plugin_sdk::plugin]
impl Plugin for Bad {
    fn on_request(&self) -> Result<Flow> {
        for (name, value) in [("content-length", "1"), ("a b", "1"), ("x", "a\r\nb: c")] {
            request::set_header(name, value).unwrap_err();
        }
        Ok(Flow::Next)
    }
}

#[test]
fn bad_fields_are_refused() {
    assert!(Exchange::get("/").run::<Bad>(json!({})).reached_service);
}
