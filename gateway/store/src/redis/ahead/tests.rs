//! Shares, against a budget that stands for Redis.

use super::*;
use gateway_core::clock;
use std::time::Duration;

/// What Redis has of one budget in the present window.
struct There {
    left: u64,
    asked: usize,
}

/// Of its window.
const NUMBER: u64 = 7;

impl There {
    fn answer(&mut self, fill: &Fill) -> (Option<u64>, Standing) {
        self.asked += 1;
        if fill.back.1 == NUMBER {
            self.left += fill.back.0;
        }
        let taken = (self.left >= fill.least.max(1)).then(|| fill.least.max(fill.most.min(self.left / 4)));
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
    loop {
        match ahead.take(&keys, &budgets, cost, percent, now) {
            Attempt::Decided(taken) => return taken.standings[0],
            Attempt::Fill(fills, _) => {
                for fill in fills {
                    let (taken, standing) = there.answer(&fill);
                    ahead.fill("key", budget, fill.least, (taken, NUMBER), standing, now);
                }
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
fn a_share_grows_with_the_demand_up_to_its_bound_and_is_given_back() {
    let (now, budget) = (clock::now(), budget(10_000));
    let (ahead, mut there) = (Ahead::default(), There { left: 10_000, asked: 0 });
    for _ in 0..1000 {
        assert!(take(&ahead, &mut there, &budget, 1, 5, now).allowed);
    }
    let held = 9000 - there.left;
    assert!((1..=500).contains(&held), "holds {held}");
    // Long after, little is wanted, and what was not used is there again.
    assert!(take(&ahead, &mut there, &budget, 1, 5, now + KEPT * 3).allowed);
    assert_eq!(there.left, 8999);
}

#[test]
fn a_slow_stream_gets_all_there_is() {
    for pause in [KEPT / 2, KEPT, KEPT * 2, KEPT * 60] {
        let (mut now, budget) = (clock::now(), budget(1000));
        let (ahead, mut there) = (Ahead::default(), There { left: 1000, asked: 0 });
        let mut allowed = 0;
        for _ in 0..1200 {
            allowed += usize::from(take(&ahead, &mut there, &budget, 1, 10, now).allowed);
            now += pause;
        }
        assert_eq!(allowed, 1000, "{pause:?}");
    }
}

#[test]
fn bursts_get_all_there_is() {
    let (mut now, budget) = (clock::now(), budget(1000));
    let (ahead, mut there) = (Ahead::default(), There { left: 1000, asked: 0 });
    let mut allowed = 0;
    for _ in 0..40 {
        allowed += (0..30).filter(|_| take(&ahead, &mut there, &budget, 1, 10, now).allowed).count();
        now += KEPT * 5;
    }
    assert_eq!(allowed, 1000);
}

#[test]
fn a_question_takes_nothing_and_is_seldom_asked() {
    let (mut now, budget) = (clock::now(), budget(100));
    let (ahead, mut there) = (Ahead::default(), There { left: 100, asked: 0 });
    for _ in 0..50 {
        assert!(take(&ahead, &mut there, &budget, 0, 10, now).allowed);
    }
    assert_eq!((there.left, there.asked), (100, 1));
    // What is charged here counts at once.
    assert!(!ahead.charge("key", 100, now));
    there.left = 0;
    assert!(!take(&ahead, &mut there, &budget, 0, 10, now).allowed);
    assert_eq!(there.asked, 2);
    now += KEPT;
    assert!(!take(&ahead, &mut there, &budget, 0, 10, now).allowed);
}

#[test]
fn who_comes_while_redis_is_asked_waits_for_the_same_answer() {
    let (now, budget) = (clock::now(), budget(1000));
    let ahead = Ahead::default();
    let (keys, budgets) = (["key".to_owned()], [budget.clone()]);
    let Attempt::Fill(first, _) = ahead.take(&keys, &budgets, 1, 10, now) else { panic!() };
    assert_eq!(first.len(), 1);
    let waiting: Vec<_> = (0..5)
        .map(|_| {
            let Attempt::Fill(more, waits) = ahead.take(&keys, &budgets, 1, 10, now) else { panic!() };
            assert_eq!((more.len(), waits.len()), (0, 1));
            ahead.wait(&keys)
        })
        .collect();
    // A fill that ended without a word is none; the next is for all that wait.
    drop(first);
    let Attempt::Fill(next, _) = ahead.take(&keys, &budgets, 1, 10, now) else { panic!() };
    assert_eq!(next[0].most, 5);
    drop((waiting, next));
    ahead.unfilled("key");
    let Attempt::Fill(next, _) = ahead.take(&keys, &budgets, 1, 10, now) else { panic!() };
    assert_eq!(next[0].most, 1);
}

#[test]
fn all_or_nothing_over_several_budgets() {
    let now = clock::now();
    let ahead = Ahead::default();
    let budgets = [budget(10), budget(10)];
    let keys = ["first".to_owned(), "second".to_owned()];
    let standing = |allowed| Standing { allowed, remaining: 0, reset: KEPT, retry_after: Duration::from_secs(1) };
    ahead.fill("first", &budgets[0], 1, (Some(1), 0), standing(true), now);
    ahead.fill("second", &budgets[1], 1, (None, 0), standing(false), now);
    let Attempt::Decided(taken) = ahead.take(&keys, &budgets, 1, 10, now) else { panic!() };
    assert_eq!(taken.standings.iter().map(|standing| standing.allowed).collect::<Vec<_>>(), [true, false]);
    // The first one still has what it had.
    ahead.fill("second", &budgets[1], 1, (Some(1), 0), standing(true), now);
    let Attempt::Decided(taken) = ahead.take(&keys, &budgets, 1, 10, now) else { panic!() };
    assert!(taken.standings.iter().all(|standing| standing.allowed));
}

#[test]
fn many_shares_are_bounded() {
    let (now, budget) = (clock::now(), budget(10));
    let ahead = Ahead::default();
    for key in 0..SHARES + 10 {
        let keys = [key.to_string()];
        let Attempt::Fill(fills, _) = ahead.take(&keys, std::slice::from_ref(&budget), 1, 10, now) else { panic!() };
        drop(fills);
        ahead.unfilled(&keys[0]);
    }
    assert!(ahead.0.lock().map.len() <= 11);
}
