//! What each balance makes of many requests.

use super::super::connect::Destination;
use super::super::connection::Dialer;
use super::super::endpoints::{Choice, Endpoints, Member};
use super::super::pool::Pool;
use super::*;
use gateway_config::{KeyBy, Outliers, Protocol, UpstreamLimits, UpstreamTimeouts};
use std::collections::BTreeMap;
use std::time::Duration;

fn endpoint(port: u16) -> Arc<Endpoint> {
    let dialer = Dialer::new(Protocol::Http1, &UpstreamLimits::default(), None);
    let pool = Pool::new(Destination::new("127.0.0.1", port), dialer, &UpstreamTimeouts::default());
    Arc::new(Endpoint::new(pool))
}

/// Endpoints of these weights and priorities, named by ports from 1.
fn set(members: &[(u32, u32)], outliers: Outliers) -> Arc<Endpoints> {
    let member = |(port, (weight, priority)): (u16, &(u32, u32))| Member {
        endpoint: endpoint(port),
        weight: *weight,
        priority: *priority,
    };
    Endpoints::new("service".into(), (1..).zip(members).map(member).collect(), outliers)
}

fn choose<'a>(set: &'a Endpoints, balance: &Balance, key: Option<u64>, tried: &[Arc<Endpoint>]) -> &'a Arc<Endpoint> {
    set.choose(&Choice { balance, slow_start: Duration::ZERO, key, tried }).unwrap()
}

fn count(set: &Endpoints, balance: &Balance, requests: u64) -> Vec<u64> {
    let mut taken: BTreeMap<String, u64> = set.all().map(|endpoint| (endpoint.name().to_owned(), 0)).collect();
    for key in 0..requests {
        *taken.get_mut(choose(set, balance, Some(mix(key, 7)), &[]).name()).unwrap() += 1;
    }
    taken.into_values().collect()
}

fn hash() -> Balance {
    Balance::Hash(KeyBy::Address)
}

#[test]
fn shares_are_those_of_the_weights() {
    // Of 6,000 requests; how far off a share may be.
    for (balance, weights, expected, off) in [
        (Balance::RoundRobin, [1, 1, 1], [2000, 2000, 2000], 0),
        (Balance::RoundRobin, [1, 2, 3], [1000, 2000, 3000], 0),
        (Balance::RoundRobin, [10, 20, 30], [1000, 2000, 3000], 0),
        (Balance::LeastRequest, [1, 1, 1], [2000, 2000, 2000], 200),
        (Balance::PeakEwma, [1, 1, 1], [2000, 2000, 2000], 200),
        (hash(), [1, 1, 1], [2000, 2000, 2000], 200),
        (hash(), [1, 2, 3], [1000, 2000, 3000], 200),
    ] {
        let set = set(&weights.map(|weight| (weight, 0)), Outliers::default());
        for (taken, expected) in count(&set, &balance, 6000).into_iter().zip(expected) {
            assert!(taken.abs_diff(expected) <= off, "{balance:?} with {weights:?}: {taken} of {expected}");
        }
    }
}

#[test]
fn weighted_turns_are_spread_evenly() {
    assert_eq!(schedule(&[1, 1]), [0, 1]);
    assert_eq!(schedule(&[5, 1, 1]), [0, 0, 1, 0, 2, 0, 0]);
    assert_eq!(schedule(&[100, 50]), [0, 1, 0]);
    assert_eq!(schedule(&[]), Vec::<usize>::new());
}

#[test]
fn the_same_key_stays_and_only_the_keys_of_one_that_goes_move() {
    let before = set(&[(1, 0), (1, 0), (1, 0), (1, 0)], Outliers::default());
    let gone = before.all().nth(2).unwrap();
    let mut moved = 0;
    for key in 0..1000 {
        let first = choose(&before, &hash(), Some(key), &[]);
        assert!(Arc::ptr_eq(first, choose(&before, &hash(), Some(key), &[])));
        let after = choose(&before, &hash(), Some(key), std::slice::from_ref(gone));
        assert!(!Arc::ptr_eq(after, gone));
        if Arc::ptr_eq(first, gone) {
            moved += 1;
        } else {
            assert!(Arc::ptr_eq(first, after));
        }
    }
    assert!((200..300).contains(&moved), "{moved}");
}

