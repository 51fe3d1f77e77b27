//! Who is let in, and what answers say.

use super::RateLimit;
use plugin_sdk::testing::Exchange;
use serde_json::{Value, json};
use std::time::Duration;

/// Plays exchanges one after the other, and gives their statuses.
fn play(config: &Value, exchanges: impl IntoIterator<Item = Exchange>) -> Vec<u16> {
    let mut before = None;
    let play = |exchange: Exchange| {
        let exchange = match &before {
            Some(before) => exchange.after(before),
            None => exchange,
        };
        let outcome = exchange.run::<RateLimit>(config.clone());
        let status = outcome.response.status;
        assert_eq!(outcome.reached_service, status == 200);
        before = Some(outcome);
        status
    };
    exchanges.into_iter().map(play).collect()
}

fn get() -> Exchange {
    Exchange::get("/")
}

#[test]
fn past_the_rate_there_is_an_answer_that_says_when() {
    let config = json!({ "rate": "2/10 s" });
    let first = get().run::<RateLimit>(config.clone());
    assert_eq!(first.response.status, 200);
    assert_eq!(first.response_header("ratelimit-policy").as_deref(), Some("\"default\";q=2;w=10"));
    assert_eq!(first.response_header("ratelimit").as_deref(), Some("\"default\";r=1;t=10"));
    let second = get().after(&first).run::<RateLimit>(config.clone());
    let third = get().after(&second).run::<RateLimit>(config.clone());
    assert!(!third.reached_service);
    assert_eq!(third.response.status, 429);
    assert_eq!(third.response_header("retry-after").as_deref(), Some("10"));
    assert_eq!(third.response_header("ratelimit").as_deref(), Some("\"default\";r=0;t=10"));
    assert_eq!(third.response_header("content-type").as_deref(), Some("application/problem+json"));
    let later = get().after(&third).later(Duration::from_secs(10)).run::<RateLimit>(config);
    assert_eq!(later.response.status, 200);
}

#[test]
fn the_same_value_of_two_fields_is_two_subjects() {
    let by = |field: &str| json!({ "rate": "1/m", "per": { "header": field } });
    let acme = || get().header("x-tenant", "acme").header("x-plan", "acme");
    let first = acme().run::<RateLimit>(by("x-tenant"));
    let other = acme().after(&first).run::<RateLimit>(by("x-plan"));
    let again = acme().after(&other).run::<RateLimit>(by("X-Tenant"));
    assert_eq!([first, other, again].map(|outcome| outcome.response.status), [200, 200, 429]);
}

#[test]
fn whom_a_request_counts_for() {
    let consumer = |name: &str| get().attribute("consumer", name);
    let cases: Vec<(Value, Vec<Exchange>, &[u16])> = vec![
        (json!("consumer"), vec![consumer("alice"), consumer("bob"), consumer("alice")], &[200, 200, 429]),
        // Without a consumer, by address.
        (json!("consumer"), vec![get(), consumer("alice"), get().client("192.0.2.9"), get()], &[200, 200, 200, 429]),
        (json!("address"), vec![consumer("alice"), consumer("bob")], &[200, 429]),
        (
            json!("address"),
            vec![
                get().client("2001:db8:1:2::1"),
                get().client("2001:db8:1:2:ffff::9"),
                get().client("2001:db8:1:3::1"),
                get().client("::ffff:10.0.0.1"),
                get().client("10.0.0.1"),
            ],
            &[200, 429, 200, 200, 429],
        ),
        (json!("route"), vec![get().route("a"), get().route("b"), get().route("a")], &[200, 200, 429]),
        (json!("everybody"), vec![consumer("alice"), get().client("192.0.2.9").route("b")], &[200, 429]),
        (
            json!({ "header": "x-tenant" }),
            vec![get().header("x-tenant", "a"), get().header("X-Tenant", "b"), get(), get().client("192.0.2.9")],
            &[200, 200, 200, 429],
        ),
        (
            json!({ "param": "id" }),
            vec![get().param("id", "1"), get().param("id", "2"), get().param("id", "1")],
            &[200, 200, 429],
        ),
        (
            json!({ "attribute": "jwt/plan" }),
            vec![get().attribute("jwt/plan", "a"), get().attribute("jwt/plan", "a")],
            &[200, 429],
        ),
        (
            json!(["route", "consumer"]),
            vec![
                consumer("a").route("x"),
                consumer("a").route("y"),
                consumer("b").route("x"),
                consumer("a").route("x"),
            ],
            &[200, 200, 200, 429],
        ),
        // What separates parts cannot be forged, nor can a long value pass for another.
        (
            json!([{ "header": "a" }, { "header": "b" }]),
            vec![
                get().header("a", "x|h:y").header("b", "z"),
                get().header("a", "x").header("b", "y|h:z"),
                get().header("a", "x".repeat(400)).header("b", "y"),
                get().header("a", "x".repeat(401)).header("b", "y"),
                get().header("a", "x".repeat(400)).header("b", "y"),
            ],
            &[200, 200, 200, 200, 429],
        ),
    ];
    for (per, exchanges, expected) in cases {
        let config = json!({ "rate": "1/m", "per": per });
        assert_eq!(play(&config, exchanges), expected, "{config}");
    }
}

