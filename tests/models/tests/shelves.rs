//! Instances on the shelves of threads, in every order that threads can take.

use gateway_models::shelves::Shelves;
use gateway_models::sync::number;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

/// What stands for an instance: how many calls have it, and how many of its kind there are.
struct Instance {
    calls: AtomicUsize,
    live: Arc<AtomicUsize>,
}

impl Instance {
    fn new(live: &Arc<AtomicUsize>) -> Box<Self> {
        live.fetch_add(1, Ordering::Relaxed);
        Box::new(Self { calls: AtomicUsize::new(0), live: Arc::clone(live) })
    }

    fn call(&self) {
        assert_eq!(self.calls.fetch_add(1, Ordering::Relaxed), 0, "one call at a time");
        self.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        assert_eq!(self.calls.load(Ordering::Relaxed), 0, "none is dropped under a call");
        self.live.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A thread that calls twice beside another one, which does something else; what is idle afterwards is all there is.
fn beside(other: fn(&Shelves<Instance>, &Arc<AtomicUsize>)) {
    loom::model(move || {
        let (shelves, live) = (Arc::new(Shelves::default()), Arc::new(AtomicUsize::new(0)));
        shelves.put(Instance::new(&live));
        let (of_other, live_of_other) = (Arc::clone(&shelves), Arc::clone(&live));
        let thread = thread::spawn(move || {
            number(1);
            other(&of_other, &live_of_other);
        });
        call(&shelves, &live);
        call(&shelves, &live);
        assert!(thread.join().is_ok());
        assert_eq!(shelves.sum(|_| 1), live.load(Ordering::Relaxed));
        while shelves.take(|_| true).is_some() {}
        assert_eq!(live.load(Ordering::Relaxed), 0);
    });
}

fn call(shelves: &Shelves<Instance>, live: &Arc<AtomicUsize>) {
    let instance = shelves.take(|_| true).unwrap_or_else(|| Instance::new(live));
    instance.call();
    shelves.put(instance);
}

#[test]
fn an_instance_is_with_one_call_and_comes_back() {
    beside(call);
}

#[test]
fn what_makes_room_takes_none_from_a_call() {
    beside(|shelves, _| while shelves.shed() {});
}

#[test]
fn what_is_swept_is_gone_and_nothing_else() {
    beside(|shelves, _| shelves.sweep(|_| true));
}
