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
        (part(json!({ "url": "upstream://a/{id" })), "`parts.a`: `upstream://a/{id` has a `{` without `}`"),
        (part(json!({ "url": "upstream://a/", "timeout": "2 h" })), "`parts.a`: the timeout \"2 h\" is not as"),
        (part(json!({ "url": "upstream://a/{b.c}" })), "`parts.a`: `{b.c}` stands for nothing: there is no part `b`"),
        (part(json!({ "url": "upstream://a/{each.id}" })), "`parts.a`: `{each}` stands for nothing without `each`"),
        (part(json!({ "url": "upstream://a/", "each": "id" })), "`parts.a`: `each`: `id` is no list in another part"),
        (part(json!({ "url": "upstream://a/{a.id}" })), "`parts`: the parts `a` need each other"),
        (part(json!({ "url": "upstream://a/", "method": "G T" })), "`parts.a`: `G T` is no method"),
        (json!({ "parts": { "each": { "url": "upstream://a/" } } }), "`parts`: a part cannot be called `each`"),
        (
            json!({ "parts": { "a": { "url": "upstream://a/" } }, "response": "{each}" }),
            "`response`: `{each}` stands for",
        ),
        (part(json!({ "url": "upstream://a/", "missing": "nul" })), "`parts.a.missing"),
    ] {
        let error = Exchange::get("/").try_run::<Aggregate>(config).unwrap_err();
        assert!(error.starts_with(message), "{error}");
    }
}

#[test]
fn a_part_may_need_another() {
    let config = json!({ "parts": {
        "order": { "url": "upstream://orders/{id}" },
        "customer": { "url": "upstream://crm/{order.customer.id}?first={order.items.0.sku}", "pick": ["name"] },
        "note": {
            "url": "upstream://notes/", "headers": { "x-by": "gateway" }, "missing": "null",
            "body": { "text": "order {order.id} of {{{customer.name}}", "items": "{order.items}", "none": "{order.none}" },
        },
    } });
    let order = json!({ "id": 7, "customer": { "id": "c/1" }, "items": [{ "sku": "a" }] });
    let outcome = Exchange::get("/")
        .param("id", "7")
        .fetch("upstream://orders/7", ok(order.clone()))
        .fetch("upstream://crm/c%2F1?first=a", ok(json!({ "name": "Ada", "more": 1 })))
        .fetch("upstream://notes/", Response::new(204))
        .run::<Aggregate>(config);
    assert_eq!(body(&outcome), json!({ "order": order, "customer": { "name": "Ada" }, "note": null }));
    assert_eq!(outcome.response_header("x-degraded"), None);
    let [_, _, note] = outcome.fetches() else { panic!("{:?}", outcome.fetches()) };
    assert_eq!(note.method(), "POST");
    let sent: Value = serde_json::from_slice(note.content()).unwrap();
    assert_eq!(sent, json!({ "text": "order 7 of {Ada}", "items": [{ "sku": "a" }], "none": null }));
}

#[test]
fn a_part_may_be_asked_for_each_element_of_a_list_and_nobody_twice() {
    let config = |missing: Value| {
        json!({ "parts": {
            "order": { "url": "upstream://orders/" },
            "prices": { "each": "order.items", "url": "upstream://prices/{each.sku}", "pick": ["amount"], "missing": missing },
        } })
    };
    let exchange = || {
        let order = json!({ "items": [{ "sku": "a" }, { "sku": "b" }, { "sku": "a" }, {}] });
        Exchange::get("/")
            .fetch("upstream://orders/", ok(order))
            .fetch("upstream://prices/a", ok(json!({ "amount": 5, "x": 1 })))
            .fetch("upstream://prices/b", Response::new(404))
    };
    let outcome = exchange().run::<Aggregate>(config(json!("null")));
    assert_eq!(body(&outcome)["prices"], json!([{ "amount": 5 }, null, { "amount": 5 }, null]));
    assert_eq!(outcome.response_header("x-degraded").as_deref(), Some("prices"));
    assert_eq!(outcome.fetches().len(), 3);
    assert_eq!(exchange().run::<Aggregate>(config(json!("fail"))).response.status, 502);
    // Of nothing there is nothing.
    let empty = Exchange::get("/").fetch("upstream://orders/", ok(json!({ "items": null })));
    assert_eq!(body(&empty.run::<Aggregate>(config(json!("fail"))))["prices"], json!([]));
    let many: Vec<Value> = (0..101).map(|sku| json!({ "sku": sku })).collect();
    let many = Exchange::get("/").fetch("upstream://orders/", ok(json!({ "items": many })));
    let outcome = many.run::<Aggregate>(config(json!("null")));
    assert_eq!((outcome.fetches().len(), body(&outcome)["prices"].clone()), (1, Value::Null));
}

