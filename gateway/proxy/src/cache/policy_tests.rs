//! The rules of RFC 9111, family by family: what is stored, and what it is good for some time later.

use super::control::Asked;
use super::policy::{Answered, Policy as _, Refusal, Reuse, Rfc9111};
use gateway_config::{Cache, CacheKey, Share, Ttl};
use gateway_core::clock::now;
use http::StatusCode;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use std::time::{Duration, SystemTime};

/// What is expected of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    Refused(Refusal),
    Reused(Reuse),
}

const FRESH: Expected = Expected::Reused(Reuse::Fresh);
const WHILE: Expected = Expected::Reused(Reuse::WhileRevalidate);
const VALIDATED: Expected = Expected::Reused(Reuse::Validate { if_error: false });
const IF_ERROR: Expected = Expected::Reused(Reuse::Validate { if_error: true });
const FORBIDDEN: Expected = Expected::Refused(Refusal::Forbidden);
const USELESS: Expected = Expected::Refused(Refusal::Useless);
const STATUS: Expected = Expected::Refused(Refusal::Status);

fn wall() -> SystemTime {
    // 2026-01-01.
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600)
}

/// Fields, a line each; `@-60` is the date of a minute ago.
fn fields(text: &str) -> HeaderMap {
    let mut fields = HeaderMap::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').unwrap();
        let value = value.trim();
        let value = match value.strip_prefix('@').map(|offset| offset.parse::<i64>().unwrap()) {
            Some(offset) if offset < 0 => httpdate::fmt_http_date(wall() - Duration::from_secs(offset.unsigned_abs())),
            Some(offset) => httpdate::fmt_http_date(wall() + Duration::from_secs(offset.unsigned_abs())),
            None => value.to_owned(),
        };
        fields.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(&value).unwrap());
    }
    fields
}

fn route() -> Cache {
    Cache {
        key: CacheKey::default(),
        share: Share::Standard,
        ttl: Ttl::Told,
        stale_while_revalidate: Duration::ZERO,
        stale_if_error: Duration::ZERO,
        collapse: None,
        heed_client: true,
    }
}

struct Asking<'a> {
    route: Cache,
    status: u16,
    answer: &'a str,
    request: &'a str,
    /// Seconds later.
    after: u64,
    is_restricted: bool,
    /// How long the answer took.
    delay: u64,
}

impl Default for Asking<'_> {
    fn default() -> Self {
        Self { route: route(), status: 200, answer: "", request: "", after: 0, is_restricted: false, delay: 0 }
    }
}

fn judge(asking: Asking<'_>) -> Expected {
    let policy = Rfc9111(asking.route);
    let headers = fields(asking.answer);
    let requested = now();
    let received = requested + Duration::from_secs(asking.delay);
    let answered = Answered {
        status: StatusCode::from_u16(asking.status).unwrap(),
        headers: &headers,
        is_restricted: asking.is_restricted,
        requested,
        received,
        date: wall(),
    };
    match policy.store(&answered) {
        Err(refusal) => Expected::Refused(refusal),
        Ok(terms) => {
            let asked = Asked::of(&fields(asking.request));
            Expected::Reused(policy.reuse(&terms, &asked, received + Duration::from_secs(asking.after)))
        }
    }
}

/// Each with the answer, the seconds that pass, and what it is good for then.
fn check(family: &str, cases: &[(&str, u64, Expected)]) {
    for (answer, after, expected) in cases {
        let found = judge(Asking { answer, after: *after, ..Asking::default() });
        assert_eq!(found, *expected, "{family}: {answer:?} after {after} s");
    }
}

