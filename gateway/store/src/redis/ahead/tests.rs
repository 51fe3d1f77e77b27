//! Shares, against a budget that stands for Redis.

use super::*;
use gateway_core::clock;
use std::time::Duration;

/// What Redis has of one budget in the present window.
struct There {
    left: u64,
    asked: usize,
}

impl There {
    fn answer(&mut self, fill: &Fill) -> (Option<u64>, Standing) {
        self.asked += 1;
        let taken = (self.left >= fill.least).then(|| fill.least.max(fill.most.min(self.left / 4)));
        self.left -= taken.unwrap_or(0);
        let wait = if taken.is_some() { Duration::ZERO } else { Duration::from_secs(30) };
        let standing = Standing {
            allowed: taken.is_some(),
            remaining: self.left,
            reset: Duration::from_secs(60),
            retry_after: wait,
        };
        (taken, standing)
    }
}

fn budget(limit: u64) -> Budget {
    Budget {
        key: "key".to_owned(),
        algorithm: Algorithm::FixedWindow,
        limit,
        window: Duration::from_secs(60),
        burst: limit,
    }
}

/// Takes until it is decided.
fn take(ahead: &Ahead, there: &mut There, budget: &Budget, cost: u64, percent: u64, now: Instant) -> Standing {
    let (keys, budgets) = (["key".to_owned()], [budget.clone()]);
    let mut waited = false;
    loop {
        match ahead.take(&keys, &budgets, cost, percent, waited, now) {
            Attempt::Decided(taken) => return taken.standings[0],
            Attempt::Fill(fills, _) => {
                for fill in fills {
                    let (taken, standing) = there.answer(&fill);
                    ahead.fill("key", budget, fill.least, taken, standing, now);
                }
                waited = true;
            }
        }
    }
}

#[test]
fn what_is_given_out_is_what_there_is_and_redis_is_seldom_asked() {
    let (now, budget) = (clock::now(), budget(1000));
    let mut there = There { left: 1000, asked: 0 };
    // Two gateways, asked in turn.
    let gateways = [Ahead::default(), Ahead::default()];
    let allowed = (0..2000).filter(|turn| take(&gateways[turn % 2], &mut there, &budget, 1, 10, now).allowed).count();
    assert_eq!(allowed, 1000);
    assert!(there.asked < 150, "asked {} times", there.asked);
}

#[test]
fn a_refusal_is_believed_for_a_while_and_only_for_such_a_cost() {
    let (now, budget) = (clock::now(), budget(10));
    let (ahead, mut there) = (Ahead::default(), There { left: 2, asked: 0 });
    let refused = take(&ahead, &mut there, &budget, 5, 10, now);
    assert_eq!((refused.allowed, refused.retry_after), (false, Duration::from_secs(30)));
    for _ in 0..100 {
        assert!(!take(&ahead, &mut there, &budget, 7, 10, now).allowed);
    }
    assert_eq!(there.asked, 1);
    assert!(take(&ahead, &mut there, &budget, 1, 10, now).allowed);
    assert!(!take(&ahead, &mut there, &budget, 5, 10, now + KEPT).allowed);
    assert_eq!(there.asked, 3);
}

#[test]
fn a_share_grows_with_the_demand_up_to_its_bound_and_is_given_up() {
    let (now, budget) = (clock::now(), budget(10_000));
    let (ahead, mut there) = (Ahead::default(), There { left: 10_000, asked: 0 });
    for _ in 0..1000 {
        assert!(take(&ahead, &mut there, &budget, 1, 5, now).allowed);
    }
    let held = 9000 - there.left;
    assert!(held <= 500, "holds {held}");
    // What was not used is lost to everybody, once.
    let left = there.left;
    assert!(take(&ahead, &mut there, &budget, 1, 5, now + KEPT).allowed);
    assert!(there.left < left);
}

#[test]
fn a_slow_stream_takes_little_ahead() {
    let (mut now, budget) = (clock::now(), budget(1000));
    let (ahead, mut there) = (Ahead::default(), There { left: 1000, asked: 0 });
    for _ in 0..100 {
        assert!(take(&ahead, &mut there, &budget, 1, 10, now).allowed);
        now += KEPT * 2;
    }
    assert!(there.left >= 800, "{} left", there.left);
}

#[test]
fn who_comes_while_redis_is_asked_waits_for_the_same_answer() {
    let (now, budget) = (clock::now(), budget(1000));
    let ahead = Ahead::default();
    let (keys, budgets) = (["key".to_owned()], [budget.clone()]);
    let Attempt::Fill(first, _) = ahead.take(&keys, &budgets, 1, 10, false, now) else { panic!() };
    assert_eq!(first.len(), 1);
    for _ in 0..5 {
        let Attempt::Fill(more, waits) = ahead.take(&keys, &budgets, 1, 10, false, now) else { panic!() };
        assert_eq!((more.len(), waits.len()), (0, 1));
    }
    // The next fill is for all of them.
    ahead.unfilled("key");
    let Attempt::Fill(next, _) = ahead.take(&keys, &budgets, 1, 10, true, now) else { panic!() };
    assert_eq!(next[0].most, 5);
}

#[test]
fn all_or_nothing_over_several_budgets() {
    let now = clock::now();
    let ahead = Ahead::default();
    let budgets = [budget(10), budget(10)];
    let keys = ["first".to_owned(), "second".to_owned()];
    let standing = |allowed| Standing { allowed, remaining: 0, reset: KEPT, retry_after: Duration::from_secs(1) };
    ahead.fill("first", &budgets[0], 1, Some(1), standing(true), now);
    ahead.fill("second", &budgets[1], 1, None, standing(false), now);
    let Attempt::Decided(taken) = ahead.take(&keys, &budgets, 1, 10, false, now) else { panic!() };
    assert_eq!(taken.standings.iter().map(|standing| standing.allowed).collect::<Vec<_>>(), [true, false]);
    // The first one still has what it had.
    ahead.fill("second", &budgets[1], 1, Some(1), standing(true), now);
    let Attempt::Decided(taken) = ahead.take(&keys, &budgets, 1, 10, false, now) else { panic!() };
    assert!(taken.standings.iter().all(|standing| standing.allowed));
}

#[test]
fn many_shares_are_bounded() {
    let (now, budget) = (clock::now(), budget(10));
    let ahead = Ahead::default();
    for key in 0..SHARES + 10 {
        let keys = [key.to_string()];
        let Attempt::Fill(fills, _) = ahead.take(&keys, std::slice::from_ref(&budget), 1, 10, false, now) else {
            panic!()
        };
        drop(fills);
        ahead.unfilled(&keys[0]);
    }
    assert!(ahead.0.lock().map.len() <= 11);
}
