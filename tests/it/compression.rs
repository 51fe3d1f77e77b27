//! Answers that are compressed for those who take it, and bodies that are decoded for plugins.

use gateway_tests::gateway::Setup;
use gateway_tests::wait::until;
use gateway_tests::{Reply, Response, TestGateway, Upstream};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;

const ENCODINGS: [&str; 3] = ["zstd", "br", "gzip"];

fn decoded(encoding: &str, bytes: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    match encoding {
        "zstd" => zstd::stream::read::Decoder::new(bytes).unwrap().read_to_end(&mut whole),
        "br" => brotli::Decompressor::new(bytes, 4096).read_to_end(&mut whole),
        _ => flate2::read::GzDecoder::new(bytes).read_to_end(&mut whole),
    }
    .unwrap();
    whole
}

fn encoded(encoding: &str, bytes: &[u8]) -> Vec<u8> {
    match encoding {
        "zstd" => zstd::encode_all(bytes, 3).unwrap(),
        "br" => {
            let mut writer = brotli::CompressorWriter::new(Vec::new(), 4096, 4, 20);
            writer.write_all(bytes).unwrap();
            writer.into_inner()
        }
        _ => {
            let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            writer.write_all(bytes).unwrap();
            writer.finish().unwrap()
        }
    }
}

/// Words that repeat, with noise between.
fn words(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut text = Vec::with_capacity(length + 32);
    while text.len() < length {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        text.extend_from_slice(format!("{{\"order\": {}}}\n", state >> 12).as_bytes());
    }
    text.truncate(length);
    text
}

fn reply(fields: &str, body: &[u8]) -> Reply {
    let mut bytes = format!("HTTP/1.1 200 OK\r\n{fields}content-length: {}\r\n\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    Reply::Bytes(bytes)
}

/// An upstream whose answer is as long as its path says, and a gateway that compresses everything.
fn gateway(compress: &str) -> (Upstream, TestGateway) {
    let upstream = Upstream::start(|request| {
        let length = request.target().trim_start_matches('/').parse().unwrap();
        let content_type = "content-type: text/plain\r\netag: \"v1\"\r\naccept-ranges: bytes\r\n";
        match (request.line().starts_with("HEAD"), request.value("if-none-match")) {
            (true, _) => {
                Reply::Bytes(format!("HTTP/1.1 200 OK\r\n{content_type}content-length: {length}\r\n\r\n").into())
            }
            (_, Some(_)) => Reply::Bytes("HTTP/1.1 304 Not Modified\r\netag: \"v1\"\r\n\r\n".into()),
            _ => reply(content_type, &words(length)),
        }
    });
    let gateway = TestGateway::start(&format!("{}compress = {compress}\n", upstream.config()));
    (upstream, gateway)
}

fn names(response: &Response, name: &str) -> Vec<String> {
    response.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.clone()).collect()
}

#[test]
fn answers_of_every_size_come_back_byte_for_byte() {
    let (_upstream, gateway) = gateway("{ min-size = \"0 B\" }");
    let mut client = gateway.client();
    for encoding in ENCODINGS {
        for length in [1, 2, 1000, 16 * 1024, 64 * 1024 + 1, 3 << 20] {
            let response = client.get_with(&format!("/{length}"), &format!("accept-encoding: {encoding}\r\n"));
            assert_eq!((response.status, response.header("content-encoding")), (200, Some(encoding)));
            assert!(decoded(encoding, &response.body) == words(length), "{encoding} of {length}");
            assert!(length < 1000 || response.body.len() < length / 2);
        }
    }
}

