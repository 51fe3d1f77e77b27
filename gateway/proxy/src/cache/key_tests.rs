//! For whom an answer is, and what stands in its key.

use super::RouteCache;
use super::key::{self, Audience};
use gateway_config::{Cache, CacheKey, QueryKey, Share, Ttl};
use gateway_core::attributes::{Attributes, Owner};
use gateway_core::clock::now;
use gateway_core::dispatch::{BoxFuture, Call, Dispatch};
use gateway_core::exchange::{Exchange, Request, Stage};
use gateway_core::peer::ClientCertificate;
use gateway_core::{Body, Error, Kind};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

struct Nowhere;

impl Dispatch for Nowhere {
    fn call(&self, _: Call) -> BoxFuture<'_, Result<Response<Body>, Error>> {
        Box::pin(async { Err(Error::new(Kind::DestinationUnavailable, "nowhere")) })
    }

    fn has_upstream(&self, _: &str) -> bool {
        false
    }
}

/// A request with these fields, of somebody with these attributes.
fn exchange(fields: &[(&str, &str)], attributes: &[(&str, &str)]) -> Exchange {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, HeaderValue::from_str(value).unwrap());
    }
    let mut known = Attributes::default();
    for (name, value) in attributes {
        known.write(Owner::Shared, name, value.as_bytes().to_vec().into()).unwrap();
    }
    Exchange {
        id: HeaderValue::from_static("1"),
        route: "orders".into(),
        parameters: vec![("id".into(), "7".to_owned())],
        client: IpAddr::from([192, 0, 2, 1]),
        certificate: None,
        request: Request {
            method: Method::GET,
            scheme: "https",
            authority: "shop.example".into(),
            path: "/orders/7".into(),
            query: Some("page=1&x=2".into()),
            headers,
        },
        response: None,
        stage: Stage::Request,
        attributes: known,
        upstream: None,
        asked: None,
        trace: None,
        slots: Vec::new(),
        deadline: now(),
        depth: 0,
        dispatch: Arc::new(Nowhere),
    }
}

#[test]
fn who_was_told_apart_shares_only_what_is_said_to_be_shared() {
    let ada = [("consumer", "ada")];
    for (name, fields, attributes, share, is_restricted) in [
        ("nobody", &[][..], &[][..], Share::Standard, false),
        ("nobody", &[], &[], Share::Consumer, false),
        ("nobody", &[], &[], Share::All, false),
        ("a consumer", &[], &ada, Share::Standard, true),
        ("a consumer", &[], &ada, Share::Consumer, false),
        ("a consumer", &[], &ada, Share::All, false),
        ("claims alone", &[], &[("claims", "{}")], Share::All, true),
        ("groups alone", &[], &[("groups", "[]")], Share::Consumer, true),
        ("authorization that nobody checked", &[("authorization", "x")], &[], Share::All, true),
        ("authorization that nobody checked", &[("authorization", "x")], &[], Share::Consumer, true),
        ("authorization that was checked", &[("authorization", "x")], &ada, Share::All, false),
        ("a cookie", &[("cookie", "a=b")], &[], Share::Standard, false),
    ] {
        let audience = Audience::of(&exchange(fields, attributes), share);
        assert_eq!(audience.is_restricted, is_restricted, "{name}, {share:?}");
    }
    let mut shown = exchange(&[], &[]);
    let certificate = ClientCertificate { subject: "CN=ada".into(), names: "[]".into() };
    shown.certificate = Some(Arc::new(certificate));
    assert!(Audience::of(&shown, Share::Standard).is_restricted);
    assert!(!Audience::of(&shown, Share::Consumer).is_restricted);
}

#[test]
fn every_part_of_a_key_makes_another_one() {
    let settings = |share| Cache {
        key: CacheKey {
            query: QueryKey::Only(vec!["page".into()]),
            headers: vec!["x-tenant".into()],
            cookies: vec!["lang".into(), "region".into()],
        },
        share,
        ttl: Ttl::Told,
        stale_while_revalidate: std::time::Duration::ZERO,
        stale_if_error: std::time::Duration::ZERO,
        collapse: None,
        heed_client: true,
    };
    let make = |exchange: &Exchange, share, digest: u8, is_believed, epoch| {
        let route = RouteCache::new(settings(share), [digest; 32]);
        key::of(exchange, &route, &Audience::of(exchange, share), is_believed, epoch)
    };
    let plain = exchange(&[], &[]);
    let of = |exchange: &Exchange| make(exchange, Share::Consumer, 0, true, 0);
    let changed = |change: &dyn Fn(&mut Exchange)| {
        let mut exchange = exchange(&[], &[]);
        change(&mut exchange);
        of(&exchange)
    };
    let with = |fields: &[(&str, &str)]| of(&exchange(fields, &[]));
    let keys = [
        of(&plain),
        make(&plain, Share::Consumer, 1, true, 0),
        make(&plain, Share::Consumer, 0, true, 1),
        changed(&|exchange| exchange.request.scheme = "http"),
        changed(&|exchange| exchange.request.authority = "other.example".into()),
        changed(&|exchange| exchange.request.path = "/orders/8".into()),
        changed(&|exchange| exchange.request.query = Some("page=2".into())),
        changed(&|exchange| exchange.request.query = None),
        changed(&|exchange| exchange.parameters = vec![("id".into(), "8".to_owned())]),
        changed(&|exchange| exchange.upstream = Some("other".into())),
        of(&exchange(&[], &[("consumer", "ada")])),
        of(&exchange(&[], &[("consumer", "bob")])),
        with(&[("x-tenant", "a")]),
        with(&[("x-tenant", "")]),
        with(&[("x-tenant", "a"), ("x-tenant", "b")]),
        with(&[("x-tenant", "a, b")]),
        with(&[("cookie", "lang=de")]),
        with(&[("cookie", "region=de")]),
        with(&[("cookie", "lang=de; lang=en")]),
        with(&[("x-forwarded-host", "a")]),
        with(&[("x-forwarded-proto", "a")]),
        with(&[("forwarded", "for=192.0.2.1;Host=a")]),
        with(&[("forwarded", "proto=http")]),
    ];
    assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len(), "two of them are the same");
    assert_eq!(key::before(&keys[2]), Some(keys[0].clone()), "the epoch before");
    assert_eq!(key::before(&keys[0]), None);
    let same = [
        changed(&|exchange| exchange.request.query = Some("x=3&page=1".into())),
        changed(&|exchange| exchange.request.method = Method::HEAD),
        changed(&|exchange| exchange.client = IpAddr::from([192, 0, 2, 2])),
        with(&[("x-other", "a"), ("cookie", "session=1"), ("forwarded", "for=192.0.2.9")]),
    ];
    assert!(same.iter().all(|key| *key == keys[0]), "they are not the same");
    let unbelieved = |fields: &[(&str, &str)]| make(&exchange(fields, &[]), Share::Consumer, 0, false, 0);
    assert_eq!(unbelieved(&[("x-forwarded-host", "a"), ("forwarded", "host=a")]), unbelieved(&[]));
    let proven = exchange(&[], &[("consumer", "ada")]);
    let others = exchange(&[], &[("consumer", "bob")]);
    let shared = |exchange: &Exchange| make(exchange, Share::All, 0, false, 0);
    assert_eq!(shared(&proven), shared(&others));
    assert_ne!(shared(&proven), shared(&plain), "who has proven nothing is not among them");
}