#[test]
fn freshness() {
    check(
        "max-age, s-maxage and expires",
        &[
            ("", 0, USELESS),
            ("cache-control: max-age=60", 59, FRESH),
            ("cache-control: max-age=60", 60, VALIDATED),
            ("cache-control: MaX-aGe=60", 59, FRESH),
            ("cache-control: max-age=0", 0, USELESS),
            ("cache-control: max-age=0\netag: \"a\"", 0, VALIDATED),
            ("cache-control: max-age=2147483648", 1 << 30, FRESH),
            ("cache-control: max-age=99999999999999999999", 1 << 30, FRESH),
            ("cache-control: max-age=1, s-maxage=60", 59, FRESH),
            ("cache-control: max-age=60, s-maxage=1", 1, VALIDATED),
            ("cache-control: max-age=60\ncache-control: s-maxage=1", 1, VALIDATED),
            ("cache-control: max-age=60\nexpires: @-60\ndate: @0", 59, FRESH),
            ("cache-control: max-age=0\nexpires: @60\ndate: @0", 0, USELESS),
            ("cache-control: max-age=60\nexpires: 0", 59, FRESH),
            ("expires: @60\ndate: @0", 59, FRESH),
            ("expires: @60\ndate: @0", 60, VALIDATED),
            ("expires: @60\ndate: @61", 0, USELESS),
            ("expires: @0\ndate: @0", 0, USELESS),
            ("expires: 0\ndate: @0", 0, USELESS),
            ("expires: -1\ndate: @0", 0, USELESS),
            ("expires: @60\ndate: x", 59, FRESH),
            ("expires: @60\nexpires: @600", 0, USELESS),
            ("expires: Sunday, 06-Nov-94 08:49:37 GMT", 0, USELESS),
            ("expires: Fri, 01 Jan 2027 00:00:00 UTC", 0, USELESS),
            ("expires: Fri, 01 Jan 27 00:00:00 GMT", 0, USELESS),
            ("expires: Fri, 01-Jan-2027 00:00:00 GMT", 0, USELESS),
            ("expires: Fri, 01 Jan 2027 0:00:00 GMT", 0, USELESS),
            ("expires: Fri, 01 Jan 2027 00:00:00 GMT", 3600, FRESH),
        ],
    );
}

#[test]
fn directives_are_read_as_they_are_meant() {
    check(
        "syntax",
        &[
            ("cache-control: x, max-age=60", 59, FRESH),
            ("cache-control: x=\"max-age=60\", max-age=1", 1, VALIDATED),
            ("cache-control: max-age=1, x=\"max-age=60\"", 1, VALIDATED),
            ("cache-control: x=\"a\\\", no-store\", max-age=60", 59, FRESH),
            ("cache-control: max-age=\"60\"", 59, FRESH),
            ("cache-control: max-age='60'", 0, USELESS),
            ("cache-control: max-age=-60", 0, USELESS),
            ("cache-control: max-age=60.5", 0, USELESS),
            ("cache-control: max-age=a60", 0, USELESS),
            ("cache-control: max-age", 0, USELESS),
            ("cache-control: max-age=0060", 59, FRESH),
            ("cache-control: ,,max-age=60,", 59, FRESH),
            ("cache-control: max-age=60, max-age=1", 1, VALIDATED),
            ("cache-control: max-age=1, max-age=60", 1, VALIDATED),
        ],
    );
}

#[test]
fn age() {
    check(
        "age and apparent age",
        &[
            ("cache-control: max-age=60\nage: 59", 0, FRESH),
            ("cache-control: max-age=60\nage: 59", 1, VALIDATED),
            ("cache-control: max-age=60\nage: 60", 0, USELESS),
            ("cache-control: max-age=60\nage: 99999999999999999999", 0, USELESS),
            ("cache-control: max-age=60\nage: 0, 60", 59, FRESH),
            ("cache-control: max-age=60\nage: 60, 0", 0, USELESS),
            ("cache-control: max-age=60\nage: 60\nage: 0", 0, USELESS),
            ("cache-control: max-age=60\nage: x", 59, FRESH),
            ("cache-control: max-age=60\nage: -60", 59, FRESH),
            ("cache-control: max-age=60\nage: 60.0", 59, FRESH),
            ("cache-control: max-age=60\ndate: @-60", 0, USELESS),
            ("cache-control: max-age=60\ndate: @-59", 0, FRESH),
            ("cache-control: max-age=60\ndate: @60", 59, FRESH),
            ("expires: @10\ndate: @-10\nage: 25", 0, USELESS),
            ("expires: @20\ndate: @10\nage: 15", 0, USELESS),
        ],
    );
    let slow = |after| judge(Asking { answer: "cache-control: max-age=60", delay: 30, after, ..Asking::default() });
    assert_eq!((slow(29), slow(30)), (FRESH, VALIDATED), "the time that the answer took counts");
}

