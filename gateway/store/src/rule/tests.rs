//! Budgets over time.

use super::*;
use Algorithm::{Concurrency, FixedWindow, SlidingWindow, TokenBucket};

fn budget(algorithm: Algorithm, limit: u64, window: Duration) -> Budget {
    Budget { key: String::new(), algorithm, limit, window, burst: limit }
}

fn at(milliseconds: u64) -> Moment {
    // The calendar is somewhere in a day.
    Moment { steady: milliseconds * 1000, calendar: 86_400_000_000 * 20_000 + milliseconds * 1000 }
}

/// Plays takes of one each at these times, and says which were allowed.
fn play(budget: &Budget, times: impl IntoIterator<Item = u64>) -> Vec<bool> {
    let mut count = Count::whole(budget, at(0));
    let play = |time| {
        count.advance(budget, at(time));
        let allowed = count.standing(budget, 1, at(time)).allowed;
        if allowed {
            count.take(1);
        }
        allowed
    };
    times.into_iter().map(play).collect()
}

#[test]
fn what_is_allowed_over_time() {
    const SECOND: Duration = Duration::from_secs(1);
    let cases: &[(Algorithm, u64, &[u64], &str)] = &[
        (TokenBucket, 2, &[0, 0, 0, 499, 500, 500, 1000], "++--+-+"),
        (TokenBucket, 1, &[0, 999, 1000, 5000, 5000], "+-++-"),
        (FixedWindow, 2, &[0, 10, 999, 1000, 1001, 1002, 3000], "++-++-+"),
        // In the next window, what was taken in this one counts by the part that is still in sight.
        (SlidingWindow, 2, &[0, 900, 950, 1000, 1400, 1500, 1900, 2000], "++---+-+"),
        (SlidingWindow, 4, &[0, 0, 0, 0, 1250, 1250, 1500, 4000], "+++++-++"),
    ];
    for (algorithm, limit, times, expected) in cases {
        let allowed = play(&budget(*algorithm, *limit, SECOND), times.iter().copied());
        let allowed: String = allowed.iter().map(|allowed| if *allowed { '+' } else { '-' }).collect();
        assert_eq!(allowed, *expected, "{algorithm:?} {limit}");
    }
}

#[test]
fn a_steady_stream_gets_its_rate() {
    for algorithm in [TokenBucket, SlidingWindow, FixedWindow] {
        let hundred = Budget { burst: 10, ..budget(algorithm, 100, Duration::from_secs(1)) };
        // A thousand a second for ten seconds, against a hundred a second.
        let allowed = play(&hundred, 0..10_000).into_iter().filter(|allowed| *allowed).count();
        assert!((990..=1010).contains(&allowed), "{algorithm:?}: {allowed}");
    }
}

#[test]
fn the_wait_that_is_named_is_long_enough_and_not_too_long() {
    for algorithm in [TokenBucket, SlidingWindow, FixedWindow] {
        for limit in [1, 3, 10] {
            let budget = budget(algorithm, limit, Duration::from_secs(1));
            for began in [0, 300, 999] {
                for cost in [1, limit] {
                    let mut count = Count::whole(&budget, at(began));
                    count.take(limit);
                    let refused = count.standing(&budget, cost, at(began));
                    assert!(!refused.allowed);
                    let wait = u64::try_from(refused.retry_after.as_micros()).unwrap();
                    let later = |micros: u64| Moment {
                        steady: at(began).steady + micros,
                        calendar: at(began).calendar + micros,
                    };
                    let mut then = count;
                    then.advance(&budget, later(wait));
                    assert!(then.standing(&budget, cost, later(wait)).allowed, "{budget:?} {began} {cost} {wait}");
                    let mut before = count;
                    let early = later(wait - 100);
                    before.advance(&budget, early);
                    assert!(!before.standing(&budget, cost, early).allowed, "{budget:?} {began} {cost} {wait}");
                }
            }
        }
    }
}

#[test]
fn a_charge_may_leave_less_than_nothing() {
    for algorithm in [TokenBucket, SlidingWindow, FixedWindow] {
        let budget = budget(algorithm, 10, Duration::from_secs(1));
        let mut count = Count::whole(&budget, at(0));
        count.take(25);
        let standing = count.standing(&budget, 0, at(0));
        assert_eq!((standing.allowed, standing.remaining), (false, 0), "{algorithm:?}");
        assert!(standing.retry_after > Duration::ZERO);
    }
}

#[test]
fn a_cost_of_nothing_asks_whether_there_is_something() {
    let one = budget(FixedWindow, 1, Duration::from_secs(1));
    let mut count = Count::whole(&one, at(0));
    assert!(count.standing(&one, 0, at(0)).allowed);
    count.take(1);
    assert!(!count.standing(&one, 0, at(0)).allowed);
}

#[test]
fn slots_come_back() {
    let two = budget(Concurrency, 2, Duration::from_secs(60));
    let mut count = Count::whole(&two, at(0));
    count.take(1);
    assert_eq!(count.standing(&two, 1, at(0)).remaining, 0);
    count.take(1);
    assert!(!count.standing(&two, 1, at(9_999_999)).allowed);
    count.give_back(1);
    assert!(count.standing(&two, 1, at(0)).allowed);
    count.give_back(9);
    assert!(count.is_whole());
}

#[test]
fn a_calendar_that_is_set_back_does_not_lock_anybody_out() {
    let budget = budget(FixedWindow, 1, Duration::from_secs(60));
    let mut count = Count::whole(&budget, at(86_400_000));
    count.take(1);
    count.advance(&budget, at(0));
    assert!(count.standing(&budget, 1, at(0)).allowed);
}

#[test]
fn what_remains_and_when_it_resets() {
    let bucket = Budget { burst: 20, ..budget(TokenBucket, 10, Duration::from_secs(1)) };
    let mut count = Count::whole(&bucket, at(0));
    let standing = count.standing(&bucket, 5, at(0));
    assert_eq!((standing.remaining, standing.reset), (15, Duration::from_millis(500)));
    count.take(5);
    count.advance(&bucket, at(250));
    let standing = count.standing(&bucket, 1, at(250));
    assert_eq!((standing.remaining, standing.reset), (16, Duration::from_millis(350)));
    let window = budget(FixedWindow, 10, Duration::from_secs(60));
    let standing = Count::whole(&window, at(15_000)).standing(&window, 1, at(15_000));
    assert_eq!((standing.remaining, standing.reset), (9, Duration::from_secs(45)));
}
