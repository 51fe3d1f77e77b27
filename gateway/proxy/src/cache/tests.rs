//! Keys, variants, conditions, parts, validation, the store and flights: each rule by itself.

use super::conditions::{Conditions, confirms, update, validate};
use super::flights::{Boarding, Flights, Landing, landed};
use super::key;
use super::policy::{Answered, Policy as _, Rfc9111};
use super::store::{Memory, Store as _};
use super::stored::{Place, Purge, Resource, Stored};
use super::vary::Selection;
use bytes::Bytes;
use gateway_config::{Cache, CacheKey, QueryKey, Share, Ttl};
use gateway_core::clock::{Clock as _, SystemClock, now};
use gateway_core::exchange::Request;
use gateway_core::instruments::Counter;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use std::sync::Arc;
use std::time::Duration;

fn fields(list: &[(&str, &str)]) -> HeaderMap {
    let field = |(name, value): &(&str, &str)| {
        (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap())
    };
    let mut fields = HeaderMap::new();
    for (name, value) in list.iter().map(field) {
        fields.append(name, value);
    }
    fields
}

#[test]
fn of_a_query_counts_what_is_named_however_it_is_written() {
    let only = |names: &[&str]| QueryKey::Only(names.iter().map(ToString::to_string).collect());
    for (counts, query, expected) in [
        (QueryKey::Whole, Some("b=2&a=1"), Some("b=2&a=1")),
        (QueryKey::Whole, None, None),
        (only(&[]), Some("a=1"), None),
        (only(&["a", "b"]), Some("b=2&utm=x&a=1"), Some("a=1&b=2")),
        (only(&["a"]), Some("a=1&b=2&a=3"), Some("a=1&a=3")),
        (only(&["a"]), Some("%61=1&A=2"), Some("%61=1")),
        (only(&["a b"]), Some("a+b=1&a%20b=2&a%2Bb=3"), Some("a+b=1&a%20b=2")),
        (only(&["a"]), Some("a"), Some("a")),
        (only(&["a"]), Some("ab=1"), None),
        (only(&["a"]), Some("utm=1;a=2"), Some("utm=1;a=2")),
    ] {
        assert_eq!(key::query(&counts, query).as_deref(), expected, "{counts:?} of {query:?}");
    }
}

#[test]
fn an_answer_is_for_requests_that_are_like_its_own() {
    for (vary, made_for, asked, expected) in [
        (&[][..], &[("foo", "1")][..], &[("foo", "2")][..], true),
        (&[("vary", "foo")], &[("foo", "1")], &[("foo", "1"), ("other", "2")], true),
        (&[("vary", "Foo")], &[("foo", "1")], &[("foo", "2")], false),
        (&[("vary", "foo")], &[], &[("foo", "1")], false),
        (&[("vary", "foo")], &[("foo", "1")], &[], false),
        (&[("vary", "foo")], &[("foo", "")], &[], false),
        (&[("vary", "foo")], &[], &[("other", "2")], true),
        (&[("vary", "foo, bar")], &[("foo", "1"), ("bar", "a")], &[("bar", "a"), ("foo", "1")], true),
        (&[("vary", "foo"), ("vary", "bar")], &[("foo", "1"), ("bar", "a")], &[("foo", "1"), ("bar", "b")], false),
        (&[("vary", "foo")], &[("foo", "1, 2")], &[("foo", "1"), ("foo", " 2 ")], true),
        (&[("vary", "foo")], &[("foo", "1,2")], &[("foo", "2,1")], false),
        (&[("vary", "host")], &[], &[], true),
    ] {
        let selection = Selection::of(&fields(vary), &fields(made_for));
        assert_eq!(selection.takes(&fields(asked)), expected, "{vary:?}: made for {made_for:?}, asked by {asked:?}");
    }
}

