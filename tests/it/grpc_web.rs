//! gRPC-Web: what browsers can send of gRPC, through the gateway to an ordinary service of gRPC.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gateway_tests::gateway::Setup;
use gateway_tests::http2::{self, Http2};
use gateway_tests::library::Book;
use gateway_tests::wait::until;
use gateway_tests::{Client, Library, Response, TestGateway};
use prost::Message as _;
use std::net::SocketAddr;

fn config(address: SocketAddr, route: &str) -> String {
    format!(
        "[[listener]]\nname = \"public\"\naddress = \"127.0.0.1:0\"\n[upstream.library]\nprotocol = \"http2\"\n\
         endpoints = [\"http://{address}\"]\n[[route]]\nname = \"web\"\nupstream = \"library\"\n{route}\n"
    )
}

fn framed(message: &impl prost::Message) -> Vec<u8> {
    let encoded = message.encode_to_vec();
    let length = u32::try_from(encoded.len()).unwrap().to_be_bytes();
    [&[0], length.as_slice(), &encoded].concat()
}

fn call(client: &mut Client, method: &str, fields: &str, body: &[u8]) -> Response {
    let head =
        format!("POST /test.v1.Library/{method} HTTP/1.1\r\nhost: a\r\n{fields}content-length: {}\r\n\r\n", body.len());
    client.ask([head.as_bytes(), body].concat())
}

/// The frames of an answer: whether it is the one of trailers, and what is in it.
fn frames(mut body: &[u8]) -> Vec<(bool, Vec<u8>)> {
    let mut frames = Vec::new();
    while let Some((prefix, rest)) = body.split_first_chunk::<5>() {
        let length = u32::from_be_bytes(prefix[1..].try_into().unwrap()) as usize;
        frames.push((prefix[0] == 0x80, rest[..length].to_vec()));
        body = &rest[length..];
    }
    assert!(body.is_empty(), "{body:?}");
    frames
}

/// The messages, and the trailers in small letters.
fn read(body: &[u8]) -> (Vec<Book>, String) {
    let mut frames = frames(body);
    let (is_last, trailers) = frames.pop().unwrap();
    assert!(is_last && frames.iter().all(|(is_trailers, _)| !is_trailers), "the trailers come last");
    let books = frames.iter().map(|(_, message)| Book::decode(message.as_slice()).unwrap()).collect();
    (books, String::from_utf8(trailers).unwrap())
}

/// Base64 that may be padded after every part.
fn untext(text: &[u8]) -> Vec<u8> {
    text.chunks(4).flat_map(|four| STANDARD.decode(four).unwrap()).collect()
}

fn started(library: &Library) -> TestGateway {
    TestGateway::start(&config(library.address(), "grpc-web = true"))
}

const WEB: &str = "content-type: application/grpc-web+proto\r\nx-grpc-web: 1\r\n";
const TEXT: &str = "content-type: application/grpc-web-text\r\naccept: application/grpc-web-text\r\nx-grpc-web: 1\r\n";

#[test]
fn a_browser_calls_a_service_of_grpc() {
    let library = Library::start();
    let gateway = started(&library);
    let mut client = gateway.client();
    let book = Book { title: "War".into(), pages: 7 };
    let answer = call(&mut client, "Echo", WEB, &framed(&book));
    assert_eq!(
        (answer.status, answer.header("content-type"), answer.header("seen-content-type")),
        (200, Some("application/grpc-web"), Some("application/grpc+proto")),
        "{answer:?}"
    );
    let (books, trailers) = read(&answer.body);
    assert_eq!(
        (books.as_slice(), trailers.contains("grpc-status: 0\r\n")),
        ([book.clone()].as_slice(), true),
        "{trailers}"
    );
    assert_eq!(answer.header("grpc-status"), None);
    // In text, padded wherever a part ended.
    let whole = framed(&book);
    let (first, second) = whole.split_at(4);
    let text = [STANDARD.encode(first), STANDARD.encode(second)].concat();
    let answer = call(&mut client, "Echo", TEXT, text.as_bytes());
    assert_eq!(answer.header("content-type"), Some("application/grpc-web-text"), "{answer:?}");
    assert_eq!(read(&untext(&answer.body)).0, [book]);
    // A stream.
    let answer = call(&mut client, "Watch", WEB, &framed(&Book { title: String::new(), pages: 50 }));
    let (books, trailers) = read(&answer.body);
    assert_eq!((books.len(), trailers.contains("grpc-status: 0")), (50, true), "{trailers}");
    let answer =
        call(&mut client, "Watch", TEXT, STANDARD.encode(framed(&Book { title: "fail".into(), pages: 2 })).as_bytes());
    let (books, trailers) = read(&untext(&answer.body));
    assert_eq!(books.len(), 2);
    assert!(trailers.contains("grpc-status: 10\r\n") && trailers.contains("grpc-message: no%20more\r\n"), "{trailers}");
}

