//! What is let in until it is used up, and what answers say.

use super::Quota;
use plugin_sdk::Response;
use plugin_sdk::testing::Exchange;
use serde_json::json;
use std::time::Duration;

fn get() -> Exchange {
    Exchange::get("/").attribute("consumer", "alice")
}

#[test]
fn calls_are_used_up() {
    let config = json!({ "calls": 2, "window": "1 d" });
    let first = get().run::<Quota>(config.clone());
    assert_eq!(first.response_header("ratelimit-policy").as_deref(), Some("\"quota-calls\";q=2;w=86400"));
    assert_eq!(first.response_header("ratelimit").as_deref(), Some("\"quota-calls\";r=1;t=86400"));
    let second = get().after(&first).run::<Quota>(config.clone());
    let third = get().after(&second).run::<Quota>(config.clone());
    assert_eq!((third.reached_service, third.response.status), (false, 429));
    assert_eq!(third.response_header("retry-after").as_deref(), Some("86400"));
    assert_eq!(third.response_header("ratelimit").as_deref(), Some("\"quota-calls\";r=0;t=86400"));
    let other = Exchange::get("/").attribute("consumer", "bob").after(&third).run::<Quota>(config.clone());
    assert!(other.reached_service);
    let later = get().after(&third).later(Duration::from_secs(86_400)).run::<Quota>(config);
    assert!(later.reached_service);
}

#[test]
fn bytes_are_charged_both_ways_when_they_are_known() {
    let config = json!({ "bytes": "1 KiB", "window": "1 h" });
    let exchange = || get().body(vec![0; 300]).service(Response::new(200).body(vec![0; 300]));
    let first = exchange().run::<Quota>(config.clone());
    assert_eq!(
        first.response_header("ratelimit-policy").as_deref(),
        Some("\"quota-bytes\";q=1024;qu=\"content-bytes\";w=3600")
    );
    // 600 were used, so there is something left; then 1200.
    let second = exchange().after(&first).run::<Quota>(config.clone());
    assert!(second.reached_service);
    let third = exchange().after(&second).run::<Quota>(config.clone());
    assert_eq!((third.reached_service, third.response.status), (false, 429));
    let renamed = json!({ "bytes": "1 KiB", "window": "1 h", "name": "other" });
    assert!(exchange().after(&third).run::<Quota>(renamed).reached_service);
}

#[test]
fn calls_and_bytes_hold_together() {
    let config = json!({ "calls": 1, "bytes": "1 GiB", "window": "1 d", "per": "everybody" });
    let first = get().run::<Quota>(config.clone());
    assert_eq!(
        first.response_header("ratelimit").as_deref(),
        Some("\"quota-bytes\";r=1073741824;t=86400, \"quota-calls\";r=0;t=86400")
    );
    assert_eq!(get().after(&first).run::<Quota>(config).response.status, 429);
}

#[test]
fn while_nobody_counts_nothing_is_allowed() {
    let outcome = get().budgets_away().run::<Quota>(json!({ "calls": 1, "window": "1 d" }));
    assert_eq!((outcome.reached_service, outcome.response.status), (false, 503));
}

#[test]
fn a_bad_configuration_is_named() {
    for (config, message) in [
        (json!({ "window": "1 d" }), "neither `calls` nor `bytes` is there: everything would be let in"),
        (json!({ "calls": 1 }), "missing field `window`"),
        (json!({ "calls": 0, "window": "1 d" }), "`calls` is at least 1"),
        (json!({ "calls": 1, "window": "month" }), "`window`: `month` is no window: write `1 h`, `1 d` or `30 d`"),
        (json!({ "calls": 1, "window": "500 d" }), "`window`: the window `500 d` is longer than 400 days"),
        (json!({ "bytes": "10", "window": "1 d" }), "`bytes`: `10` is no size: write `500 MiB` or `10 GiB`"),
        (
            json!({ "calls": 1, "window": "1 d", "name": "a/b" }),
            "`a/b` is no name of a quota: letters, digits, `-`, `_` and `.`",
        ),
    ] {
        assert_eq!(get().try_run::<Quota>(config).unwrap_err(), message);
    }
}
