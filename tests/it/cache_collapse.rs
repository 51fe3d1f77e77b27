//! Many ask for the same at once: the service is asked once, and nobody waits for nothing.

use crate::cache::{cached, told};
use gateway_tests::http2::{self, Http2, frame, kind};
use gateway_tests::upstream::Received;
use gateway_tests::wait::until;
use gateway_tests::{Client, Reply, Response, TestGateway, Upstream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

/// What a service does not answer before.
#[derive(Clone, Default)]
pub(crate) struct Gate {
    arrived: Arc<AtomicUsize>,
    is_open: Arc<AtomicBool>,
}

impl Gate {
    /// A service behind a gate.
    pub(crate) fn before(script: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> (Self, Upstream) {
        let gate = Self::default();
        let inside = gate.clone();
        let upstream = Upstream::start(move |request| {
            inside.arrived.fetch_add(1, Ordering::SeqCst);
            until("the gate opens", || inside.is_open.load(Ordering::SeqCst).then_some(()));
            script(request)
        });
        (gate, upstream)
    }

    /// Waits until so many stand before it.
    pub(crate) fn arrived(&self, count: usize) {
        until("they arrive", || (self.arrived.load(Ordering::SeqCst) == count).then_some(()));
    }

    pub(crate) fn open(&self) {
        self.is_open.store(true, Ordering::SeqCst);
    }

    fn close(&self) {
        self.is_open.store(false, Ordering::SeqCst);
    }
}

/// Asks on a connection and a thread of its own.
pub(crate) fn ask(gateway: &TestGateway, path: &str, fields: &str) -> JoinHandle<Response> {
    let (mut client, path, fields) = (gateway.client(), path.to_owned(), fields.to_owned());
    thread::spawn(move || client.get_with(&path, &fields))
}

fn waiting(gateway: &TestGateway, count: u64) {
    until("the others wait", || (gateway.counter("cache.collapsed") == count).then_some(()));
}

#[test]
fn the_service_is_asked_once() {
    let (gate, upstream) = Gate::before(|_| Reply::with("200 OK", "cache-control: max-age=1000\r\n", "a"));
    let gateway = cached(&upstream, "true");
    let asking: Vec<_> = (0..20).map(|_| ask(&gateway, "/", "")).collect();
    gate.arrived(1);
    waiting(&gateway, 19);
    gate.open();
    let mut told: Vec<_> = asking.into_iter().map(|asking| told(&asking.join().unwrap())).collect();
    told.sort();
    assert!(told.iter().all(|(body, _)| body == "a"));
    assert_eq!(told.iter().filter(|(_, status)| status.ends_with("; collapsed")).count(), 19, "{told:?}");
    assert_eq!(upstream.received().len(), 1);
}

#[test]
fn when_the_answer_is_not_to_be_shared_all_go_at_once() {
    let others = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&others);
    let (gate, upstream) = Gate::before(move |_| {
        // The first one goes; each of the others waits for all of the others.
        if seen.fetch_add(1, Ordering::SeqCst) > 0 {
            until("all others ask at once", || (seen.load(Ordering::SeqCst) >= 10).then_some(()));
        }
        Reply::with("200 OK", "cache-control: no-store\r\n", "a")
    });
    let gateway = cached(&upstream, "true");
    let asking: Vec<_> = (0..10).map(|_| ask(&gateway, "/", "")).collect();
    gate.arrived(1);
    waiting(&gateway, 9);
    gate.open();
    for asking in asking {
        assert_eq!(told(&asking.join().unwrap()), ("a".into(), "gateway; fwd=uri-miss".into()));
    }
    assert_eq!(upstream.received().len(), 10);
    // For a while nobody waits for the like of it any more.
    let more: Vec<_> = (0..5).map(|_| ask(&gateway, "/", "")).collect();
    for asking in more {
        assert_eq!(asking.join().unwrap().status, 200);
    }
    assert_eq!(gateway.counter("cache.collapsed"), 9);
}

#[test]
fn another_one_asks_when_the_first_has_gone() {
    let (gate, upstream) = Gate::before(|_| Reply::with("200 OK", "cache-control: max-age=1000\r\n", "a"));
    let gateway = cached(&upstream, "{ collapse = \"20 s\" }");
    // Over HTTP/1.1 a client that has gone is not told from one that has only said all it had to say.
    let mut first = Http2::connect(gateway.address("public"), &[]);
    first.send(http2::get(1, "/"));
    gate.arrived(1);
    let asking: Vec<_> = (0..3).map(|_| ask(&gateway, "/", "")).collect();
    waiting(&gateway, 3);
    first.send(frame(kind::RST_STREAM, 0, 1, &8u32.to_be_bytes()));
    // One of them flies, the other two wait again.
    gate.arrived(2);
    waiting(&gateway, 5);
    gate.open();
    for asking in asking {
        assert_eq!(asking.join().unwrap().body, b"a");
    }
    assert_eq!(gateway.counter("cache.stored"), 1);
}

#[test]
fn when_the_service_fails_all_who_wait_get_what_is_stale() {
    let is_down = Arc::new(AtomicBool::new(false));
    let down = Arc::clone(&is_down);
    let (gate, upstream) = Gate::before(move |_| match down.load(Ordering::SeqCst) {
        true => Reply::Reset,
        false => Reply::with("200 OK", "cache-control: max-age=10, stale-if-error=1000\r\nage: 20\r\n", "a"),
    });
    let gateway = cached(&upstream, "{ collapse = \"20 s\" }");
    let first = ask(&gateway, "/", "");
    gate.arrived(1);
    gate.open();
    assert_eq!(first.join().unwrap().status, 200);
    gate.close();
    is_down.store(true, Ordering::SeqCst);
    let asking: Vec<_> = (0..10).map(|_| ask(&gateway, "/", "")).collect();
    gate.arrived(2);
    waiting(&gateway, 9);
    gate.open();
    for asking in asking {
        assert_eq!(told(&asking.join().unwrap()).0, "a");
    }
    // One of them has asked, again on a new connection and again by the default of `retry`: none of the others.
    assert!(upstream.received().len() <= 4, "{}", upstream.received().len());
}

#[test]
fn nobody_waits_for_longer_than_the_route_says() {
    let (gate, upstream) = Gate::before(|_| Reply::with("200 OK", "cache-control: max-age=1000\r\n", "a"));
    for (cache, waited) in [("{ collapse = \"10 ms\" }", 2), ("{ collapse = false }", 0)] {
        let before = gate.arrived.load(Ordering::SeqCst);
        let gateway = cached(&upstream, cache);
        let asking: Vec<_> = (0..3).map(|_| ask(&gateway, "/", "")).collect();
        gate.arrived(before + 3);
        assert_eq!(gateway.counter("cache.collapsed"), waited, "{cache}");
        drop(asking);
    }
    gate.open();
}

#[test]
fn a_client_that_reads_slowly_keeps_nobody_waiting() {
    let body = "x".repeat(800_000);
    let upstream = Upstream::start(move |_| Reply::with("200 OK", "cache-control: max-age=1000\r\n", &body));
    let gateway = cached(&upstream, "{ collapse = \"20 s\" }");
    let mut slow = gateway.client();
    // It never reads.
    slow.send("GET / HTTP/1.1\r\nhost: shop.example\r\n\r\n");
    until("the answer is stored all the same", || (gateway.counter("cache.stored") == 1).then_some(()));
    let hit = Client::connect(gateway.address("public")).get("/");
    assert_eq!((hit.body.len(), upstream.received().len()), (800_000, 1));
}
