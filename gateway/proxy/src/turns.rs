//! Requests begin a few at a time, so that they end while the processor's caches still hold what they are made of.
//!
//! A worker with more to do than it can finds both requests to begin and answers to pass on whenever it looks at its sockets. Taken
//! as they come, they would put nearly every connection's request under way before the first has its answer. So a *turn*, what a
//! worker does between two looks at its sockets while somebody waits, begins [`BEGUN`] of them, and whatever is under way goes on. Who
//! comes too late has a place in a queue, and its request stays with the kernel. Nothing waits while the worker could rest: a turn ends
//! as soon as there is nothing else to do, or with as many tasks as the runtime runs before it looks again (its `event_interval`).
//! Beside answers that always have more nothing stays in caches, and all begin who wait.
//!
//! That the runtime wakes who yields behind those that its look at the sockets woke is what tokio does, and not what it promises.

use gateway_core::clock;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use tokio::task::yield_now;

/// Requests that begin in a turn. What so many use, 17 KiB each, is in the second cache of any server.
const BEGUN: usize = 8;

thread_local! {
    static TURN: RefCell<Turn> = RefCell::new(Turn::new());
}

/// The turn that this thread is at.
struct Turn {
    /// How many may still begin in it.
    left: usize,
    /// Requests that began of late, and looks at connections with one under way.
    began: usize,
    went_on: usize,
    waiting: VecDeque<Waker>,
    /// How many of those that ever waited need not any more. A place is a number of the same count.
    called: u64,
    /// Whether the runtime will say when this turn ends.
    is_watched: bool,
    /// What the runtime wakes for that.
    end: Waker,
}

struct End;

impl Wake for End {
    fn wake(self: Arc<Self>) {
        next();
    }
}

impl Turn {
    fn new() -> Self {
        Self {
            left: BEGUN,
            began: 0,
            went_on: 0,
            waiting: VecDeque::new(),
            called: 0,
            is_watched: false,
            end: Waker::from(Arc::new(End)),
        }
    }

    /// Who is next, if one more may begin.
    fn call(&mut self) -> Option<Waker> {
        if self.left == 0 {
            return None;
        }
        let waker = self.waiting.pop_front()?;
        self.left -= 1;
        self.called += 1;
        Some(waker)
    }

    fn next(&mut self) {
        self.left = if self.is_crowded() { BEGUN + self.waiting.len() } else { BEGUN };
        self.is_watched = false;
        // What was more than some eight turns ago hardly counts.
        self.began -= self.began.div_ceil(8);
        self.went_on -= self.went_on.div_ceil(8);
    }

    /// Whether much goes on that is no short request: that takes one look more, seldom two.
    fn is_crowded(&self) -> bool {
        self.went_on > self.began + self.began / 2 + BEGUN
    }
}

/// To be called when a worker is about to rest.
pub(crate) fn rest() {
    clock::sleeps();
    next();
    // Who is called does this too, unless it is gone.
    watch();
}

/// A connection goes on with what is under way.
pub(crate) fn goes_on() {
    TURN.with_borrow_mut(|turn| turn.went_on += 1);
}

/// A request begins that waits for no turn.
pub(crate) fn begins() {
    TURN.with_borrow_mut(|turn| turn.began += 1);
}

/// The connection whose turn it was began nothing, or its request has ended in the same look.
pub(crate) fn give_back() {
    let next = TURN.with_borrow_mut(|turn| {
        turn.left += 1;
        turn.began = turn.began.saturating_sub(1);
        turn.call()
    });
    if let Some(waker) = next {
        waker.wake();
    }
}

/// Begins the next turn of this thread. It watches nothing: the runtime that wakes for the end of a turn takes no other wish meanwhile.
fn next() {
    TURN.with_borrow_mut(Turn::next);
    while let Some(waker) = TURN.with_borrow_mut(Turn::call) {
        waker.wake();
    }
}

/// Has the runtime say when this turn ends, where somebody waits for that.
fn watch() {
    let end = TURN.with_borrow_mut(|turn| {
        let is_unwatched = !turn.is_watched && !turn.waiting.is_empty();
        turn.is_watched |= is_unwatched;
        is_unwatched.then(|| turn.end.clone())
    });
    if let Some(end) = end {
        // The runtime wakes who yields once it has looked at its sockets, behind those that this woke.
        let _ = pin!(yield_now()).poll(&mut Context::from_waker(&end));
    }
}

/// A connection's place among those that wait on this thread, where it has one. Its task must not end before its turn: it is the tasks
/// that are called which have the next turn watched.
#[derive(Debug, Default)]
pub(crate) struct Place(Option<u64>);