#[test]
fn the_slower_and_the_busier_of_two_is_left_alone() {
    let set = set(&[(1, 0), (1, 0)], Outliers::default());
    let slow = set.all().next().unwrap();
    let fast = set.all().nth(1).unwrap();
    slow.speed.note(Duration::from_millis(100), now());
    fast.speed.note(Duration::from_millis(1), now());
    assert_eq!(count(&set, &Balance::PeakEwma, 100), [0, 100]);
    assert!(count(&set, &Balance::LeastRequest, 100)[0] > 20, "both are idle");
}

#[test]
fn the_next_priority_takes_over_when_the_first_is_down() {
    let set = set(&[(1, 0), (1, 0), (1, 1)], Outliers::default());
    assert_eq!(count(&set, &Balance::RoundRobin, 100), [50, 50, 0]);
    let first: Vec<_> = set.all().take(2).cloned().collect();
    for endpoint in &first {
        assert!((0..3).any(|_| endpoint.checked(false, 2, 3)));
    }
    assert_eq!(count(&set, &Balance::RoundRobin, 100), [0, 0, 100]);
    assert!(!first[0].checked(true, 2, 3));
    assert!(first[0].checked(true, 2, 3), "twice well is well");
    assert_eq!(count(&set, &Balance::RoundRobin, 100), [100, 0, 0]);
}

#[test]
fn where_all_are_down_they_are_asked_all_the_same() {
    let set = set(&[(1, 0), (1, 0)], Outliers::default());
    for endpoint in set.all() {
        assert!((0..3).any(|_| endpoint.checked(false, 2, 3)));
    }
    let taken = count(&set, &Balance::RoundRobin, 100);
    assert!(taken.iter().all(|taken| (25..=75).contains(taken)), "{taken:?}");
}

#[test]
fn f4_five_failures_in_a_row_eject_one_and_never_the_last() {
    let set = set(&[(1, 0), (1, 0), (1, 0)], Outliers::default());
    let all: Vec<_> = set.all().cloned().collect();
    for _ in 0..4 {
        all[0].failed();
    }
    all[0].succeeded();
    for _ in 0..4 {
        all[0].failed();
    }
    assert!(all[0].is_up(), "not five in a row");
    all[0].failed();
    assert!(!all[0].is_up());
    for _ in 0..20 {
        all[1].failed();
    }
    assert!(all[1].is_up(), "a tenth of three is one, which is out");
    let most = Outliers { most: 100, ..Outliers::default() };
    let set = self::set(&[(1, 0), (1, 0), (1, 0)], most);
    for endpoint in set.all() {
        (0..20).for_each(|_| endpoint.failed());
    }
    assert_eq!(set.all().filter(|endpoint| endpoint.is_up()).count(), 1);
}

#[test]
fn an_ejection_grows_up_to_ten_times() {
    let (endpoint, base, start) = (endpoint(1), Duration::from_secs(30), now());
    let rests: Vec<u64> = (0..6).map(|_| endpoint.eject(base, start).as_secs()).collect();
    assert_eq!(rests, [30, 60, 120, 240, 300, 300]);
    let long_after = start + Duration::from_secs(300 + 301);
    assert_eq!(endpoint.eject(base, long_after), base, "it was well for long");
}

#[test]
fn one_that_is_new_gets_less_than_its_share() {
    let set = set(&[(1, 0), (1, 0)], Outliers::default());
    let old = set.all().next().unwrap();
    let slow_start = Duration::from_secs(3600);
    // Both have just come: neither has to wait for the other.
    let first = (0..1000)
        .filter(|_| {
            let choice = Choice { balance: &Balance::RoundRobin, slow_start, key: None, tried: &[] };
            Arc::ptr_eq(set.choose(&choice).unwrap(), old)
        })
        .count();
    assert!((350..650).contains(&first), "{first}");
    assert!((endpoint(1).warmth(slow_start) - 0.1).abs() < 0.01);
    assert!((endpoint(1).warmth(Duration::ZERO) - 1.0).abs() < f64::EPSILON);
}