#[test]
fn the_head_says_that_it_is_another_representation() {
    let (_upstream, gateway) = gateway("true");
    let mut client = gateway.client();
    let compressed = client.get_with("/5000", "accept-encoding: gzip;q=0.5, br\r\n");
    assert_eq!(compressed.header("content-encoding"), Some("br"));
    assert_eq!(compressed.header("etag"), Some("W/\"v1\""));
    assert_eq!(names(&compressed, "vary"), ["accept-encoding"]);
    assert_eq!((compressed.header("accept-ranges"), compressed.header("content-length")), (None, None));
    // What could have been compressed says so, and is what it was.
    for fields in ["", "accept-encoding: identity\r\n", "accept-encoding: gzip\r\ncache-control: no-transform\r\n"] {
        let plain = client.get_with("/5000", fields);
        assert_eq!((plain.header("content-encoding"), plain.header("etag")), (None, Some("\"v1\"")));
        assert_eq!((names(&plain, "vary"), plain.body == words(5000)), (vec!["accept-encoding".to_owned()], true));
    }
    let short = client.get_with("/1023", "accept-encoding: gzip\r\n");
    assert_eq!((short.header("content-encoding"), short.header("vary")), (None, None));
    // Not modified: what the client has, by its tag.
    for (held, tag) in [("W/\"v1\"", "W/\"v1\""), ("\"v1\"", "\"v1\"")] {
        let fields = format!("accept-encoding: br\r\nif-none-match: {held}\r\n");
        let unchanged = client.get_with("/5000", &fields);
        assert_eq!((unchanged.status, unchanged.header("etag")), (304, Some(tag)));
    }
    client.send("HEAD /5000 HTTP/1.1\r\nhost: a\r\naccept-encoding: br\r\nconnection: close\r\n\r\n");
    let head = String::from_utf8(client.rest()).unwrap();
    assert!(head.contains("content-encoding: br") && head.contains("W/\"v1\"") && head.ends_with("\r\n\r\n"), "{head}");
    assert!(!head.contains("content-length"), "{head}");
}

#[test]
fn what_is_not_ours_to_change_passes() {
    let body = words(5000);
    let upstream = Upstream::start({
        let body = body.clone();
        move |request| match request.target() {
            "/part" => {
                let mut bytes = b"HTTP/1.1 206 Partial Content\r\ncontent-type: text/plain\r\ncontent-range: bytes 0-4999/9000\r\ncontent-length: 5000\r\n\r\n".to_vec();
                bytes.extend_from_slice(&body);
                Reply::Bytes(bytes)
            }
            "/kept" => reply("content-type: text/plain\r\ncache-control: no-transform\r\n", &body),
            "/done" => reply("content-type: text/plain\r\ncontent-encoding: gzip\r\n", &encoded("gzip", &body)),
            "/image" => reply("content-type: image/png\r\n", &body),
            _ => Reply::Bytes(b"HTTP/1.1 204 No Content\r\ncontent-type: text/plain\r\n\r\n".to_vec()),
        }
    });
    let gateway = TestGateway::start(&format!("{}compress = true\n", upstream.config()));
    let mut client = gateway.client();
    for path in ["/part", "/kept", "/image"] {
        let response = client.get_with(path, "accept-encoding: zstd, gzip\r\n");
        assert_eq!((response.header("content-encoding"), response.body == body), (None, true), "{path}");
    }
    let done = client.get_with("/done", "accept-encoding: zstd, gzip\r\n");
    assert_eq!((done.header("content-encoding"), decoded("gzip", &done.body) == body), (Some("gzip"), true));
    let nothing = client.get_with("/nothing", "accept-encoding: gzip\r\n");
    assert_eq!((nothing.status, nothing.header("content-encoding"), nothing.body.len()), (204, None, 0));
}

#[test]
fn an_event_arrives_before_the_next_one_happens() {
    for encoding in ENCODINGS {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let (next, happens) = std::sync::mpsc::channel::<()>();
        thread::spawn(move || {
            let mut stream = socket.accept().unwrap().0;
            let mut head = [0; 4096];
            assert!(stream.read(&mut head).unwrap() > 0);
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
                .unwrap();
            while happens.recv().is_ok() {
                stream.write_all(b"d\r\ndata: event\n\n\r\n").unwrap();
            }
            stream.write_all(b"0\r\n\r\n").unwrap();
        });
        let config = format!(
            "[[listener]]\nname = \"public\"\naddress = \"127.0.0.1:0\"\ncompress = {{ types = [\"text/event-stream\"] }}\n\
             [upstream.service]\nendpoints = [\"http://{address}\"]\n[[route]]\nname = \"all\"\nupstream = \"service\"\n"
        );
        let gateway = TestGateway::start(&config);
        let mut stream = TcpStream::connect(gateway.address("public")).unwrap();
        stream.set_read_timeout(Some(gateway_tests::wait::PATIENCE)).unwrap();
        write!(stream, "GET / HTTP/1.1\r\nhost: a\r\naccept-encoding: {encoding}\r\nconnection: close\r\n\r\n")
            .unwrap();
        let mut received = Vec::new();
        for events in 1..=5 {
            next.send(()).unwrap();
            until("the event arrives", || {
                let mut buffer = [0; 4096];
                let count = stream.read(&mut buffer).unwrap();
                assert!(count > 0, "it ends before the event came");
                received.extend_from_slice(&buffer[..count]);
                (readable(encoding, &received) >= events * 13).then_some(())
            });
        }
        drop(next);
        stream.read_to_end(&mut received).unwrap();
        let response = Response::parse(&received).unwrap();
        assert_eq!(response.header("content-encoding"), Some(encoding));
        assert_eq!(decoded(encoding, &response.body), b"data: event\n\n".repeat(5));
    }
}