#[test]
fn what_a_client_has_is_not_sent_again() {
    let date = "Thu, 01 Jan 2026 00:00:00 GMT";
    for (asked, answer, expected) in [
        (&[("if-none-match", "\"a\"")][..], &[("etag", "\"a\"")][..], 304),
        (&[("if-none-match", "W/\"a\"")], &[("etag", "\"a\"")], 304),
        (&[("if-none-match", "\"b\", \"a,c\" , \"a\"")], &[("etag", "\"a\"")], 304),
        (&[("if-none-match", "\"b\""), ("if-none-match", "\"a\"")], &[("etag", "\"a\"")], 304),
        (&[("if-none-match", "\"b\"")], &[("etag", "\"a\"")], 200),
        (&[("if-none-match", "\"a,c\"")], &[("etag", "\"a\"")], 200),
        (&[("if-none-match", "*")], &[], 304),
        (&[("if-none-match", "\"a\"")], &[], 200),
        (&[("if-modified-since", date)], &[("last-modified", date)], 304),
        (&[("if-modified-since", date)], &[("last-modified", "Thu, 01 Jan 2026 00:00:01 GMT")], 200),
        (&[("if-modified-since", date)], &[("date", date)], 304),
        (&[("if-modified-since", "x")], &[("last-modified", date)], 200),
        (
            &[("if-none-match", "\"b\""), ("if-modified-since", date)],
            &[("etag", "\"a\""), ("last-modified", date)],
            200,
        ),
        (&[("if-none-match", "\"a\""), ("range", "bytes=0-1")], &[("etag", "\"a\"")], 304),
    ] {
        let conditions = Conditions::of(&Method::GET, &fields(asked));
        let mut headers = fields(answer);
        headers.insert("content-type", HeaderValue::from_static("text/plain"));
        let (status, body) = conditions.apply(StatusCode::OK, &mut headers, Bytes::from_static(b"0123456789"));
        assert_eq!(status, expected, "{asked:?} of {answer:?}");
        assert_eq!(
            (body.len(), headers.contains_key("content-type")),
            if expected == 304 { (0, false) } else { (10, true) }
        );
    }
    let conditions = Conditions::of(&Method::GET, &fields(&[("if-none-match", "*")]));
    let (status, _) = conditions.apply(StatusCode::NOT_FOUND, &mut HeaderMap::new(), Bytes::new());
    assert_eq!(status, 404, "a condition is about what is there");
}

#[test]
fn a_part_of_what_is_stored() {
    for (asked, status, range, body) in [
        (&[("range", "bytes=0-1")][..], 206, Some("bytes 0-1/10"), "01"),
        (&[("range", "bytes=8-")], 206, Some("bytes 8-9/10"), "89"),
        (&[("range", "bytes=-1")], 206, Some("bytes 9-9/10"), "9"),
        (&[("range", "bytes=-99")], 206, Some("bytes 0-9/10"), "0123456789"),
        (&[("range", "bytes=5-99999999999999999999999")], 206, Some("bytes 5-9/10"), "56789"),
        (&[("range", "bytes=10-")], 416, Some("bytes */10"), ""),
        (&[("range", "bytes=-0")], 416, Some("bytes */10"), ""),
        (&[("range", "bytes=2-1")], 200, None, "0123456789"),
        (&[("range", "bytes=0-1,3-4")], 200, None, "0123456789"),
        (&[("range", "lines=0-1")], 200, None, "0123456789"),
        (&[("range", "bytes=a-b")], 200, None, "0123456789"),
        (&[("range", "bytes=-")], 200, None, "0123456789"),
        (&[("range", "bytes=0-1"), ("if-range", "\"a\"")], 206, Some("bytes 0-1/10"), "01"),
        (&[("range", "bytes=0-1"), ("if-range", "\"b\"")], 200, None, "0123456789"),
        (&[("range", "bytes=0-1"), ("if-range", "W/\"a\"")], 200, None, "0123456789"),
        (&[("range", "bytes=0-1"), ("if-range", "Thu, 01 Jan 2026 00:00:00 GMT")], 206, Some("bytes 0-1/10"), "01"),
    ] {
        let mut headers = fields(&[("etag", "\"a\""), ("last-modified", "Thu, 01 Jan 2026 00:00:00 GMT")]);
        let conditions = Conditions::of(&Method::GET, &fields(asked));
        let given = conditions.apply(StatusCode::OK, &mut headers, Bytes::from_static(b"0123456789"));
        assert_eq!(given, (StatusCode::from_u16(status).unwrap(), Bytes::from(body)), "{asked:?}");
        assert_eq!(headers.get("content-range").map(|range| range.to_str().unwrap()), range, "{asked:?}");
    }
    let head = Conditions::of(&Method::HEAD, &fields(&[("range", "bytes=0-1")]));
    assert!(head.is_empty(), "a range means nothing to HEAD");
}

