//! What fuzzers call: rules of the cache, with fields that no service would send.

use super::conditions::Conditions;
use super::control::{Asked, Said};
use super::key;
use super::policy::{Answered, Policy as _, Rfc9111};
use super::vary::{Selection, is_endless};
use crate::fuzz::fields;
use bytes::Bytes;
use gateway_config::{Cache, CacheKey, QueryKey, Share, Ttl};
use gateway_core::clock::now;
use http::header::{CACHE_CONTROL, HeaderMap};
use http::{Method, StatusCode};
use std::time::{Duration, SystemTime};

/// Fields of a request, an empty line, fields of its answer; the first byte is the status.
///
/// # Panics
/// What must not be stored is, or an answer is not the one that a selection was made for.
pub fn answers(data: &[u8]) {
    let Some((status, text)) = data.split_first() else { return };
    let status = StatusCode::from_u16(200 + u16::from(*status)).unwrap_or(StatusCode::OK);
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    let mut halves = lines.split(|line| line.is_empty());
    let mut half = || fields(halves.next().unwrap_or_default().iter().copied());
    let (asked, said): (HeaderMap, HeaderMap) = (half(), half());

    let policy = Rfc9111(Cache {
        key: CacheKey::default(),
        share: Share::Standard,
        ttl: Ttl::Told,
        stale_while_revalidate: Duration::from_secs(10),
        stale_if_error: Duration::MAX,
        collapse: None,
        heed_client: true,
    });
    let date = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
    let received = now();
    let answered = Answered { status, headers: &said, is_restricted: false, requested: received, received, date };
    let (wishes, words) = (Asked::of(&asked), Said::of(&said));
    if let Ok(terms) = policy.store(&answered) {
        // RFC 9111 5.2.2.3: who understands the status need not heed `no-store` beside it.
        let is_forbidden = words.is_unreadable || words.private || (words.no_store && !words.must_understand);
        assert!(!is_forbidden && !is_endless(&said), "{said:?} is stored");
        for later in [0, 1, 60, 1 << 31] {
            let later = received.checked_add(Duration::from_secs(later)).unwrap_or(received);
            let _ = (policy.reuse(&terms, &wishes, later), terms.age(later), terms.left(later));
        }
    }
    let forbids = |line: &[u8]| line.eq_ignore_ascii_case(b"no-store");
    if said.get_all(CACHE_CONTROL).iter().any(|line| forbids(line.as_bytes())) && !words.is_targeted {
        assert!(words.no_store);
    }
    let selection = Selection::of(&said, &asked);
    assert!(selection.takes(&asked), "{said:?} was made for {asked:?}");
    selection.key(&asked, &mut Vec::new());

    let mut headers = said.clone();
    let body = Bytes::from_static(b"0123456789");
    let (_, part) = Conditions::of(&Method::GET, &asked).apply(StatusCode::OK, &mut headers, body);
    assert!(part.len() <= 10);
    let query = std::str::from_utf8(text).ok();
    let only = QueryKey::Only(vec!["a".into(), "b c".into()]);
    if let (Some(query), Some(kept)) = (query, key::query(&only, query)) {
        assert!(kept.len() <= query.len() + 1, "{kept} of {query}");
    }
}
