//! A DNS server that says what a test tells it.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;

/// A scripted DNS server on a port of its own, over UDP.
pub struct Dns {
    address: SocketAddr,
    zone: Arc<Mutex<Zone>>,
}

#[derive(Default)]
struct Zone {
    answers: HashMap<String, Answer>,
    asked: Vec<String>,
}

/// What it says of a name.
#[derive(Debug, Clone)]
pub enum Answer {
    /// Addresses; every question for another kind is answered with nothing.
    Addresses(Vec<Ipv4Addr>),
    /// SRV records: priority, weight, port, target.
    Services(Vec<(u16, u16, u16, &'static str)>),
    /// SERVFAIL.
    Failure,
    /// NXDOMAIN, as for each name that it was not told of.
    NoSuchName,
}

/// How long an answer holds, in seconds.
const TTL: u32 = 1;
const A: u16 = 1;
const SRV: u16 = 33;

impl Dns {
    /// Knows no name yet.
    ///
    /// # Panics
    /// There is no port.
    #[must_use]
    pub fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let zone = Arc::new(Mutex::new(Zone::default()));
        let answers = Arc::clone(&zone);
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok((length, peer)) = socket.recv_from(&mut buffer) {
                if let Some(answer) = answer(&buffer[..length], &answers) {
                    let _ = socket.send_to(&answer, peer);
                }
            }
        });
        Self { address, zone }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Says this of a name from now on.
    ///
    /// # Panics
    /// A test has failed already.
    pub fn say(&self, name: &str, answer: Answer) {
        self.zone.lock().unwrap().answers.insert(name.to_owned(), answer);
    }

    /// How often a name was asked for.
    ///
    /// # Panics
    /// A test has failed already.
    #[must_use]
    pub fn asked(&self, name: &str) -> usize {
        self.zone.lock().unwrap().asked.iter().filter(|asked| *asked == name).count()
    }
}

fn answer(query: &[u8], zone: &Mutex<Zone>) -> Option<Vec<u8>> {
    let (name, end) = name(query)?;
    let kind = u16::from_be_bytes(query.get(end..end + 2)?.try_into().ok()?);
    let mut zone = zone.lock().unwrap();
    let known = zone.answers.get(&name).cloned().unwrap_or(Answer::NoSuchName);
    zone.asked.push(name);
    let (code, records): (u8, Vec<Vec<u8>>) = match known {
        Answer::Addresses(addresses) if kind == A => {
            (0, addresses.iter().map(|address| address.octets().to_vec()).collect())
        }
        Answer::Services(services) if kind == SRV => (0, services.into_iter().map(service).collect()),
        Answer::Addresses(_) | Answer::Services(_) => (0, Vec::new()),
        Answer::Failure => (2, Vec::new()),
        Answer::NoSuchName => (3, Vec::new()),
    };
    let mut message = query.get(..2)?.to_vec();
    message.extend([0x81, 0x80 | code, 0, 1]);
    message.extend(u16::try_from(records.len()).ok()?.to_be_bytes());
    message.extend([0; 4]);
    message.extend(query.get(12..end + 4)?);
    for record in records {
        // The name is that of the question.
        message.extend([0xc0, 12]);
        message.extend(kind.to_be_bytes());
        message.extend([0, 1]);
        message.extend(TTL.to_be_bytes());
        message.extend(u16::try_from(record.len()).ok()?.to_be_bytes());
        message.extend(record);
    }
    Some(message)
}

fn service((priority, weight, port, target): (u16, u16, u16, &str)) -> Vec<u8> {
    let mut record = [priority, weight, port].map(u16::to_be_bytes).concat();
    for label in target.split('.') {
        record.push(u8::try_from(label.len()).unwrap());
        record.extend(label.bytes());
    }
    record.push(0);
    record
}

/// The name that is asked for, and where it ends.
fn name(query: &[u8]) -> Option<(String, usize)> {
    let (mut labels, mut at) = (Vec::new(), 12);
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            return Some((labels.join("."), at));
        }
        labels.push(String::from_utf8_lossy(query.get(at..at + length)?).to_ascii_lowercase());
        at += length;
    }
}
