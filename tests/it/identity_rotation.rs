//! Keys that change under load, and issuers that are away.

use crate::identity::{ask, bearer, setup};
use gateway_tests::issuer::now;
use gateway_tests::wait::until;
use gateway_tests::{Client, Key, KeyServer, Reply, TestGateway, Upstream};
use serde_json::json;
use std::iter;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

fn gateway(service: &Upstream, server: &KeyServer, more: &str) -> TestGateway {
    let section = format!(
        "config = {{ issuers = [{{ jwks-url = \"upstream://idp/keys\"{more} }}] }}\n\
         grants = {{ identity = true, crypto = true, http = [\"idp\"] }}"
    );
    setup(service, &[("jwt", &section)], &server.section()).start()
}

fn token(key: &Key, name: &str) -> String {
    bearer(&key.token(&json!({ "sub": name, "exp": now() + 600 })))
}

/// Clients that ask with good and with bad tokens until they are told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    good: Arc<Mutex<Vec<String>>>,
    wrong: Arc<Mutex<Vec<String>>>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Load {
    fn start(address: SocketAddr, clients: usize, good: Vec<String>, bad: &[String]) -> Self {
        let mut load = Self {
            stop: Arc::default(),
            asked: Arc::default(),
            good: Arc::new(Mutex::new(good)),
            wrong: Arc::default(),
            threads: Vec::new(),
        };
        for number in 0..clients {
            let (stop, asked, good, wrong) =
                (Arc::clone(&load.stop), Arc::clone(&load.asked), Arc::clone(&load.good), Arc::clone(&load.wrong));
            let bad = bad.to_vec();
            load.threads.push(thread::spawn(move || {
                let mut client = Client::connect(address);
                let mut turn = number;
                while !stop.load(Ordering::Relaxed) {
                    let fields = {
                        let good = good.lock().unwrap();
                        good[turn % good.len()].clone()
                    };
                    let answer = client.get_with("/", &fields);
                    if answer.status != 200 {
                        wrong.lock().unwrap().push(format!("a good token: {answer:?}"));
                    }
                    let answer = client.get_with("/", &bad[turn % bad.len()]);
                    if answer.status != 401 {
                        wrong.lock().unwrap().push(format!("a bad token: {answer:?}"));
                    }
                    asked.fetch_add(1, Ordering::Relaxed);
                    turn += 1;
                }
            }));
        }
        load
    }

    /// Waits for this many rounds more.
    fn rounds(&self, count: usize) {
        let enough = self.asked.load(Ordering::Relaxed) + count;
        until("the clients go on", || (self.asked.load(Ordering::Relaxed) >= enough).then_some(()));
    }

    fn end(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().unwrap();
        }
        let wrong = self.wrong.lock().unwrap();
        assert!(wrong.is_empty(), "{} of {}: {}", wrong.len(), self.asked.load(Ordering::Relaxed), wrong[0]);
        self.asked.load(Ordering::Relaxed)
    }
}

/// The issuer goes from one key to the next five times, as issuers do: the new one is published when it begins to sign, the old
/// one stays until its tokens are gone. No good token is refused, no bad one is let in.
#[test]
fn keys_are_rotated_under_load() {
    let service = Upstream::ok();
    let mut old = Key::elliptic("key-0");
    let server = KeyServer::start(&[&old]);
    let gateway = gateway(&service, &server, ", cooldown = 1");
    let forged: Vec<_> = (0..6).map(|number| token(&Key::elliptic(&format!("key-{number}")), "root")).collect();
    let load = Load::start(gateway.address("public"), 8, vec![token(&old, "alice")], &forged);
    load.rounds(50);
    for number in 1..6 {
        let new = Key::elliptic(&format!("key-{number}"));
        server.publish(&[&old, &new]);
        // Not sooner than a cooldown after the last fetch: forged tokens have used that one up.
        let asked = server.asked();
        until("the keys may be fetched again", || (server.asked() > asked).then_some(()));
        *load.good.lock().unwrap() = vec![token(&old, "alice"), token(&new, "alice")];
        load.rounds(100);
        *load.good.lock().unwrap() = vec![token(&new, "alice")];
        load.rounds(20);
        server.publish(&[&new]);
        old = new;
    }
    let rounds = load.end();
    assert!(server.asked() < rounds / 4, "{} fetches for {rounds} rounds", server.asked());
}

/// Nobody has keys yet, and a hundred ask at once: the issuer is asked once.
#[test]
fn a_crowd_at_the_start_is_no_stampede() {
    let (service, key) = (Upstream::ok(), Key::rsa("one"));
    let server = KeyServer::start(&[&key]);
    let gateway = gateway(&service, &server, "");
    let (address, fields) = (gateway.address("public"), token(&key, "alice"));
    let asked = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..40 {
            scope.spawn(|| {
                assert_eq!(Client::connect(address).get_with("/", &fields).status, 200);
                asked.fetch_add(1, Ordering::Relaxed);
            });
        }
    });
    assert_eq!((asked.into_inner(), server.asked()), (40, 1));
}