#[test]
fn a_validation_asks_by_what_is_stored_and_brings_its_fields_up_to_date() {
    let stored = fields(&[("etag", "W/\"a\""), ("content-length", "10"), ("x-a", "1"), ("x-a", "2"), ("x-b", "1")]);
    let mut asked = fields(&[("if-none-match", "\"b\""), ("range", "bytes=0-1"), ("if-range", "\"b\"")]);
    assert!(validate(&mut asked, &stored));
    assert_eq!(asked, fields(&[("if-none-match", "W/\"a\"")]));
    assert!(!validate(&mut asked, &HeaderMap::new()));
    assert!(asked.is_empty(), "without a validator the whole is asked for");

    let said = fields(&[("x-a", "3"), ("x-c", "1"), ("x-c", "2"), ("content-length", "0"), ("content-encoding", "x")]);
    let merged = update(&stored, &said);
    let values = |name| merged.get_all(name).iter().map(|value| value.to_str().unwrap()).collect::<Vec<_>>();
    assert_eq!(
        [values("x-a"), values("x-b"), values("x-c"), values("content-length"), values("content-encoding")],
        [vec!["3"], vec!["1"], vec!["1", "2"], vec!["10"], vec![]]
    );
    for (said, stored, expected) in [
        (&[][..], &[("etag", "\"a\"")][..], true),
        (&[("etag", "\"a\"")], &[("etag", "\"a\"")], true),
        (&[("etag", "W/\"a\"")], &[("etag", "\"a\"")], true),
        (&[("etag", "\"b\"")], &[("etag", "\"a\"")], false),
        (&[("etag", "\"b\"")], &[("last-modified", "x")], false),
        (
            &[("last-modified", "Thu, 01 Jan 2026 00:00:01 GMT")],
            &[("last-modified", "Thu, 01 Jan 2026 00:00:00 GMT")],
            false,
        ),
    ] {
        assert_eq!(confirms(&fields(said), &fields(stored)), expected, "{said:?} of {stored:?}");
    }
}

fn stored(answer: &[(&str, &str)], request: &[(&str, &str)], body: &'static [u8]) -> Arc<Stored> {
    let settings = Cache {
        key: CacheKey::default(),
        share: Share::Standard,
        ttl: Ttl::Told,
        stale_while_revalidate: Duration::ZERO,
        stale_if_error: Duration::ZERO,
        collapse: None,
        heed_client: true,
    };
    let mut headers = fields(answer);
    headers.insert("cache-control", HeaderValue::from_static("max-age=60, private=\"x-user\""));
    let (at, date) = (now(), SystemClock.wall());
    let answered =
        Answered { status: StatusCode::OK, headers: &headers, is_restricted: false, requested: at, received: at, date };
    let terms = Rfc9111(settings).store(&answered).unwrap();
    Arc::new(Stored::new(StatusCode::OK, headers, Bytes::from_static(body), terms, &fields(request), date))
}

fn resource(path: &str, query: Option<&str>) -> Resource {
    let request = Request {
        method: Method::GET,
        scheme: "http",
        authority: "shop.example".into(),
        path: path.into(),
        query: None,
        headers: HeaderMap::new(),
    };
    Resource::new(Arc::new(Place::new(&"orders".into(), &request, query)))
}

