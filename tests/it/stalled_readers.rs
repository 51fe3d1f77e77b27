//! HARDENING P11: a client that asks for much and takes little pins little, in the gateway and in its sockets.

use gateway_tests::gateway::Setup;
use gateway_tests::wait::until;
use gateway_tests::{Authority, Client, Reply, TestGateway, Upstream};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

const ANSWER: usize = 4 << 20;

/// So many that what the allocator sets aside for any number of them does not count.
const READERS: u64 = 128;

/// 4 MiB, written as fast as they are taken.
fn upstream() -> Upstream {
    let answer = answer();
    Upstream::start(move |_| Reply::Close(answer.clone()))
}

fn answer() -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {ANSWER}\r\n\r\n{}", "x".repeat(ANSWER)).into_bytes()
}

/// KiB that the gateway holds for each reader once nothing moves any more.
fn held(gateway: &TestGateway, before: u64) -> u64 {
    gateway.held_at_rest().saturating_sub(before) / READERS
}

/// Some stall at once, some when a fast transfer has made all buffers grow.
#[test]
fn p11_a_reader_that_stalls_pins_little() {
    let upstream = upstream();
    for (buffer, taken) in [(4 << 10, 64), (256 << 10, ANSWER / 2)] {
        let gateway = TestGateway::start(&upstream.config());
        assert_eq!(gateway.get("/warm").body.len(), ANSWER);
        let before = gateway.held();
        let stalled: Vec<_> = (0..READERS).map(|_| stalled(&gateway, buffer, taken)).collect();
        let each = held(&gateway, before);
        assert!(each <= 256, "P11: {each} KiB for each reader that stalls after {taken} bytes");
        let mut healthy = Client::connect(gateway.address("public"));
        assert_eq!(healthy.get("/after").status, 200);
        drop(stalled);
    }
}

/// Over TLS there is one buffer more.
#[test]
fn p11_a_reader_that_stalls_over_tls_pins_little() {
    let (authority, upstream) = (Authority::default(), upstream());
    let tls = "tls = { certificates = [{ cert = \"a.pem\", key = \"a.pem\" }] }";
    let config =
        upstream.config().replace("address = \"127.0.0.1:0\"\n", &format!("address = \"127.0.0.1:0\"\n{tls}\n"));
    let gateway = Setup::new(&config).file("a.pem", authority.server(&["shop.example"]).pair()).start();
    let client = || Client::secure(gateway.address("public"), &authority.client_config(), "shop.example").unwrap();
    assert_eq!(client().get("/warm").body.len(), ANSWER);
    let before = gateway.held();
    let stalled = stalled_over_tls(client);
    let each = held(&gateway, before);
    assert!(each <= 256, "P11: {each} KiB for each reader that stalls");
    assert_eq!(client().get("/after").status, 200);
    drop(stalled);
}

/// A connection to the upstream on which large answers were passed on has more room, which an answer that is copied has as well.
#[test]
fn p11_a_reader_over_tls_that_stalls_after_plain_ones_pins_little() {
    let (authority, upstream) = (Authority::default(), Upstream::start(|_| Reply::Bytes(answer())));
    let secure = "[[listener]]\nname = \"secure\"\naddress = \"127.0.0.1:0\"\ntls = { certificates = [{ cert = \"a.pem\", key = \"a.pem\" }] }\n";
    let setup = Setup::new(&format!("{}{secure}", upstream.config())).argument("--threads=1");
    let gateway = setup.file("a.pem", authority.server(&["shop.example"]).pair()).start();
    let client = || Client::secure(gateway.address("secure"), &authority.client_config(), "shop.example").unwrap();
    assert_eq!(client().get("/warm").body.len(), ANSWER);
    let before = gateway.held();
    fast_readers(&gateway, &upstream);
    let connections = opened(&upstream);
    let stalled = stalled_over_tls(client);
    assert_eq!(opened(&upstream), connections, "they have the connections of the plain ones");
    let each = held(&gateway, before);
    assert!(each <= 256, "P11: {each} KiB for each reader that stalls");
    drop(stalled);
}

/// What an upstream was told that it may send to fast readers holds for whoever has its connection next.
#[test]
fn p11_a_reader_that_stalls_after_fast_ones_pins_little() {
    let upstream = Upstream::start(|_| Reply::Bytes(answer()));
    let gateway = Setup::new(&upstream.config()).argument("--threads=1").start();
    assert_eq!(gateway.get("/warm").body.len(), ANSWER);
    fast_readers(&gateway, &upstream);
    let before = gateway.held_at_rest();
    let connections = opened(&upstream);
    let stalled: Vec<_> = (0..READERS).map(|_| stalled(&gateway, 4 << 10, 64)).collect();
    assert_eq!(opened(&upstream), connections, "they have the connections of the fast ones");
    let each = held(&gateway, before);
    assert!(each <= 256, "P11: {each} KiB for each reader that stalls");
    drop(stalled);
}

/// Readers with much room that take all of their answers, all at once: each has a connection to the upstream.
fn fast_readers(gateway: &TestGateway, upstream: &Upstream) {
    let before = upstream.received().len();
    let readers: Vec<_> = (0..READERS).map(|_| reader(gateway, 256 << 10)).collect();
    until("all have asked", || (upstream.received().len() - before == readers.len()).then_some(()));
    for mut stream in readers {
        let mut left = answer().len();
        while left > 0 {
            left -= stream.read(&mut vec![0; left.min(64 << 10)]).unwrap();
        }
    }
}

/// The last connection that was opened to an upstream.
fn opened(upstream: &Upstream) -> Option<usize> {
    upstream.received().iter().map(|request| request.connection).max()
}

/// Clients that have taken half of their answers.
fn stalled_over_tls(client: impl Fn() -> Client) -> Vec<Client> {
    let stall = |_| {
        let mut client = client();
        client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
        let mut taken = 0;
        while taken < ANSWER / 2 {
            taken += client.read(&mut [0; 16 * 1024]).unwrap();
        }
        client
    };
    (0..READERS).map(stall).collect()
}

/// A client that has sent its request, with a receive buffer of this size.
fn reader(gateway: &TestGateway, buffer: usize) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(buffer).unwrap();
    socket.connect(&gateway.address("public").into()).unwrap();
    let mut stream: TcpStream = socket.into();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    stream
}

/// The same, which has read so many bytes of its answer and reads no more.
fn stalled(gateway: &TestGateway, buffer: usize, taken: usize) -> TcpStream {
    let mut stream = reader(gateway, buffer);
    stream.read_exact(&mut vec![0; taken]).unwrap();
    stream
}

/// A thousand at once, of one answer that is never whole.
#[test]
fn p11_a_thousand_stalled_readers_stay_within_the_bound() {
    const MANY: u64 = 1000;
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let part: std::sync::Arc<[u8]> = vec![b'x'; 1 << 20].into();
    std::thread::spawn(move || {
        for mut stream in socket.incoming().flatten() {
            let part = std::sync::Arc::clone(&part);
            std::thread::spawn(move || {
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
                while stream.write_all(&part).is_ok() {}
            });
        }
    });
    let upstream = Upstream::ok();
    let gateway = TestGateway::start(&upstream.config().replace(&upstream.url(), &format!("http://{address}")));
    drop(stalled(&gateway, 4 << 10, 1 << 20));
    let before = gateway.held();
    let stalled: Vec<_> = (0..MANY).map(|_| stalled(&gateway, 4 << 10, 64)).collect();
    let each = held(&gateway, before) * READERS / MANY;
    assert!(each <= 256, "P11: {each} KiB for each of {MANY}");
    drop(stalled);
}
