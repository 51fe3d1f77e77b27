//! Who is let in.

use super::IpFilter;
use plugin_sdk::testing::Exchange;
use serde_json::{Value, json};

fn admits(config: Value, client: &str) -> bool {
    let outcome = Exchange::get("/").client(client).run::<IpFilter>(config);
    assert!(outcome.reached_service || outcome.response.status == 403);
    outcome.reached_service
}

#[test]
fn there_are_exceptions_and_lists_as_text() {
    let config = serde_json::json!({ "deny": "# known bad\n10.6.0.0/16, 192.0.2.0/24 # both\n\n2001:db8::/32", "except": ["10.6.6.6"] });
    for (client, admitted) in
        [("10.6.1.1", false), ("10.6.6.6", true), ("192.0.2.9", false), ("2001:db8::1", false), ("198.51.100.1", true)]
    {
        let outcome = Exchange::get("/").client(client).run::<IpFilter>(config.clone());
        assert_eq!(outcome.reached_service, admitted, "{client}");
    }
}

#[test]
fn deny_wins_over_allow() {
    let config =
        json!({ "allow": ["10.0.0.0/8", "2001:db8::/32", "192.0.2.7"], "deny": ["10.6.0.0/16", "2001:db8:6::/48"] });
    for (client, admitted) in [
        ("10.1.2.3", true),
        ("10.6.2.3", false),
        ("11.0.0.1", false),
        ("192.0.2.7", true),
        ("192.0.2.8", false),
        ("::ffff:10.1.2.3", true),
        ("::ffff:10.6.2.3", false),
        ("2001:db8::1", true),
        ("2001:db8:6::1", false),
        ("::1", false),
        ("nonsense", false),
    ] {
        assert_eq!(admits(config.clone(), client), admitted, "{client}");
    }
}

#[test]
fn deny_alone_lets_all_others_in() {
    assert!(admits(json!({ "deny": ["0.0.0.0/0"] }), "2001:db8::1"));
    assert!(!admits(json!({ "deny": ["0.0.0.0/0"] }), "192.0.2.1"));
    assert!(!admits(json!({ "deny": ["::/0"] }), "2001:db8::1"));
}

#[test]
fn an_empty_allow_lets_nobody_in() {
    assert!(!admits(json!({ "allow": [] }), "192.0.2.1"));
}

#[test]
fn a_mistake_is_named() {
    for (config, message) in [
        (json!({}), "neither `allow` nor `deny`"),
        (json!({ "allow": ["10.0.0.1/8"] }), "`allow`: `10.0.0.1/8` has bits of an address after its first 8"),
        (json!({ "deny": ["10.0.0.0/33"] }), "`deny`: `10.0.0.0/33` is not an address"),
        (json!({ "deny": ["::ffff:10.0.0.0/104"] }), "`deny`: `::ffff:10.0.0.0/104` is IPv4 in IPv6 form"),
        (json!({ "deny": ["example.com"] }), "`deny`: `example.com` is not an address"),
    ] {
        let error = Exchange::get("/").try_run::<IpFilter>(config).unwrap_err();
        assert!(error.starts_with(message), "{error}");
    }
}