#[test]
fn what_may_be_stored() {
    check(
        "cache-control of answers",
        &[
            ("cache-control: max-age=60, no-store", 0, FORBIDDEN),
            ("cache-control: max-age=60, No-StOrE", 0, FORBIDDEN),
            ("cache-control: max-age=60\ncache-control: no-store", 0, FORBIDDEN),
            ("cache-control: max-age=60, private", 0, FORBIDDEN),
            ("cache-control: max-age=60, private=\"x-user\"", 59, FRESH),
            ("cache-control: max-age=60, private=\"not a name\"", 0, USELESS),
            ("cache-control: max-age=60, no-cache", 0, USELESS),
            ("cache-control: max-age=60, no-cache\netag: \"a\"", 0, VALIDATED),
            ("cache-control: no-cache\nlast-modified: @-60", 0, VALIDATED),
            ("cache-control: max-age=60, no-cache=\"set-cookie\"\nset-cookie: a=b", 59, FRESH),
            ("cache-control: max-age=60, no-store, must-understand", 59, FRESH),
            ("cache-control: max-age=60, must-revalidate", 59, FRESH),
            ("cache-control: max-age=60, must-revalidate", 60, VALIDATED),
            ("cache-control: max-age=60\nset-cookie: a=b", 0, Expected::Refused(Refusal::Cookie)),
            ("cache-control: max-age=60, public\nset-cookie: a=b", 59, FRESH),
            ("cache-control: s-maxage=60\nset-cookie: a=b", 59, FRESH),
            ("cache-control: max-age=60\nvary: *", 0, Expected::Refused(Refusal::Vary)),
            ("cache-control: max-age=60\nvary: accept, *", 0, Expected::Refused(Refusal::Vary)),
            ("cache-control: max-age=60\nvary: , *", 0, Expected::Refused(Refusal::Vary)),
            ("cache-control: max-age=60\nvary: a b", 0, Expected::Refused(Refusal::Vary)),
            ("cache-control: max-age=60\nvary: X-Forwarded-For", 0, Expected::Refused(Refusal::Vary)),
            ("cache-control: max-age=60\nvary: accept", 59, FRESH),
            ("cache-control: max-age=60\npragma: no-cache", 59, FRESH),
        ],
    );
    // Nothing beside it allows it again.
    let mut obscure = fields("cache-control: max-age=60, must-understand");
    obscure.append("cache-control", HeaderValue::from_bytes(b"no-\xffstore").unwrap());
    let at = now();
    let answered = Answered {
        status: StatusCode::OK,
        headers: &obscure,
        is_restricted: false,
        requested: at,
        received: at,
        date: wall(),
    };
    assert_eq!(Rfc9111(route()).store(&answered), Err(Refusal::Forbidden), "what cannot be read may forbid it");
}

#[test]
fn statuses() {
    let judge_status = |status, answer, after| judge(Asking { status, answer, after, ..Asking::default() });
    for status in [200, 203, 204, 299, 301, 302, 303, 307, 308, 400, 404, 410, 499, 500, 502, 503, 504, 599] {
        assert_eq!(judge_status(status, "cache-control: max-age=60", 59), FRESH, "{status}, fresh by its word");
        let stale = judge_status(status, "expires: @-60\nlast-modified: @-86400\ndate: @0", 0);
        assert!(stale == VALIDATED, "{status}, stale: {stale:?}");
    }
    for status in [100, 101, 206, 304] {
        assert_eq!(judge_status(status, "cache-control: max-age=60", 0), STATUS, "{status}");
    }
    for (status, expected) in [(200, FRESH), (404, FRESH), (501, FRESH), (201, USELESS), (403, USELESS), (599, USELESS)]
    {
        let found = judge_status(status, "last-modified: @-86400\ndate: @0", 60);
        assert_eq!(found, expected, "{status}, by a guess");
        let public = judge_status(status, "last-modified: @-86400\ndate: @0\ncache-control: public", 60);
        assert_eq!(public, FRESH, "{status}, by a guess that is allowed");
    }
    let unknown = judge_status(599, "cache-control: max-age=60, no-store, must-understand", 0);
    assert_eq!(unknown, FORBIDDEN, "a status without rules that must be understood");
}

#[test]
fn guesses() {
    check(
        "heuristic freshness",
        &[
            ("last-modified: @-600\ndate: @0", 59, FRESH),
            ("last-modified: @-600\ndate: @0", 60, VALIDATED),
            ("last-modified: @-315360000\ndate: @0", 86_399, FRESH),
            ("last-modified: @-315360000\ndate: @0", 86_400, VALIDATED),
            ("last-modified: @60\ndate: @0", 0, VALIDATED),
            ("last-modified: x\ndate: @0", 0, VALIDATED),
            ("last-modified: @-600\ndate: @0\ncache-control: max-age=0", 0, VALIDATED),
        ],
    );
}