#[test]
fn refusals_are_told_where_every_client_of_grpc_web_looks() {
    let library = Library::start();
    let gateway = TestGateway::start(&config(library.address(), "grpc-web = true\ndeadline = \"300 ms\""));
    let mut client = gateway.client();
    // The service's own, in a head alone.
    let answer = call(&mut client, "Fail", WEB, &framed(&Book { title: "gone".into(), pages: 0 }));
    let (books, trailers) = read(&answer.body);
    assert_eq!((answer.status, books.len(), answer.header("x-why")), (200, 0, Some("because")));
    for expected in ["grpc-status: 5\r\n", "grpc-message: gone\r\n", "grpc-status-details-bin: "] {
        assert!(trailers.contains(expected), "{trailers}");
    }
    // The gateway's.
    let answer = call(&mut client, "Hang", TEXT, STANDARD.encode(framed(&Book::default())).as_bytes());
    let (_, trailers) = read(&untext(&answer.body));
    assert!(trailers.contains("grpc-status: 4\r\n"), "{trailers}");
    // A body that is no base64 is the client's fault.
    let answer = call(&mut client, "Echo", TEXT, b"????");
    assert!(read(&untext(&answer.body)).1.contains("grpc-status: 13\r\n"), "{answer:?}");
    let endpoint = &gateway.status()["upstreams"]["library"]["endpoints"][0];
    assert_eq!(endpoint["failures"], 1, "the one that hung: {endpoint}");
}

#[test]
fn a_call_ends_with_its_browser_and_others_are_left_alone() {
    let library = Library::start();
    let gateway = TestGateway::start(&config(
        library.address(),
        "grpc-web = true\nmatch = { methods = [\"POST\"] }\n[[route]]\nname = \"plain\"\nupstream = \"library\"\nmatch = { methods = [\"POST\"], headers = { x-plain = true } }",
    ));
    let mut client = Http2::connect(gateway.address("public"), &[]);
    let head = [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "a"),
        (":path", "/test.v1.Library/Watch"),
        ("content-type", "application/grpc-web+proto"),
    ];
    client.send(http2::frame(http2::kind::HEADERS, http2::END_HEADERS, 1, &http2::block(&head)));
    let body = framed(&Book { title: "hang".into(), pages: 1 });
    client.send(http2::frame(http2::kind::DATA, http2::END_STREAM, 1, &body));
    until("the stream has begun", || (library.hanging() == 1).then_some(()));
    client.send(http2::frame(http2::kind::RST_STREAM, 0, 1, &8_u32.to_be_bytes()));
    until("the service is told", || (library.given_up() == 1).then_some(()));
    // A route that was not asked to passes it on as it is, and this service does not speak it.
    let mut client = gateway.client();
    let answer = call(&mut client, "Echo", &format!("{WEB}x-plain: 1\r\n"), &framed(&Book::default()));
    assert_eq!(answer.header("seen-content-type"), Some("application/grpc-web+proto"), "{answer:?}");
}

#[test]
fn pages_of_other_origins_may_call_where_cors_lets_them() {
    let library = Library::start();
    let cors = "[plugin.cors]\nconfig = { origins = [\"https://shop.example\"], methods = [\"POST\"], \
                headers = [\"content-type\", \"x-grpc-web\"], expose = [\"x-why\"] }\n";
    let config = format!("{}{cors}", config(library.address(), "grpc-web = true\nchain = [\"cors\"]"));
    let gateway = Setup::new(&config).plugin("cors").start();
    let mut client = gateway.client();
    let asked = "OPTIONS /test.v1.Library/Echo HTTP/1.1\r\nhost: a\r\norigin: https://shop.example\r\n\
                 access-control-request-method: POST\r\naccess-control-request-headers: content-type,x-grpc-web\r\n\r\n";
    let answer = client.ask(asked);
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://shop.example"), "{answer:?}");
    let fields = format!("{WEB}origin: https://shop.example\r\n");
    let answer = call(&mut client, "Fail", &fields, &framed(&Book::default()));
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://shop.example"), "{answer:?}");
    assert_eq!(answer.header("access-control-expose-headers"), Some("x-why"));
    assert!(read(&answer.body).1.contains("grpc-status: 5"));
}
