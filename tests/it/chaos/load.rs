//! Clients that ask all the time, and judge what they are answered by what is going wrong at that moment.

use super::service::BODY;
use gateway_tests::Client;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long a trouble may be felt after its end: endpoints are left out for a while, and connections are found dead when they are used.
const AFTERMATH: Duration = Duration::from_secs(3);

/// What goes wrong on purpose. Times are of the last moment of it.
#[derive(Default)]
pub(super) struct Troubles {
    upstream: Mutex<Option<Instant>>,
    descriptors: Mutex<Option<Instant>>,
}

impl Troubles {
    pub(super) fn upstream(&self) {
        *self.upstream.lock().unwrap() = Some(Instant::now());
    }

    pub(super) fn descriptors(&self) {
        *self.descriptors.lock().unwrap() = Some(Instant::now());
    }

    fn is_felt(&self, since: Instant) -> bool {
        let felt = |last: &Mutex<Option<Instant>>| last.lock().unwrap().is_some_and(|last| last + AFTERMATH > since);
        felt(&self.upstream) || felt(&self.descriptors)
    }

    fn lacks_descriptors(&self, since: Instant) -> bool {
        self.descriptors.lock().unwrap().is_some_and(|last| last + AFTERMATH > since)
    }
}

/// What was seen, of all clients.
#[derive(Default, Debug)]
pub(super) struct Seen {
    pub(super) asked: u64,
    /// By what explains them.
    pub(super) explained: BTreeMap<String, u64>,
    /// In words.
    pub(super) unexplained: Vec<String>,
}

pub(super) struct Load {
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Seen>>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    pub(super) fn start(address: SocketAddr, troubles: &Arc<Troubles>) -> Self {
        let (stop, seen) = (Arc::<AtomicBool>::default(), Arc::<Mutex<Seen>>::default());
        let clients = ["/plain", "/plugin", "/cached", "/word"].map(|path| {
            let (stop, seen, troubles) = (Arc::clone(&stop), Arc::clone(&seen), Arc::clone(troubles));
            thread::spawn(move || ask(address, path, &stop, &seen, &troubles))
        });
        Self { stop, seen, clients: clients.into() }
    }

    pub(super) fn finish(self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        self.clients.into_iter().for_each(|client| client.join().unwrap());
        Arc::into_inner(self.seen).unwrap().into_inner().unwrap()
    }
}

fn ask(address: SocketAddr, path: &'static str, stop: &AtomicBool, seen: &Mutex<Seen>, troubles: &Troubles) {
    let mut client = Client::connect(address);
    while !stop.load(Ordering::Relaxed) {
        let start = Instant::now();
        client.send(format!("GET {path} HTTP/1.1\r\nhost: shop.example\r\n\r\n"));
        let answer = client.response();
        let mut seen = seen.lock().unwrap();
        seen.asked += 1;
        let is_own = path == "/word";
        match answer {
            Some(answer) if answer.status == 200 && (is_own || answer.text() == BODY) => {}
            Some(answer) if !is_own && (502..=504).contains(&answer.status) && troubles.is_felt(start) => {
                *seen.explained.entry(format!("{} while a service was dead", answer.status)).or_default() += 1;
            }
            None if !is_own && troubles.is_felt(start) => {
                *seen.explained.entry("an answer cut with its service".to_owned()).or_default() += 1;
                client = Client::connect(address);
            }
            None if troubles.lacks_descriptors(start) => {
                *seen.explained.entry("no descriptor left".to_owned()).or_default() += 1;
                client = Client::connect(address);
            }
            None => {
                seen.unexplained.push(format!("{path}: the connection was closed"));
                client = Client::connect(address);
            }
            Some(answer) => seen.unexplained.push(format!("{path}: {} {:?}", answer.status, answer.text())),
        }
        drop(seen);
        // Change is looked at here, not speed.
        thread::sleep(Duration::from_millis(1));
    }
}
