//! The breaker, in every order that threads can take.
#![expect(clippy::disallowed_methods, reason = "a test")]

use gateway_models::breaker::{Breaker, Terms};
use loom::sync::Arc;
use loom::thread;
use std::time::{Duration, Instant};

const REST: Duration = Duration::from_secs(5);
const TERMS: Terms = Terms { window: Duration::from_secs(10), percent: 50, calls: 2, rest: REST, probes: 2 };

fn opened(now: Instant) -> Arc<Breaker> {
    let breaker = Arc::new(Breaker::new(TERMS));
    assert!(!breaker.failed(1, now));
    assert!(breaker.failed(2, now));
    breaker
}

#[test]
fn no_more_probes_than_its_terms_say() {
    loom::model(|| {
        let now = Instant::now();
        let breaker = opened(now);
        let probe = |breaker: Arc<Breaker>| thread::spawn(move || usize::from(breaker.admits(|| now + REST)));
        let threads = [probe(Arc::clone(&breaker)), probe(Arc::clone(&breaker))];
        let own = usize::from(breaker.admits(|| now + REST));
        let probes: usize = threads.map(|thread| thread.join().unwrap()).into_iter().sum();
        assert_eq!(own + probes, 2);
    });
}

#[test]
fn of_calls_that_fail_at_once_one_opens_it() {
    loom::model(|| {
        let now = Instant::now();
        let breaker = Arc::new(Breaker::new(TERMS));
        assert!(!breaker.failed(1, now));
        let fail = |breaker: Arc<Breaker>| thread::spawn(move || usize::from(breaker.failed(3, now)));
        let threads = [fail(Arc::clone(&breaker)), fail(Arc::clone(&breaker))];
        let openings: usize = threads.map(|thread| thread.join().unwrap()).into_iter().sum();
        assert_eq!(openings, 1, "somebody counts and tells of it");
        assert!(breaker.is_tripped());
        assert!(!breaker.admits(|| now));
    });
}

/// What says whether to ask at all is the same as what is answered then, whoever was last.
#[test]
fn a_probe_that_fails_and_one_that_succeeds_leave_one_state() {
    loom::model(|| {
        let now = Instant::now();
        let breaker = opened(now);
        let later = now + REST;
        assert!(breaker.admits(|| later));
        breaker.succeeded();
        assert!(breaker.admits(|| later));
        let good = {
            let breaker = Arc::clone(&breaker);
            thread::spawn(move || breaker.succeeded())
        };
        let opened = breaker.failed(3, later);
        good.join().unwrap();
        // The success came first and closed it, or the failure opened it again.
        assert_eq!(breaker.is_tripped(), opened);
        assert_eq!(breaker.admits(|| later), !opened);
    });
}