#[test]
fn several_limits_hold_together() {
    let config = json!({ "limits": [
        { "name": "fast", "rate": "2/s", "per": "address" },
        { "name": "slow", "rate": "3/h", "per": "everybody", "algorithm": "fixed-window" },
        { "name": "parallel", "concurrent": 9 },
    ] });
    let client = |address: &str| get().client(address);
    let exchanges =
        [client("10.0.0.1"), client("10.0.0.1"), client("10.0.0.1"), client("10.0.0.2"), client("10.0.0.3")];
    // The third takes nothing from `slow`, so that one of another address still fits.
    assert_eq!(play(&config, exchanges), [200, 200, 429, 200, 429]);
    let outcome = get().run::<RateLimit>(config);
    assert_eq!(
        outcome.response_header("ratelimit-policy").as_deref(),
        Some("\"fast\";q=2;w=1, \"slow\";q=3;w=3600, \"parallel\";q=9;qu=\"concurrent-requests\"")
    );
    assert_eq!(
        outcome.response_header("ratelimit").as_deref(),
        Some("\"fast\";r=1;t=1, \"slow\";r=2;t=3600, \"parallel\";r=8")
    );
}

#[test]
fn a_consumer_may_have_a_rate_of_its_own() {
    let config = json!({ "rate": "1/m", "burst": 2, "consumers": { "acme": "10/m" } });
    let exchanges = |name: &str| (0..30).map(|_| get().attribute("consumer", name)).collect::<Vec<_>>();
    let allowed = |name: &str| play(&config, exchanges(name)).into_iter().filter(|status| *status == 200).count();
    assert_eq!((allowed("acme"), allowed("other")), (20, 2));
}

#[test]
fn answers_may_say_nothing() {
    let outcome = get().run::<RateLimit>(json!({ "rate": "1/s", "headers": false }));
    assert_eq!(outcome.response_header("ratelimit"), None);
}

#[test]
fn while_nobody_counts_nothing_is_allowed() {
    let outcome = get().budgets_away().run::<RateLimit>(json!({ "rate": "1/s" }));
    assert_eq!((outcome.reached_service, outcome.response.status), (false, 503));
    assert_eq!(outcome.response_header("retry-after").as_deref(), Some("1"));
}

#[test]
fn a_bad_configuration_is_named() {
    for (config, message) in [
        (json!({}), "the limit `default` has either `rate` or `concurrent`"),
        (json!({ "rate": "1/s", "concurrent": 1 }), "the limit `default` has either `rate` or `concurrent`"),
        (json!({ "rate": "fast" }), "`rate`: `fast` is no rate: write `100/s`, `5000/d` or `10/30 s`"),
        (json!({ "rate": "1/0 s" }), "`rate`: the window of the rate `1/0 s` is not between a second and 365 days"),
        (json!({ "rate": "0/s" }), "`rate`: the rate `0/s` lets nobody in: write a route with `respond` instead"),
        (json!({ "concurrent": 0 }), "`concurrent` is at least 1"),
        (json!({ "concurrent": 1, "burst": 3 }), "`concurrent` has no `burst`, `algorithm` or `consumers`"),
        (json!({ "rate": "1/s", "burst": 3, "algorithm": "fixed-window" }), "only a token bucket has a `burst`"),
        (json!({ "rate": "1/s", "burst": 0 }), "`burst` is at least 1"),
        (
            json!({ "limits": [{ "rate": "1/s" }], "consumers": { "a": "1/s" } }),
            "with `limits`, each limit says its rate itself",
        ),
        (json!({ "rate": "9007199254740993/s" }), "`rate`: the rate `9007199254740993/s` is more than can be counted"),
        (json!({ "concurrent": 1_000_001 }), "`concurrent` is at most 1000000"),
        (json!({ "limits": [] }), "`limits` has 1 to 16 limits"),
        (json!({ "limits": [{ "rate": "1/s" }], "rate": "1/s" }), "with `limits`, each limit says its rate itself"),
        (
            json!({ "limits": [{ "name": "a", "rate": "1/s" }, { "name": "a", "rate": "1/m" }] }),
            "two limits are called `a`",
        ),
        (
            json!({ "limits": [{ "name": "a b", "rate": "1/s" }] }),
            "`a b` is no name of a limit: letters, digits, `-`, `_` and `.`",
        ),
        (
            json!({ "rate": "1/s", "per": "user" }),
            "`per`: unknown variant `user`, expected one of `consumer`, `address`, `route`, `everybody`",
        ),
        (
            json!({ "rate": "1/s", "per": { "cookie": "a" } }),
            "`per`: unknown field `cookie`, expected one of `header`, `param`, `attribute`",
        ),
        (json!({ "rate": "1/s", "per": [] }), "`per`: a list of whom a request counts for must not be empty"),
    ] {
        assert_eq!(get().try_run::<RateLimit>(config).unwrap_err(), message);
    }
}