#[test]
fn variants_take_the_place_of_their_own_kind_and_the_oldest_go() {
    let (one, two) = (&[("foo", "1")][..], &[("foo", "2")][..]);
    let first = stored(&[("vary", "foo")], one, b"first");
    let second = stored(&[("vary", "foo")], two, b"second");
    let third = stored(&[("vary", "foo")], one, b"third");
    let both = resource("/", None).with(first, &fields(one), 1 << 20).with(second, &fields(two), 1 << 20);
    let body = |resource: &Resource, request| resource.find(&fields(request)).map(|stored| stored.body.clone());
    assert_eq!(body(&both, one).as_deref(), Some(&b"first"[..]));
    assert_eq!(body(&both, two).as_deref(), Some(&b"second"[..]));
    assert_eq!(body(&both, &[]), None);
    let replaced = both.with(Arc::clone(&third), &fields(one), 1 << 20);
    assert_eq!((replaced.count(), body(&replaced, one).as_deref()), (2, Some(&b"third"[..])));
    let tight = both.with(third, &fields(one), 800);
    assert_eq!((tight.count(), body(&tight, two)), (1, None), "there is room for the newest only");
    assert_eq!(replaced.without(&fields(one)).count(), 1);
}

#[test]
fn what_is_kept_of_an_answers_fields() {
    let given = [("age", "7"), ("x-user", "ada"), ("x-request-id", "1"), ("x-other", "1")];
    let kept = &stored(&given, &[], b"").headers;
    let has = |name: &str| kept.contains_key(name);
    assert_eq!(
        [has("age"), has("x-user"), has("x-request-id"), has("x-other"), has("date")],
        [false, false, false, true, true]
    );
}

#[test]
fn a_purge_means_what_it_says() {
    let tagged = stored(&[("cache-tag", "a, b"), ("surrogate-key", "c d")], &[], b"");
    let found = resource("/orders/7", Some("page=2")).with(tagged, &HeaderMap::new(), 1 << 20);
    for (purge, expected) in [
        (Purge::All, true),
        (Purge::Route("orders".into()), true),
        (Purge::Route("order".into()), false),
        (Purge::Tag("b".into()), true),
        (Purge::Tag("d".into()), true),
        (Purge::Tag("e".into()), false),
        (Purge::Url("shop.example/orders/7".into()), true),
        (Purge::Url("SHOP.example/orders/7?page=2".into()), true),
        (Purge::Url("shop.example/orders/7?page=3".into()), false),
        (Purge::Url("shop.example/orders".into()), false),
        (Purge::Prefix("shop.example/orders".into()), true),
        (Purge::Prefix("shop.example".into()), true),
        (Purge::Prefix("shop.example/carts".into()), false),
        (Purge::Prefix("shop".into()), false),
    ] {
        assert_eq!(found.is_meant(&purge), expected, "{purge:?}");
    }
}

#[test]
fn the_store_keeps_its_bound_and_counts_what_it_forgets() {
    let evicted = Counter::default();
    let store = Memory::new(1 << 20, 64 * 1024, evicted.clone());
    static BODY: [u8; 8 * 1024] = [0; 8 * 1024];
    for number in 0..1000_u32 {
        let answer = stored(&[], &[], &BODY);
        store.update(&number.to_le_bytes(), &mut |before| {
            assert!(before.is_none());
            Some(resource("/", None).with(Arc::clone(&answer), &HeaderMap::new(), 1 << 20))
        });
    }
    let (keys, bytes) = store.load();
    assert!(bytes <= 1 << 20, "{bytes} bytes");
    assert!((64..=128).contains(&keys), "{keys} keys of 8 KiB in 1 MiB");
    assert_eq!(evicted.value(), 1000 - keys as u64);
    assert_eq!(store.purge(&Purge::All), keys);
    assert_eq!(store.load(), (0, 0));
}

#[tokio::test]
async fn one_flies_and_the_others_hear_of_it() {
    let flights = Flights::default();
    let board = || match flights.board(b"key") {
        Boarding::Flies(flight) => Ok(flight),
        Boarding::Waits(landing) => Err(landing),
    };
    for landing in [Landing::Stored, Landing::Own] {
        let flight = board().ok().unwrap();
        let (one, two) = (board().err().unwrap(), board().err().unwrap());
        flight.land(landing);
        assert_eq!((landed(one).await, landed(two).await), (landing, landing));
    }
    let flight = board().ok().unwrap();
    let waiting = board().err().unwrap();
    assert!(matches!(flights.board(b"other"), Boarding::Flies(_)));
    drop(flight);
    assert_eq!(landed(waiting).await, Landing::Abandoned);
    assert!(board().is_ok(), "another one may fly");
}
