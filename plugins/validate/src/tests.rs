//! What fits and what does not.

use super::Validate;
use plugin_sdk::Response;
use plugin_sdk::testing::{Exchange, Outcome};
use serde_json::{Value, json};

fn order() -> Value {
    json!({
        "type": "object",
        "required": ["id", "items"],
        "additionalProperties": false,
        "properties": {
            "id": { "type": "integer", "minimum": 1 },
            "items": { "type": "array", "minItems": 1, "items": { "$ref": "#/$defs/item" } },
        },
        "$defs": { "item": { "type": "string", "maxLength": 3 } },
    })
}

fn post(config: Value, body: &str) -> Outcome {
    Exchange::post("/").header("content-type", "application/json").body(body).run::<Validate>(config)
}

#[test]
fn a_body_that_fits_goes_on_as_it_is() {
    let body = r#"{ "id": 1, "items": ["a"] }"#;
    for schema in [order(), Value::String(order().to_string())] {
        let outcome = post(json!({ "request": schema }), body);
        assert!(outcome.reached_service);
        assert_eq!(outcome.request_body, body.as_bytes());
    }
}

#[test]
fn a_body_that_does_not_is_refused_with_every_problem_and_no_value() {
    let outcome = post(json!({ "request": order() }), r#"{ "id": 0, "items": ["a", "secret"], "more": 1 }"#);
    assert_eq!((outcome.reached_service, outcome.response.status), (false, 400));
    let document: Value = outcome.response.body_json().unwrap();
    let errors = document["errors"].as_array().unwrap();
    let pointers: Vec<_> = errors.iter().map(|error| error["pointer"].as_str().unwrap()).collect();
    for pointer in ["#/id", "#/items/1", "#"] {
        assert!(pointers.contains(&pointer), "{document}");
    }
    assert!(!document.to_string().contains("secret"), "{document}");
    assert_eq!(outcome.metric("problems"), Some(1.0));
    assert_eq!(post(json!({ "request": order() }), "{").response.status, 400);
    assert_eq!(post(json!({ "request": order() }), "").response.status, 400);
}

#[test]
fn another_type_passes_unless_json_is_required() {
    let text =
        |config: Value| Exchange::post("/").header("content-type", "text/plain").body("x").run::<Validate>(config);
    assert!(text(json!({ "request": order() })).reached_service);
    assert_eq!(text(json!({ "request": order(), "required": true })).response.status, 415);
}

#[test]
fn a_services_answer_that_does_not_fit_is_not_passed_on() {
    let ask = |answer: Response| Exchange::get("/").service(answer).run::<Validate>(json!({ "response": order() }));
    let bad = ask(Response::json(200, &json!({ "id": "secret" })).unwrap());
    assert_eq!(bad.response.status, 502);
    assert!(!String::from_utf8_lossy(&bad.response.body).contains("secret"));
    assert!(bad.logs()[0].1.starts_with("the service's answer does not fit: `"), "{:?}", bad.logs());
    assert_eq!(ask(Response::json(200, &json!({ "id": 1, "items": ["a"] })).unwrap()).response.status, 200);
    assert_eq!(ask(Response::json(404, &json!({ "error": 1 })).unwrap()).response.status, 404);
}

#[test]
fn problems_may_only_be_told_of() {
    let config = json!({ "request": order(), "response": order(), "report-only": true, "required": true });
    let exchange = Exchange::post("/").header("content-type", "application/json").body("{}");
    let outcome = exchange.service(Response::json(200, &json!({})).unwrap()).run::<Validate>(config.clone());
    assert!(outcome.reached_service);
    assert_eq!((outcome.response.status, outcome.logs().len()), (200, 2));
    assert_eq!(outcome.metric("problems"), Some(2.0));
    assert!(Exchange::post("/").body("x").run::<Validate>(config).reached_service);
}

#[test]
fn a_bad_configuration_is_named() {
    for (config, message) in [
        (json!({}), "neither `request` nor `response` is there: nothing would be checked"),
        (json!({ "request": "{" }), "`request` is no JSON: "),
        (json!({ "response": { "type": 3 } }), "`response` is no JSON Schema: "),
        (json!({ "response": { "$ref": "https://example.com/schema" } }), "`response` is no JSON Schema: "),
    ] {
        let error = Exchange::get("/").try_run::<Validate>(config).unwrap_err();
        assert!(error.starts_with(message), "{error}");
    }
}

#[test]
fn a_part_cannot_be_checked() {
    let part = || Response::new(206).header("content-type", "application/json").body("{}");
    let exchange = || Exchange::get("/").header("range", "bytes=0-").service(part());
    let outcome = exchange().run::<Validate>(json!({ "response": order() }));
    assert_eq!((outcome.request_header("range"), outcome.response.status), (None, 502));
    let outcome = exchange().run::<Validate>(json!({ "response": order(), "report-only": true }));
    assert_eq!((outcome.request_header("range").as_deref(), outcome.response.status), (Some("bytes=0-"), 206));
}