#[test]
fn identified_clients() {
    for (answer, expected) in [
        ("cache-control: max-age=60", Expected::Refused(Refusal::Identified)),
        ("expires: @60\ndate: @0", Expected::Refused(Refusal::Identified)),
        ("last-modified: @-600\ndate: @0", Expected::Refused(Refusal::Identified)),
        ("cache-control: max-age=60, public", FRESH),
        ("cache-control: max-age=60, must-revalidate", FRESH),
        ("cache-control: s-maxage=60", FRESH),
        ("cache-control: max-age=60, proxy-revalidate", Expected::Refused(Refusal::Identified)),
        ("cache-control: max-age=60, public, private", FORBIDDEN),
        ("cdn-cache-control: max-age=60", Expected::Refused(Refusal::Identified)),
    ] {
        let found = judge(Asking { answer, is_restricted: true, ..Asking::default() });
        assert_eq!(found, expected, "{answer}");
    }
}

#[test]
fn fields_that_speak_to_this_cache() {
    check(
        "targeted cache control",
        &[
            ("cdn-cache-control: max-age=60", 59, FRESH),
            ("cdn-cache-control: max-age=60\nage: 60", 0, USELESS),
            ("cdn-cache-control: max-age=60\ncache-control: no-store", 59, FRESH),
            ("cdn-cache-control: max-age=1\ncache-control: max-age=60", 1, VALIDATED),
            ("cdn-cache-control: max-age=0\nexpires: @60\ndate: @0", 0, USELESS),
            ("cdn-cache-control: x\nexpires: @60\ndate: @0", 0, USELESS),
            ("cdn-cache-control: no-store\ncache-control: max-age=60", 0, FORBIDDEN),
            ("cdn-cache-control: private\ncache-control: max-age=60", 0, FORBIDDEN),
            ("cdn-cache-control: no-cache\ncache-control: max-age=60", 0, USELESS),
            ("cdn-cache-control: max-age=60, &&&\ncache-control: no-store", 0, FORBIDDEN),
            ("cdn-cache-control: max-age=\"60\"\ncache-control: no-store", 0, USELESS),
            ("cdn-cache-control:\ncache-control: max-age=60", 59, FRESH),
            ("gateway-cache-control: max-age=60\ncdn-cache-control: no-store", 59, FRESH),
            ("gateway-cache-control: &&\ncdn-cache-control: no-store", 0, FORBIDDEN),
        ],
    );
}

#[test]
fn stale_answers() {
    check(
        "stale-while-revalidate, stale-if-error",
        &[
            ("cache-control: max-age=60, stale-while-revalidate=10", 60, WHILE),
            ("cache-control: max-age=60, stale-while-revalidate=10", 69, WHILE),
            ("cache-control: max-age=60, stale-while-revalidate=10", 70, VALIDATED),
            ("cache-control: max-age=60, stale-if-error=10", 69, IF_ERROR),
            ("cache-control: max-age=60, stale-if-error=10", 70, VALIDATED),
            ("cache-control: max-age=60, stale-if-error=10, must-revalidate", 60, VALIDATED),
            ("cache-control: max-age=60, stale-while-revalidate=10, proxy-revalidate", 60, VALIDATED),
            ("cache-control: s-maxage=60, stale-while-revalidate=10", 60, WHILE),
            ("cache-control: max-age=0, stale-while-revalidate=10", 0, WHILE),
        ],
    );
    let ten = Duration::from_secs(10);
    let lenient = || Cache { stale_while_revalidate: ten, stale_if_error: ten * 2, ..route() };
    for (answer, after, expected) in [
        ("cache-control: max-age=60", 69, WHILE),
        ("cache-control: max-age=60", 79, IF_ERROR),
        ("cache-control: max-age=60", 80, VALIDATED),
        ("cache-control: max-age=60, must-revalidate", 60, VALIDATED),
        ("cache-control: s-maxage=60", 60, VALIDATED),
        ("cache-control: max-age=60, stale-if-error=0, stale-while-revalidate=0", 60, VALIDATED),
    ] {
        let found = judge(Asking { route: lenient(), answer, after, ..Asking::default() });
        assert_eq!(found, expected, "{answer} after {after} s, as the route allows");
    }
}

