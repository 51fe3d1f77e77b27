//! What is answered.

use super::Mock;
use plugin_sdk::testing::Exchange;
use serde_json::{Value, json};

#[test]
fn one_answer_for_everything() {
    let outcome = Exchange::get("/orders/17").param("id", "a\"b").run::<Mock>(json!({
        "status": 201,
        "headers": { "location": "/orders/${param.id}", "x-absent": "${header.absent}" },
        "body": { "id": "${param.id}", "items": [1, "two"], "from": "${client}" },
    }));
    assert_eq!((outcome.reached_service, outcome.response.status), (false, 201));
    assert_eq!(outcome.response_header("content-type").as_deref(), Some("application/json"));
    assert_eq!(outcome.response_header("location").as_deref(), Some("/orders/a\"b"));
    assert_eq!(outcome.response_header("x-absent"), None);
    let config = json!({ "headers": { "x-a": "${query.x}" } });
    let outcome = Exchange::get("/?x=%0d%0ax-b:1").run::<Mock>(config);
    assert_eq!((outcome.response.status, outcome.response_header("x-a")), (200, None));
    let outcome = Exchange::get("/orders/17").param("id", "a\"b").run::<Mock>(json!({
        "body": { "id": "${param.id}", "items": [1, "two"], "from": "${client}" },
    }));
    let body: Value = outcome.response.body_json().unwrap();
    assert_eq!(body, json!({ "id": "a\"b", "items": [1, "two"], "from": "192.0.2.1" }));
}

#[test]
fn the_first_case_that_holds_answers() {
    let config = json!({ "cases": [
        { "when": "params.id == '0'", "status": 404, "body": { "error": "none" } },
        { "when": "request.method == 'GET'", "headers": { "content-type": "text/csv" }, "body": "id\n${param.id}" },
    ] });
    let get = |id: &str| Exchange::get("/").param("id", id).run::<Mock>(config.clone());
    assert_eq!(get("0").response.status, 404);
    let found = get("3");
    assert_eq!((found.response.status, found.response.body.as_slice()), (200, b"id\n3".as_slice()));
    assert_eq!(found.response_header("content-type").as_deref(), Some("text/csv"));
}

#[test]
fn a_bad_configuration_is_named() {
    for (config, message) in [
        (json!({ "cases": [] }), "`cases` is empty: there would be no answer"),
        (json!({ "cases": [{}], "status": 200 }), "with `cases`, each case says its answer itself"),
        (json!({ "status": 99 }), "`status` of case 1 is from 200 to 599"),
        (json!({ "cases": [{}, { "body": "${x}" }] }), "`body` of case 2: `${x}` stands for nothing; "),
        (json!({ "cases": [{ "when": "x" }] }), "`cases[0].when`: `x` in `x` means nothing; "),
    ] {
        let error = Exchange::get("/").try_run::<Mock>(config).unwrap_err();
        assert!(error.starts_with(message), "{error}");
    }
}
