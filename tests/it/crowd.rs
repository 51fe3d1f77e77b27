//! More connections than begin a request in one turn of a worker, at once: all of them get their answer.

use gateway_tests::gateway::Setup;
use gateway_tests::wait::until;
use gateway_tests::{Client, Reply, Upstream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

const CLIENTS: usize = 100;

/// Ends the others when this test does, however it does.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn answers(clients: &mut [Client]) {
    clients.iter_mut().for_each(|client| client.send("GET /small HTTP/1.1\r\nhost: a\r\n\r\n"));
    for (number, client) in clients.iter_mut().enumerate() {
        let response = client.response().unwrap_or_else(|| panic!("an answer for client {number}"));
        assert_eq!((response.status, response.text().as_str()), (200, "ok"));
    }
}

#[test]
fn all_that_ask_at_once_are_answered_beside_answers_that_always_have_more() {
    let large = "x".repeat(1 << 20);
    let upstream = Upstream::start(move |request| Reply::ok(if request.target() == "/large" { &large } else { "ok" }));
    let gateway = Setup::new(&upstream.config()).argument("--threads=1").start();
    let clients = || (0..CLIENTS).map(|_| gateway.client()).collect::<Vec<_>>();
    let mut known = clients();
    // Nothing goes on beside them yet.
    answers(&mut known);
    answers(&mut known);

    let (is_over, large) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut client = gateway.client();
                while !is_over.load(Ordering::Relaxed) {
                    assert_eq!(client.get("/large").body.len(), 1 << 20);
                    large.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let over = Over(&is_over);
        let before = until("all have had one", || Some(large.load(Ordering::Relaxed)).filter(|count| *count >= 8));
        answers(&mut known);
        let mut new = clients();
        answers(&mut new);
        answers(&mut known);
        assert!(large.load(Ordering::Relaxed) > before, "nothing was beside them");
        drop(over);
    });
}
