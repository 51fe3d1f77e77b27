//! What is asked, merged and left out.

use super::Aggregate;
use plugin_sdk::Response;
use plugin_sdk::testing::{Exchange, Outcome};
use serde_json::{Value, json};

fn ok(value: Value) -> Response {
    Response::json(200, &value).unwrap()
}

fn body(outcome: &Outcome) -> Value {
    outcome.response.body_json().unwrap()
}

fn shop() -> Value {
    json!({ "forward": ["authorization"], "parts": {
        "item": { "url": "upstream://catalogue/items/{id}?x={id}", "pick": ["name", "price.amount", "none.at.all"] },
        "basket": { "url": "upstream://basket/", "timeout": "200 ms", "missing": { "default": { "items": [] } } },
        "orders": { "url": "upstream://orders/", "timeout": 50, "missing": "null", "pick": ["id"] },
    } })
}

fn home() -> Exchange {
    let item = json!({ "name": "cup", "price": { "amount": 5, "currency": "EUR" }, "stock": 3 });
    Exchange::get("/home/a%2Fb")
        .param("id", "a/b")
        .fetch("upstream://catalogue/items/a%2Fb?x=a%2Fb", ok(item))
        .fetch("upstream://orders/", ok(json!([{ "id": 1, "x": 1 }, { "id": 2 }])))
}

#[test]
fn parts_are_picked_and_merged() {
    let exchange = home().header("authorization", "a").header("cookie", "b");
    let outcome = exchange.fetch("upstream://basket/", ok(json!({ "items": [1] }))).run::<Aggregate>(shop());
    assert_eq!(outcome.response.status, 200);
    let item = json!({ "name": "cup", "price": { "amount": 5 } });
    assert_eq!(
        body(&outcome),
        json!({ "item": item, "basket": { "items": [1] }, "orders": [{ "id": 1 }, { "id": 2 }] })
    );
    assert_eq!(outcome.response_header("x-degraded"), None);
    for call in outcome.fetches() {
        let names: Vec<_> = call.headers().iter().map(|field| field.name.as_str()).collect();
        assert_eq!(names, ["accept", "authorization"]);
    }
}

#[test]
fn a_missing_part_is_named_and_replaced() {
    let outcome = home().fetch_fails("upstream://basket/", "it took too long").run::<Aggregate>(shop());
    assert_eq!(outcome.response.status, 200);
    assert_eq!(body(&outcome)["basket"], json!({ "items": [] }));
    assert_eq!(outcome.response_header("x-degraded").as_deref(), Some("basket"));
    assert_eq!(outcome.response_header("cache-control").as_deref(), Some("no-store"));
}

#[test]
fn an_answer_that_is_no_success_or_no_json_is_missing() {
    for answer in [Response::new(500), Response::new(304), Response::text(200, "<html>")] {
        let config = json!({ "parts": { "a": { "url": "upstream://a/", "missing": "null" } } });
        let outcome = Exchange::get("/").fetch("upstream://a/", answer).run::<Aggregate>(config);
        assert_eq!(body(&outcome), json!({ "a": null }));
    }
}

#[test]
fn without_a_part_that_must_be_there_there_is_no_answer() {
    let config = json!({ "parts": { "a": { "url": "upstream://a/" } } });
    let outcome = Exchange::get("/").fetch("upstream://a/", Response::new(404)).run::<Aggregate>(config);
    assert_eq!(outcome.response.status, 502);
    assert_eq!(outcome.logs()[0].1, "the part `a` is missing: its service answered 404");
    assert_eq!(body(&outcome)["detail"], "The part `a` is missing.");
}

#[test]
fn a_mistake_is_named() {
    let part = |part: Value| json!({ "parts": { "a": part } });
    for (config, message) in [
        (json!({ "parts": {} }), "`parts` has 0 parts"),
        (part(json!({ "url": "a" })), "`parts.a`: the url `a` does not begin with"),
        (part(json!({ "url": "upstream://a/{id" })), "`parts.a`: the url `upstream://a/{id` has a `{` without `}`"),
        (part(json!({ "url": "upstream://a/", "timeout": "2 h" })), "`parts.a`: the timeout \"2 h\" is not as"),
        (part(json!({ "url": "upstream://a/", "missing": "nul" })), "`parts.a.missing"),
    ] {
        let error = Exchange::get("/").try_run::<Aggregate>(config).unwrap_err();
        assert!(error.starts_with(message), "{error}");
    }
}