/// How many bytes can be decoded of an answer that has not ended.
fn readable(encoding: &str, received: &[u8]) -> usize {
    // As if it ended here.
    let Some(response) = Response::parse(&[received, b"0\r\n\r\n"].concat()) else { return 0 };
    let mut reader: Box<dyn std::io::Read> = match encoding {
        "zstd" => Box::new(zstd::stream::read::Decoder::new(&*response.body).unwrap()),
        "br" => Box::new(brotli::Decompressor::new(&*response.body, 4096)),
        _ => Box::new(flate2::read::GzDecoder::new(&*response.body)),
    };
    let mut byte = [0];
    (0..).take_while(|_| matches!(reader.read(&mut byte), Ok(1))).count()
}

#[test]
fn a_cut_answer_does_not_look_whole() {
    let upstream = Upstream::start(|_| {
        let mut cut = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 90000\r\n\r\n".to_vec();
        cut.extend_from_slice(&words(50_000));
        Reply::Close(cut)
    });
    let gateway = TestGateway::start(&format!("{}compress = true\n", upstream.config()));
    let mut client = gateway.client();
    client.send("GET / HTTP/1.1\r\nhost: a\r\naccept-encoding: gzip\r\n\r\n");
    assert!(!client.rest().ends_with(b"0\r\n\r\n"));
}

#[test]
fn a_plugin_reads_decoded_what_was_encoded() {
    let upstream = Upstream::start(|request| match request.target() {
        "/bomb" => reply("content-encoding: zstd\r\n", &encoded("zstd", &vec![0; 8 << 20])),
        "/broken" => reply("content-encoding: br\r\n", b"this is no brotli"),
        "/unknown" => reply("content-encoding: deflate\r\n", b"as it is"),
        path => {
            reply(&format!("content-encoding: {}\r\netag: \"v1\"\r\n", &path[1..]), &encoded(&path[1..], b"an answer"))
        }
    });
    let config = format!(
        "{}chain = [{{ plugin = \"phases\", decode = true, limits = {{ body = \"64 KiB\" }} }}]\n",
        upstream.config()
    );
    let gateway = Setup::new(&config).plugin("phases").start();
    let mut client = gateway.client();
    let asks = "x-phases: request-body response-body\r\n";
    for encoding in ENCODINGS {
        let body = encoded(encoding, b"a question");
        let head = format!(
            "POST /{encoding} HTTP/1.1\r\nhost: a\r\n{asks}content-encoding: {encoding}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let response = client.ask([head.as_bytes(), &body].concat());
        assert_eq!((response.status, response.text()), (200, "an answer and seen".to_owned()), "{encoding}");
        assert_eq!((response.header("content-encoding"), response.header("etag")), (None, Some("W/\"v1\"")));
        let received = upstream.last();
        assert_eq!(String::from_utf8_lossy(&received.body), "seen: a question");
        assert_eq!(received.value("content-encoding"), None);
    }
    let response = client.get_with("/unknown", "x-phases: response-body\r\n");
    assert_eq!(
        (response.header("content-encoding"), response.text()),
        (Some("deflate"), "as it is and seen".to_owned())
    );
    // Too much, or not what it says: whose fault it is decides the status.
    for (path, status) in [("/bomb", 502), ("/broken", 502)] {
        assert_eq!(client.get_with(path, "x-phases: response-body\r\n").status, status, "{path}");
    }
    for (encoding, body, status) in
        [("gzip", encoded("gzip", &vec![0; 8 << 20]), 413), ("gzip", b"this is no gzip".to_vec(), 400)]
    {
        let head = format!(
            "POST /gzip HTTP/1.1\r\nhost: a\r\n{asks}content-encoding: {encoding}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        assert_eq!(gateway.client().ask([head.as_bytes(), &body].concat()).status, status);
    }
}
