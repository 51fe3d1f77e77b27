//! What bodies become.

use super::Json;
use plugin_sdk::Response;
use plugin_sdk::testing::Exchange;
use serde_json::{Value, json};

fn answer(config: Value, body: &Value) -> Value {
    let service = Response::json(200, body).unwrap().header("etag", "\"1\"");
    let outcome = Exchange::get("/").service(service).run::<Json>(json!({ "response": config }));
    assert_eq!(outcome.response_header("etag"), None);
    outcome.response.body_json().unwrap()
}

#[test]
fn fields_are_picked_dropped_flattened_renamed_and_set() {
    let order = json!({
        "id": 1,
        "customer": { "name": "Ada", "address": { "city": "Bern", "zip": "3000" } },
        "items": [{ "sku": "a", "price": { "amount": 5, "currency": "CHF" } }, { "sku": "b", "price": null }],
        "internal": { "margin": 3 },
    });
    for (config, expected) in [
        (json!({ "pick": ["id", "customer.name"] }), json!({ "id": 1, "customer": { "name": "Ada" } })),
        (json!({ "pick": ["items.price.amount"] }), json!({ "items": [{ "price": { "amount": 5 } }, {}] })),
        (json!({ "pick": ["id"], "drop": ["id"] }), json!({})),
        (
            json!({ "drop": ["internal", "customer.address", "items.price", "none.at.all"] }),
            json!({ "id": 1, "customer": { "name": "Ada" }, "items": [{ "sku": "a" }, { "sku": "b" }] }),
        ),
        (
            json!({ "pick": ["customer", "items"], "flatten": ["customer.address", "items.price"], "rename": { "customer.name": "who", "items.price_amount": "amount" } }),
            json!({
                "customer": { "who": "Ada", "address_city": "Bern", "address_zip": "3000" },
                "items": [{ "sku": "a", "amount": 5, "price_currency": "CHF" }, { "sku": "b", "price": null }],
            }),
        ),
        (json!({ "root": "customer.address" }), json!({ "city": "Bern", "zip": "3000" })),
        (json!({ "root": "customer.none", "set": { "a": 1 } }), Value::Null),
        (json!({ "pick": ["id"], "set": { "kind": "order", "id": [2] } }), json!({ "id": [2], "kind": "order" })),
    ] {
        assert_eq!(answer(config.clone(), &order), expected, "{config}");
    }
    assert_eq!(answer(json!({ "pick": ["a"] }), &json!([{ "a": 1, "b": 2 }, 3])), json!([{ "a": 1 }, 3]));
}

#[test]
fn a_field_keeps_its_place_when_it_is_renamed() {
    let body = answer(json!({ "rename": { "b": "a" } }), &json!({ "a": 1, "b": 2, "c": 3 }));
    assert_eq!(body.to_string(), r#"{"a":2,"c":3}"#);
}

#[test]
fn requests_change_as_well_and_what_is_no_json_is_refused() {
    let config = json!({ "request": { "drop": ["admin"], "set": { "source": "web" } } });
    let post = |content_type: &str, body: &str| {
        Exchange::post("/").header("content-type", content_type).body(body).run::<Json>(config.clone())
    };
    let changed = post("application/vnd.shop+json; charset=utf-8", r#"{"admin":true,"a":1}"#);
    assert_eq!(serde_json::from_slice::<Value>(&changed.request_body).unwrap(), json!({ "a": 1, "source": "web" }));
    let refused = post("application/json", "{");
    assert_eq!((refused.reached_service, refused.response.status), (false, 400));
    assert_eq!(post("text/plain", "{").request_body, b"{");
    assert_eq!(post("application/json", "").request_body, b"");
}

#[test]
fn what_a_service_says_that_is_no_json_is_not_passed_on() {
    let config = json!({ "response": { "drop": ["secret"] } });
    let ask = |answer: Response| Exchange::get("/").service(answer).run::<Json>(config.clone());
    let broken = ask(Response::new(200).header("content-type", "application/json").body("{\"secret\":1"));
    assert_eq!(broken.response.status, 502);
    assert_eq!(ask(Response::text(200, "{")).response.body, b"{");
    assert_eq!(ask(Response::new(204).header("content-type", "application/json")).response.status, 204);
}

#[test]
fn only_when_a_condition_holds() {
    let config = json!({ "when": "request.headers['x-facade'] == 'mobile'", "response": { "pick": ["id"] } });
    let service = || Response::json(200, &json!({ "id": 1, "more": 2 })).unwrap();
    let mobile = Exchange::get("/").header("x-facade", "mobile").service(service()).run::<Json>(config.clone());
    assert_eq!(mobile.response.body_json::<Value>().unwrap(), json!({ "id": 1 }));
    let web = Exchange::get("/").service(service()).run::<Json>(config);
    assert_eq!(web.response.body_json::<Value>().unwrap(), json!({ "id": 1, "more": 2 }));
}

#[test]
fn a_bad_configuration_is_named() {
    for (config, message) in [
        (json!({}), "neither `request` nor `response` is there: nothing would change"),
        (
            json!({ "response": { "pick": ["a..b"] } }),
            "`response.pick`: `a..b` is no path of fields such as `address.city`",
        ),
        (
            json!({ "request": { "rename": { "a": "b.c" } } }),
            "`request.rename`: `b.c` is not the name of a field in the same place",
        ),
    ] {
        assert_eq!(Exchange::get("/").try_run::<Json>(config).unwrap_err(), message);
    }
}

#[test]
fn a_part_is_neither_asked_for_nor_passed_on() {
    let config = json!({ "response": { "pick": ["id"] } });
    let part = Response::new(206).header("content-type", "application/json").body(r#"{"id":1,"secret":2}"#);
    let exchange = || Exchange::get("/").header("range", "bytes=0-").header("if-range", "\"1\"");
    let outcome = exchange().service(part.clone()).run::<Json>(config);
    assert_eq!((outcome.request_header("range"), outcome.request_header("if-range")), (None, None));
    assert_eq!(outcome.response.status, 502);
    // Where answers are left as they are, parts are as well.
    let outcome = exchange().service(part).run::<Json>(json!({ "request": { "drop": ["a"] } }));
    assert_eq!((outcome.request_header("range").as_deref(), outcome.response.status), (Some("bytes=0-"), 206));
}