#[test]
fn what_clients_ask() {
    for (request, answer, after, expected) in [
        ("cache-control: no-cache", "cache-control: max-age=60", 0, VALIDATED),
        ("pragma: no-cache", "cache-control: max-age=60", 0, VALIDATED),
        ("pragma: no-cache\ncache-control: x", "cache-control: max-age=60", 0, FRESH),
        ("cache-control: max-age=10", "cache-control: max-age=60", 10, FRESH),
        ("cache-control: max-age=10", "cache-control: max-age=60", 11, IF_ERROR),
        ("cache-control: max-age=0", "cache-control: max-age=60", 0, FRESH),
        ("cache-control: max-age=0", "cache-control: max-age=60\nage: 1", 0, IF_ERROR),
        ("cache-control: max-age=x", "cache-control: max-age=60", 1, IF_ERROR),
        ("cache-control: min-fresh=10", "cache-control: max-age=60", 50, FRESH),
        ("cache-control: min-fresh=10", "cache-control: max-age=60", 51, IF_ERROR),
        ("cache-control: max-stale=10", "cache-control: max-age=60", 70, FRESH),
        ("cache-control: max-stale=10", "cache-control: max-age=60", 71, VALIDATED),
        ("cache-control: max-stale", "cache-control: max-age=60", 6000, FRESH),
        ("cache-control: max-stale", "cache-control: max-age=60, must-revalidate", 60, VALIDATED),
        ("cache-control: max-stale", "cache-control: s-maxage=60", 60, VALIDATED),
        ("cache-control: max-stale", "cache-control: max-age=60, no-cache\netag: \"a\"", 0, VALIDATED),
    ] {
        let found = judge(Asking { request, answer, after, ..Asking::default() });
        assert_eq!(found, expected, "{request} of {answer:?} after {after} s");
    }
}

#[test]
fn what_a_route_says_of_time() {
    let ttl = |ttl| Cache { ttl, ..route() };
    let (sixty, tells) = (Duration::from_secs(60), "cache-control: max-age=10");
    for (name, route, status, answer, after, expected) in [
        ("default", ttl(Ttl::Default(sixty)), 200, "", 59, FRESH),
        ("default", ttl(Ttl::Default(sixty)), 200, "", 60, VALIDATED),
        ("default", ttl(Ttl::Default(sixty)), 200, tells, 10, VALIDATED),
        ("default", ttl(Ttl::Default(sixty)), 404, "", 0, USELESS),
        ("default", ttl(Ttl::Default(sixty)), 500, "", 0, USELESS),
        ("default", ttl(Ttl::Default(sixty)), 200, "cache-control: no-store", 0, FORBIDDEN),
        ("default", ttl(Ttl::Default(sixty)), 200, "cache-control: private", 0, FORBIDDEN),
        ("fixed", ttl(Ttl::Fixed(sixty)), 200, tells, 59, FRESH),
        ("fixed", ttl(Ttl::Fixed(sixty)), 200, "age: 1000", 59, FRESH),
        ("fixed", ttl(Ttl::Fixed(sixty)), 200, "cache-control: max-age=600", 60, VALIDATED),
        ("fixed", ttl(Ttl::Fixed(sixty)), 200, "cache-control: private, max-age=10", 0, FORBIDDEN),
        ("fixed", ttl(Ttl::Fixed(sixty)), 200, "set-cookie: a=b", 0, Expected::Refused(Refusal::Cookie)),
        ("fixed", ttl(Ttl::Fixed(sixty)), 404, tells, 9, FRESH),
        ("fixed", ttl(Ttl::Fixed(sixty)), 404, tells, 10, VALIDATED),
    ] {
        let found = judge(Asking { route, status, answer, after, ..Asking::default() });
        assert_eq!(found, expected, "{name}: {status} {answer:?} after {after} s");
    }
}

/// Found by `make fuzz`: an age that leaves no room for another second.
#[test]
fn no_age_is_too_great() {
    let answer = "cache-control: max-age=60\netag: \"a\"\nage: 18446744073709551615";
    for (ttl, expected) in [(Ttl::Told, VALIDATED), (Ttl::Fixed(Duration::from_secs(60)), FRESH)] {
        let asking = Asking { route: Cache { ttl, ..route() }, answer, after: 10, delay: 10, ..Asking::default() };
        assert_eq!(judge(asking), expected);
    }
}
