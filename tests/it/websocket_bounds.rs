//! How long WebSocket connections last, how many there may be, and what they hold (HARDENING P10, P11, F6).

use gateway_tests::service::{config, echo, handshake, head, noise, switching};
use gateway_tests::wait::{PATIENCE, until};
use gateway_tests::{Client, TestGateway};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// So many that what the allocator sets aside for any number of them does not count.
const TUNNELS: u64 = 128;

/// A connection on which the protocol was switched.
fn switch(gateway: &TestGateway) -> TcpStream {
    let mut stream = TcpStream::connect(gateway.address("public")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(handshake("/", "").as_bytes()).unwrap();
    let answer = head(&mut stream);
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    stream
}

/// Says something and hears it again.
fn talk(stream: &mut TcpStream) {
    stream.write_all(b"hello").unwrap();
    let mut heard = [0; 5];
    stream.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"hello");
}

/// Whether it is over, by an end or a failure.
fn is_over(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0]) {
        Ok(count) => count == 0,
        Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
    }
}

#[test]
fn p10_a_silent_tunnel_is_closed_and_a_talking_one_is_not() {
    let gateway = TestGateway::start(&config(switching(echo), "{ idle = \"1 s\" }"));
    let (mut silent, mut talking) = (switch(&gateway), switch(&gateway));
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(2) {
        talk(&mut talking);
        std::thread::sleep(Duration::from_millis(20));
    }
    silent.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    assert!(is_over(&mut silent), "P10: nothing came from either side");
    assert!(is_over(&mut talking), "P10: nor any more from this one");
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[test]
fn p10_a_client_that_takes_nothing_is_cut() {
    let (told, heard) = mpsc::channel();
    let service = switching(move |mut stream| {
        let piece = vec![0; 64 * 1024];
        while stream.write_all(&piece).is_ok() {}
        told.send(()).unwrap();
    });
    let listener = "address = \"127.0.0.1:0\"\ntimeouts = { write = \"300 ms\" }\n";
    let config = config(service, "true").replace("address = \"127.0.0.1:0\"\n", listener);
    let gateway = TestGateway::start(&config);
    let stalled = switch(&gateway);
    heard.recv_timeout(PATIENCE).expect("P10: the service is let go");
    drop(stalled);
}

/// Writes until nothing more is taken for a while.
fn fill(stream: &mut TcpStream, bytes: &[u8]) -> usize {
    stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let mut written = 0;
    while let Ok(count @ 1..) = stream.write(&bytes[written..]) {
        written += count;
    }
    written
}

#[test]
fn p11_a_side_that_takes_nothing_stalls_the_other_and_pins_little() {
    let (release, released) = crossed();
    let service = switching(move |mut stream| {
        let _ = released.lock().unwrap().recv();
        let mut taken = Vec::new();
        // Most clients go without waiting for it.
        let _ = stream.read_to_end(&mut taken);
        let _ = stream.write_all(format!("{:020}", taken.len()).as_bytes());
        let _ = stream.write_all(&taken);
    });
    let gateway = TestGateway::start(&config(service, "true"));
    drop(switch(&gateway));
    let before = gateway.held();
    let bytes = noise(32 << 20);
    let mut tunnels: Vec<_> = (0..TUNNELS).map(|_| switch(&gateway)).collect();
    let written: Vec<_> = std::thread::scope(|scope| {
        let filling: Vec<_> = tunnels.iter_mut().map(|tunnel| scope.spawn(|| fill(tunnel, &bytes))).collect();
        filling.into_iter().map(|filling| filling.join().unwrap()).collect()
    });
    let each = gateway.held_at_rest().saturating_sub(before) / TUNNELS;
    assert!(each <= 256, "P11: {each} KiB for each tunnel whose service takes nothing");
    drop(release);
    for (tunnel, written) in tunnels.iter_mut().zip(written).take(2) {
        assert!(written < bytes.len(), "P11: nothing held the client up");
        tunnel.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        tunnel.read_to_end(&mut answer).unwrap();
        assert_eq!(String::from_utf8_lossy(&answer[..20]), format!("{written:020}"));
        assert!(answer[20..] == bytes[..written], "other bytes came than were sent");
    }
}

#[test]
fn p11_a_client_that_takes_nothing_of_a_tunnel_pins_little() {
    let service = switching(|mut stream| {
        let piece = vec![0; 64 * 1024];
        while stream.write_all(&piece).is_ok() {}
    });
    let gateway = TestGateway::start(&config(service, "true"));
    drop(switch(&gateway));
    let before = gateway.held();
    let mut tunnels: Vec<_> = (0..TUNNELS).map(|_| switch(&gateway)).collect();
    for tunnel in &mut tunnels {
        // Fast at first, so that all buffers grow.
        tunnel.read_exact(&mut vec![0; 1 << 20]).unwrap();
    }
    let each = gateway.held_at_rest().saturating_sub(before) / TUNNELS;
    assert!(each <= 256, "P11: {each} KiB for each tunnel whose client takes nothing");
}

type Shared<T> = std::sync::Arc<std::sync::Mutex<T>>;

fn crossed() -> (mpsc::Sender<()>, Shared<mpsc::Receiver<()>>) {
    let (sender, receiver) = mpsc::channel();
    (sender, Shared::new(receiver.into()))
}

#[test]
fn a_tunnel_is_a_request_under_way() {
    let config = config(switching(echo), "true\nlimits = { requests = 1 }");
    let gateway = TestGateway::start(&config);
    let mut first = switch(&gateway);
    talk(&mut first);
    assert_eq!(gateway.client().ask(handshake("/", "")).status, 503);
    let active = || gateway.status()["upstreams"]["service"]["endpoints"][0]["active"].as_u64();
    assert_eq!(active(), Some(1));
    drop(first);
    until("its place is free", || (active() == Some(0)).then_some(()));
    talk(&mut switch(&gateway));
}

#[test]
fn f6_a_termination_gives_a_tunnel_the_time_to_end() {
    let mut gateway = TestGateway::start(&config(switching(echo), "true"));
    let mut tunnel = switch(&gateway);
    gateway.terminate();
    until("it takes no more connections", || (gateway.status()["state"] == "draining").then_some(()));
    talk(&mut tunnel);
    drop(tunnel);
    assert_eq!(gateway.exit_code(), Some(0));
}

#[test]
fn f6_a_tunnel_that_does_not_end_is_closed_after_the_drain() {
    let config = format!("[server]\ndrain = \"500 ms\"\n{}", config(switching(echo), "true"));
    let mut gateway = TestGateway::start(&config);
    let mut tunnel = switch(&gateway);
    gateway.terminate();
    assert!(is_over(&mut tunnel));
    assert_eq!(gateway.exit_code(), Some(0));
}

#[test]
fn a_reload_leaves_tunnels_as_they_are() {
    let service = switching(echo);
    let gateway = TestGateway::start(&config(service, "true"));
    let mut tunnel = switch(&gateway);
    gateway.configure(&config(service, "false").replace("\"/\"", "\"/other\""));
    gateway.wait_for_generation(2);
    talk(&mut tunnel);
    assert_eq!(Client::connect(gateway.address("public")).ask(handshake("/", "")).status, 404);
}