/// The issuer does not answer the first time it is asked: the next ones do not wait for a whole cooldown.
#[test]
fn a_first_fetch_that_fails_keeps_nobody_out_for_long() {
    let (service, key) = (Upstream::ok(), Key::rsa("one"));
    let keys = json!({ "keys": [key.jwk()] }).to_string();
    let first = AtomicBool::new(true);
    let idp = Upstream::start(move |_| match first.swap(false, Ordering::Relaxed) {
        true => Reply::Stall(Vec::new()),
        false => Reply::ok(&keys),
    });
    let section = "config = { issuers = [{ jwks-url = \"upstream://idp/keys\", cooldown = 60 }] }\n\
                   grants = { identity = true, crypto = true, http = [\"idp\"] }";
    let idp_section = format!("[upstream.idp]\nendpoints = [\"{}\"]\n", idp.url());
    let gateway = setup(&service, &[("jwt", section)], &idp_section).start();
    let begin = std::time::Instant::now();
    assert_eq!(ask(&gateway, "/", &token(&key, "alice")).status, 503);
    until("the issuer is asked again", || (ask(&gateway, "/", &token(&key, "alice")).status == 200).then_some(()));
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    assert_eq!(idp.received().len(), 2);
}

/// A new key's tokens are good as soon as somebody asks for it; tokens of keys that nobody knows cost the issuer little.
#[test]
fn unknown_keys_are_asked_for_and_rarely() {
    let (service, one, two) = (Upstream::ok(), Key::elliptic("one"), Key::elliptic("two"));
    let server = KeyServer::start(&[&one]);
    let gateway = gateway(&service, &server, ", cooldown = 1");
    assert_eq!(ask(&gateway, "/", &token(&one, "alice")).status, 200);
    server.publish(&[&one, &two]);
    let answer = until("the cooldown passes", || {
        let answer = ask(&gateway, "/", &token(&two, "bob"));
        (answer.status == 200).then_some(answer)
    });
    assert_eq!((answer.status, server.asked()), (200, 2));
    let strange = Key::elliptic("strange");
    for number in 0..200 {
        assert_eq!(ask(&gateway, "/", &token(&strange, &format!("nobody-{number}"))).status, 401);
    }
    assert!(server.asked() < 12, "{}", server.asked());
}

/// A crowd with keys that nobody knows waits for an issuer that does not answer: whoever has a known one is served all the same.
#[test]
fn a_crowd_of_strangers_keeps_nobody_out() {
    let (service, key) = (Upstream::ok(), Key::elliptic("one"));
    let keys = json!({ "keys": [key.jwk()] }).to_string();
    let first = AtomicBool::new(true);
    let idp = Upstream::start(move |_| match first.swap(false, Ordering::Relaxed) {
        true => Reply::ok(&keys),
        false => Reply::Stall(Vec::new()),
    });
    let section = "config = { issuers = [{ jwks-url = \"upstream://idp/keys\", cooldown = 1 }] }\n\
                   grants = { identity = true, crypto = true, http = [\"idp\"] }";
    let idp_section = format!("[upstream.idp]\nendpoints = [\"{}\"]\n", idp.url());
    let gateway = setup(&service, &[("jwt", section)], &idp_section).start();
    assert_eq!(ask(&gateway, "/", &token(&key, "alice")).status, 200);
    let address = gateway.address("public");
    let strange = token(&Key::elliptic("strange"), "nobody");
    let stranger = || {
        let mut client = Client::connect(address);
        client.send(format!("GET / HTTP/1.1\r\nhost: a\r\n{strange}\r\n"));
        client
    };
    // Until the cooldown has passed each is refused at once; then one asks, and some of those that come after it wait for that.
    let first = until("the issuer is asked again", || {
        let one = stranger();
        let asks = until("a stranger asks, or is refused", || match idp.received().len() > 1 {
            false => is_answered(&one).then_some(false),
            true => Some(true),
        });
        asks.then_some(one)
    });
    let crowd: Vec<_> = iter::once(first).chain((1..150).map(|_| stranger())).collect();
    let mut client = gateway.client();
    for _ in 0..50 {
        assert_eq!(client.get_with("/", &token(&key, "alice")).status, 200);
    }
    for mut client in crowd {
        assert_eq!(client.response().unwrap().status, 401);
    }
}

/// Whether an answer has begun to come.
fn is_answered(client: &Client) -> bool {
    let stream = client.stream();
    stream.set_nonblocking(true).unwrap();
    let came = stream.peek(&mut [0]).is_ok_and(|count| count > 0);
    stream.set_nonblocking(false).unwrap();
    came
}

/// The issuer is away: who has its keys goes on for as long as it was said, and nobody is let in without any.
#[test]
fn keys_outlive_their_issuer_for_a_while() {
    let (service, key) = (Upstream::ok(), Key::elliptic("one"));
    let server = KeyServer::start(&[&key]);
    let never = gateway(&service, &server, ", refresh = 1, cooldown = 1, keep = 3");
    server.fail();
    let answer = ask(&never, "/", &token(&key, "alice"));
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")), "fails closed");
    server.publish(&[&key]);
    until("the issuer is back", || (ask(&never, "/", &token(&key, "alice")).status == 200).then_some(()));

    let begin = std::time::Instant::now();
    server.fail();
    let asked = server.asked();
    until("a refresh has failed", || {
        assert_eq!(ask(&never, "/", &token(&key, "alice")).status, 200, "after {:?}", begin.elapsed());
        (server.asked() > asked).then_some(())
    });
    let answer = until("the keys are too old", || {
        let answer = ask(&never, "/", &token(&key, "alice"));
        (answer.status != 200).then_some(answer)
    });
    assert_eq!(answer.status, 503);
    assert!(begin.elapsed() > Duration::from_millis(1500), "{:?}", begin.elapsed());
    assert!(never.log().contains("keys could not be fetched"), "{}", never.log());
}
