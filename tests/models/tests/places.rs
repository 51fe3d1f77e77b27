//! Places in a queue, in every order that threads can take.

use gateway_models::places::Places;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

#[test]
fn no_more_than_there_are_and_each_is_given_back() {
    loom::model(|| {
        let places = Arc::new(Places::new(1));
        let waiting = Arc::new(AtomicUsize::new(0));
        let wait = || {
            let (places, waiting) = (Arc::clone(&places), Arc::clone(&waiting));
            thread::spawn(move || {
                let place = places.take();
                if place.is_some() {
                    assert_eq!(waiting.fetch_add(1, Ordering::Relaxed), 0, "one place, one that waits");
                    waiting.fetch_sub(1, Ordering::Relaxed);
                }
                drop(place);
            })
        };
        let threads = [wait(), wait()];
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(places.taken(), 0);
        assert!(places.take().is_some());
    });
}