impl Place {
    /// Whether the connection, of which nothing is under way, may begin something. Once said it is forgotten: the next time is another one.
    pub(crate) fn poll_turn(&mut self, context: &Context<'_>) -> Poll<()> {
        let polled = TURN.with_borrow_mut(|turn| match self.0 {
            Some(place) if place < turn.called => {
                self.0 = None;
                turn.began += 1;
                Poll::Ready(())
            }
            // Woken by something else meanwhile.
            Some(_) => Poll::Pending,
            None if turn.left > 0 && turn.waiting.is_empty() => {
                turn.left -= 1;
                turn.began += 1;
                Poll::Ready(())
            }
            None => {
                self.0 = Some(turn.called + turn.waiting.len() as u64);
                turn.waiting.push_back(context.waker().clone());
                Poll::Pending
            }
        });
        watch();
        polled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::rc::Rc;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use tokio::runtime::{Builder, Runtime};
    use tokio::task::{LocalSet, spawn_local};

    fn runtime() -> Runtime {
        Builder::new_current_thread().on_thread_park(rest).build().unwrap()
    }

    async fn begin(number: usize, begun: Rc<RefCell<Vec<usize>>>) {
        let mut place = Place::default();
        poll_fn(|context| place.poll_turn(context)).await;
        begun.borrow_mut().push(number);
    }

    #[test]
    fn so_many_begin_in_a_turn_and_the_others_after_them_in_order() {
        let begun = Rc::new(RefCell::new(Vec::new()));
        let all = 3 * BEGUN + 1;
        let seen = LocalSet::new().block_on(&runtime(), async {
            let tasks: Vec<_> = (0..all).map(|number| spawn_local(begin(number, Rc::clone(&begun)))).collect();
            let mut seen = Vec::new();
            while begun.borrow().len() < all {
                seen.push(begun.borrow().len());
                yield_now().await;
            }
            for task in tasks {
                task.await.unwrap();
            }
            seen
        });
        assert_eq!(*begun.borrow(), (0..all).collect::<Vec<_>>());
        let steps = seen.iter().zip(seen.iter().skip(1)).map(|(before, after)| after - before);
        assert!(steps.max().is_some_and(|most| most <= BEGUN), "{seen:?}");
    }

    /// Also where the runtime always has a task, and so looks at its sockets by count.
    #[test]
    fn they_begin_beside_work_that_never_ends() {
        let (is_over, begun) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let all = 3 * BEGUN;
        runtime().block_on(async {
            for _ in 0..200 {
                let is_over = Arc::clone(&is_over);
                tokio::spawn(poll_fn(move |context| {
                    context.waker().wake_by_ref();
                    if is_over.load(Ordering::Relaxed) { Poll::Ready(()) } else { Poll::Pending }
                }));
            }
            for _ in 0..all {
                let begun = Arc::clone(&begun);
                tokio::spawn(async move {
                    let mut place = Place::default();
                    poll_fn(|context| place.poll_turn(context)).await;
                    begun.fetch_add(1, Ordering::Relaxed);
                });
            }
            let mut before = 0;
            while before < all {
                yield_now().await;
                let now = begun.load(Ordering::Relaxed);
                assert!(now - before <= BEGUN, "{before} {now}");
                before = now;
            }
            is_over.store(true, Ordering::Relaxed);
        });
    }

    #[test]
    fn all_begin_who_wait_where_much_goes_on_that_never_ends() {
        // How many of 100 begin at first and in the next turn, where so many looks at others were between.
        for (went_on, expected) in [(0, [BEGUN, BEGUN]), (2 * BEGUN, [BEGUN, BEGUN]), (4 * BEGUN, [BEGUN, 100 - BEGUN])]
        {
            let begun = runtime().block_on(async {
                let nobody = &Context::from_waker(Waker::noop());
                let mut places: Vec<_> = (0..100).map(|_| Place::default()).collect();
                let mut begin = || places.extract_if(.., |place| place.poll_turn(nobody).is_ready()).count();
                TURN.set(Turn::new());
                let first = begin();
                (0..went_on).for_each(|_| goes_on());
                next();
                [first, begin()]
            });
            assert_eq!(begun, expected, "{went_on}");
        }
    }

    #[test]
    fn who_is_woken_by_something_else_keeps_its_place_and_who_is_gone_delays_nobody() {
        let begun = Rc::new(RefCell::new(Vec::new()));
        LocalSet::new().block_on(&runtime(), async {
            let nobody = &Context::from_waker(Waker::noop());
            let mut first: Vec<_> = (0..BEGUN).map(|_| Place::default()).collect();
            assert!(first.iter_mut().all(|place| place.poll_turn(nobody).is_ready()));
            let mut gone: Vec<_> = (0..2 * BEGUN).map(|_| Place::default()).collect();
            for _ in 0..2 {
                assert!(gone.iter_mut().all(|place| place.poll_turn(nobody).is_pending()));
            }
            drop(gone);
            spawn_local(begin(1, Rc::clone(&begun))).await.unwrap();
        });
        assert_eq!(*begun.borrow(), [1]);
    }

    #[test]
    fn a_turn_given_back_is_the_next_ones() {
        let begun = Rc::new(RefCell::new(Vec::new()));
        LocalSet::new().block_on(&runtime(), async {
            for number in 0..BEGUN + 2 {
                spawn_local(begin(number, Rc::clone(&begun)));
            }
            spawn_local(async { give_back() });
            spawn_local(begin(BEGUN + 2, Rc::clone(&begun)));
            yield_now().await;
            assert_eq!(begun.borrow().len(), BEGUN + 1);
            yield_now().await;
            assert_eq!(*begun.borrow(), (0..BEGUN + 3).collect::<Vec<_>>());
        });
    }
}