#[test]
fn the_answer_may_have_another_form_and_fields_of_its_parts() {
    let config = json!({
        "forward": ["authorization"],
        "cookies": ["session"],
        "parts": {
            "order": { "url": "upstream://orders/", "keep": ["Set-Cookie", "etag"] },
            "stock": { "url": "upstream://stock/", "missing": { "default": 0 } },
        },
        "response": { "id": "{order.id}", "title": "Order {order.id}", "stock": "{stock}", "fixed": [1, true] },
    });
    let answer = ok(json!({ "id": 3 })).header("set-cookie", "a=1").header("set-cookie", "b=2").header("x-other", "1");
    let outcome = Exchange::get("/")
        .header("authorization", "a")
        .header("cookie", "tracking=1; session=s")
        .fetch("upstream://orders/", answer)
        .fetch("upstream://stock/", ok(json!(9)))
        .run::<Aggregate>(config);
    assert_eq!(body(&outcome), json!({ "id": 3, "title": "Order 3", "stock": 9, "fixed": [1, true] }));
    assert_eq!(outcome.response_header_lines("set-cookie"), ["a=1", "b=2"]);
    assert_eq!(outcome.response_header("x-other"), None);
    for call in outcome.fetches() {
        let fields: Vec<_> = call.headers().iter().map(|field| (&*field.name, &*field.value)).collect();
        assert_eq!(fields, [("accept", &b"application/json"[..]), ("authorization", b"a"), ("cookie", b"session=s")]);
    }
}

#[test]
fn a_part_gets_no_credentials_but_its_own() {
    let config = json!({ "forward": ["Authorization"], "cookies": ["session"], "parts": {
        "own": { "url": "upstream://a/", "headers": { "Authorization": "Bearer service", "Accept": "text/json" }, "missing": "null" },
        "outside": { "url": "https://partner.example/", "forward": false, "missing": "null" },
    } });
    let outcome = Exchange::get("/")
        .header("authorization", "Bearer client")
        .header("cookie", "session=s")
        .run::<Aggregate>(config);
    let fields = |position: usize| -> Vec<(String, String)> {
        let fields = outcome.fetches()[position].headers().iter();
        fields.map(|field| (field.name.clone(), String::from_utf8_lossy(&field.value).into_owned())).collect()
    };
    let text = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(fields(0), [text("accept", "application/json")]);
    assert_eq!(
        fields(1),
        [text("cookie", "session=s"), text("accept", "text/json"), text("authorization", "Bearer service")]
    );
}

#[test]
fn no_value_makes_another_path() {
    let config = json!({ "parts": { "a": { "url": "upstream://a/x/{one}{two}/y?z={one}", "missing": "null" } } });
    for (one, two, asked) in [(".", ".", 0), ("..", "", 0), (".", "a", 1), ("/", "..", 1)] {
        let outcome = Exchange::get("/").param("one", one).param("two", two).run::<Aggregate>(config.clone());
        assert_eq!(outcome.fetches().len(), asked, "{one} {two}");
    }
}
