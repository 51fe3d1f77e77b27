//! What answers come to, without asking anybody.

use super::consul::{instances, next_index};
use super::dns::endpoints;
use super::found::{in_order, scale};
use super::resolver::Service;
use super::*;
use crate::upstream::set;
use gateway_config::Endpoint;
use std::collections::HashMap;
use std::net::SocketAddr;

fn weights(weights: &[(u32, u32)]) -> Vec<u32> {
    let found = weights.iter().map(|(priority, weight)| Found {
        priority: *priority,
        weight: *weight,
        ..Found::new("127.0.0.1", 1)
    });
    scale(found.collect()).iter().map(|found| found.weight).collect()
}

#[test]
fn weights_are_brought_between_1_and_100() {
    for (given, expected) in [
        (&[(0, 1), (0, 3)][..], &[1, 3][..]),
        (&[(0, 0), (0, 0)], &[1, 1]),
        (&[(0, 0), (0, 100)], &[1, 100]),
        (&[(0, 200), (0, 100), (0, 1)], &[100, 50, 1]),
        (&[(0, 65_535), (0, 65_535)], &[100, 100]),
        (&[(0, 60), (1, 65_535), (1, 32_768)], &[60, 100, 50]),
        (&[], &[]),
    ] {
        assert_eq!(weights(given), expected, "{given:?}");
    }
}

#[test]
fn srv_records_become_endpoints() {
    let service = |priority, weight, port, target: &str| Service { priority, weight, port, target: target.to_owned() };
    let known = HashMap::from([
        ("a.test".to_owned(), vec!["10.0.0.1".parse().unwrap(), "fd00::1".parse().unwrap()]),
        ("b.test".to_owned(), vec!["10.0.0.2".parse().unwrap()]),
    ]);
    let records = [service(0, 5, 80, "a.test"), service(10, 0, 8080, "b.test"), service(10, 7, 1, "not-resolved.test")];
    let found: Vec<_> = endpoints(&records, &known)
        .into_iter()
        .map(|found| (found.priority, found.host, found.address.unwrap().to_string(), found.weight))
        .collect();
    let expected =
        [(0, "a.test", "10.0.0.1:80", 5), (0, "a.test", "[fd00::1]:80", 5), (10, "b.test", "10.0.0.2:8080", 1)];
    let expected =
        expected.map(|(priority, host, address, weight)| (priority, host.to_owned(), address.to_owned(), weight));
    assert_eq!(found, expected);
}

#[test]
fn consuls_answers_are_read() {
    let service = |service: &str| {
        format!("{{\"Node\":{{\"Address\":\"10.0.0.9\",\"Node\":\"n\"}},\"Service\":{service},\"Checks\":[]}}")
    };
    for (given, expected) in [
        (r#"{"Address":"10.0.0.1","Port":80,"Weights":{"Passing":3,"Warning":1}}"#, Some(("10.0.0.1", 80, 3))),
        (r#"{"Address":"","Port":80}"#, Some(("10.0.0.9", 80, 1))),
        (r#"{"Port":80,"Weights":{"Passing":0}}"#, Some(("10.0.0.9", 80, 1))),
        (r#"{"Address":"orders.internal","Port":80,"Weights":null}"#, Some(("orders.internal", 80, 1))),
        (r#"{"Address":"10.0.0.1","Port":0}"#, None),
        (r#"{"Address":"a b\r\n","Port":80}"#, None),
    ] {
        let found = instances(format!("[{}]", service(given)).as_bytes()).unwrap();
        let found: Vec<_> = found.iter().map(|found| (found.host.as_str(), found.port, found.weight)).collect();
        assert_eq!(found, Vec::from_iter(expected), "{given}");
    }
    assert!(instances(b"[]").unwrap().is_empty());
    for broken in ["", "{}", "[{}]", "[{\"Service\":{\"Port\":70000}}]"] {
        assert!(instances(broken.as_bytes()).is_err(), "{broken}");
    }
}

#[test]
fn consuls_index_is_taken_by_its_rules() {
    for (asked, answered, next) in [(0, 7, 7), (7, 7, 7), (7, 9, 9), (9, 3, 0), (0, 0, 1), (1, 0, 0)] {
        assert_eq!(next_index(asked, answered), next, "{asked} {answered}");
    }
}

#[test]
fn order_and_repetition_make_no_difference() {
    let [one, two] = [1, 2].map(|port| Found::new("127.0.0.1", port));
    assert_eq!(in_order(vec![two.clone(), one.clone(), two.clone()], false), [one.clone(), two.clone()]);
    // Of two that say different weights the one that is asked first counts.
    let later = Found { priority: 1, weight: 5, ..one.clone() };
    assert_eq!(in_order(vec![later, two.clone(), one.clone()], false), [one, two]);
}

#[test]
fn who_stays_is_the_same_and_who_is_another_is_not() {
    let settings = gateway_config::Upstream::of("service".into(), Vec::new());
    let at = |host: &str, address: &str| Found {
        address: Some(address.parse::<SocketAddr>().unwrap()),
        ..Found::new(host, 80)
    };
    let named = Found::written(&Endpoint { host: "a.test".into(), port: 80, tls: false, weight: 1, priority: 0 });
    let before = set(&settings, None, &[at("a.test", "10.0.0.1:80"), at("a.test", "10.0.0.2:80"), named.clone()], None);
    let moved = Found { weight: 9, priority: 3, ..at("a.test", "10.0.0.2:80") };
    let after = set(&settings, None, &[moved, at("b.test", "10.0.0.1:80"), named], Some(&before));
    let stays: Vec<_> = after
        .all()
        .map(|endpoint| (endpoint.name().to_owned(), before.all().any(|known| Arc::ptr_eq(known, endpoint))))
        .collect();
    let expected = [("10.0.0.1:80", false), ("a.test:80", true), ("10.0.0.2:80", true)];
    assert_eq!(stays, expected.map(|(name, stays)| (name.to_owned(), stays)));
}
