//! Where a message ends: lengths, codings and chunks that two readers could count differently (RFC 9112 6 and 7). Most of it is of the
//! public catalogues of request smuggling: CL.TE, TE.CL, TE.TE, CL.0, 0.CL.

use super::{Case, SMUGGLED, passed, play, refused, served};

fn post(fields: &str, body: &str) -> String {
    format!("POST /a HTTP/1.1\r\nhost: a\r\n{fields}\r\n{body}")
}

#[test]
fn p5_lengths_against_codings() {
    let (recorder, gateway) = served();
    let hidden = format!("{:x}\r\n{SMUGGLED}\r\n0\r\n\r\n", SMUGGLED.len());
    let as_body = format!("POST /a {}", SMUGGLED.trim_end());
    let chunked = "transfer-encoding: chunked\r\n";
    // RFC 9112 6.1: the coding wins, and the connection ends with the answer.
    let length = format!("content-length: {}\r\n", SMUGGLED.len() + 5);
    let mut cases = vec![
        passed(post(&format!("{length}{chunked}"), &format!("0\r\n\r\n{SMUGGLED}")), &[200], &["POST /a"]),
        passed(post(&format!("{chunked}{length}"), &format!("0\r\n\r\n{SMUGGLED}")), &[200], &["POST /a"]),
        passed(post(&format!("content-length: 4\r\n{chunked}"), &hidden), &[200], &[&as_body]),
        passed(post(&format!("{chunked}content-length: 4\r\n"), &hidden), &[200], &[&as_body]),
        passed(post(&format!("{chunked}content-length: junk\r\n"), &hidden), &[200], &[&as_body]),
        refused(post(&format!("content-length: junk\r\n{chunked}"), &hidden)),
    ];
    // The coding in a spelling that some overlook and some do not.
    for coding in [
        "transfer-encoding: xchunked",
        "transfer-encoding: chunkedx",
        "transfer-encoding: chunk",
        "transfer-encoding: x chunked",
        "transfer-encoding : chunked",
        "transfer-encoding\t: chunked",
        "transfer-encoding: \u{b}chunked",
        "transfer-encoding: \u{c}chunked",
        "transfer-encoding: chunked\u{b}",
        "transfer-encoding: chunked\0",
        "transfer-encoding: \"chunked\"",
        "transfer-encoding: 'chunked'",
        "transfer-encoding: chunked;q=1",
        "transfer-encoding: chunked, identity",
        "transfer-encoding: identity, chunked",
        "transfer-encoding: , chunked",
        "transfer-encoding: chunked,",
        "transfer-encoding:",
        "transfer-encoding: x\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ntransfer-encoding: x",
        "transfer-encoding: chunked\r\ntransfer-encoding: identity",
        "transfer-encoding: chunked\r\ntransfer-encoding:",
        "transfer-encoding\r\n: chunked",
        "transfer-encoding:\r\n chunked",
        " transfer-encoding: chunked",
        "x: y\r\n transfer-encoding: chunked",
        "x: y\r\ttransfer-encoding: chunked",
        "x: y\rtransfer-encoding: chunked",
        "x: y\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\n",
        "transfer_encoding: chunked",
        "transfer-encoding\0: chunked",
        "transfer-encoding: \u{212a}",
        "\u{feff}transfer-encoding: chunked",
    ] {
        let fields = format!("content-length: {}\r\n{coding}\r\n", 5 + SMUGGLED.len());
        cases.push(refused(post(&fields, &format!("0\r\n\r\n{SMUGGLED}"))));
    }
    // White space that is allowed, and names that are no longer than they seem.
    for coding in ["Transfer-Encoding:chunked", "TRANSFER-ENCODING: \t CHUNKED \t ", "transfer-encoding:\tchunked"] {
        cases.push(passed(
            post(&format!("{coding}\r\n"), &format!("0\r\n\r\n{SMUGGLED}")),
            &[200, 200],
            &["POST /a", "GET /smuggled"],
        ));
    }
    play("P5: lengths against codings", &gateway, &recorder, &cases);
}

#[test]
fn p5_lengths_that_are_none() {
    let (recorder, gateway) = served();
    let mut cases: Vec<Case> = [
        "content-length: +3",
        "content-length: -3",
        "content-length: -0",
        "content-length: 0x3",
        "content-length: 3.0",
        "content-length: 3e0",
        "content-length: 3 3",
        "content-length: 3,3",
        "content-length: 3, 4",
        "content-length: 3;",
        "content-length: \"3\"",
        "content-length: 3_0",
        "content-length:",
        "content-length: \u{ff13}",
        "content-length: 18446744073709551619",
        "content-length: 9223372036854775811",
        "content-length: 3\0",
        "content-length: 3\u{b}",
        "content-length : 3",
        "content-length\t: 3",
        "content-length\0: 3",
        "content_length: 3",
        "content-length:\r\n 3",
        " content-length: 3",
        "content-length: 3\r\n 4",
        "content-length: 3\r\ncontent-length: 4",
        "content-length: 3\r\ncontent-length: x",
        "content-length: 3\r\ncontent-length:",
        "content-length: 3\r\nContent-Length : 0",
        "content-length: 0\r\ncontent-length: 3",
    ]
    .into_iter()
    .map(|length| refused(post(&format!("{length}\r\n"), &format!("abc{SMUGGLED}"))))
    .collect();
    for length in [
        "content-length: 3",
        "content-length:3",
        "Content-Length: \t3\t ",
        "content-length: 0003",
        "content-length: 3\r\ncontent-length: 03",
    ] {
        cases.push(passed(
            post(&format!("{length}\r\n"), &format!("abc{SMUGGLED}")),
            &[200, 200],
            &["POST /a abc", "GET /smuggled"],
        ));
    }
    // A length counts whatever the method is, and without one there is no body (CL.0, 0.CL).
    for method in ["GET", "OPTIONS", "DELETE", "PUT", "PATCH", "TRACE", "X"] {
        let fields = format!("content-length: {}\r\n", SMUGGLED.len());
        let whole = format!("{method} /a {}", SMUGGLED.trim_end());
        let request = post(&fields, SMUGGLED).replacen("POST", method, 1);
        cases.push(passed(request, &[200], &[&whole]));
        let empty = post("", SMUGGLED).replacen("POST", method, 1);
        cases.push(passed(empty, &[200, 200], &[&format!("{method} /a"), "GET /smuggled"]));
    }
    // A client that ends before its body does.
    cases.push(refused(post("content-length: 30\r\n", "abc")));
    play("P5: lengths that are none", &gateway, &recorder, &cases);
}

#[test]
fn p5_p13_chunks_that_are_none() {
    let (recorder, gateway) = served();
    let long = "x".repeat(20_000);
    let zeros = "0".repeat(40);
    let mut cases: Vec<Case> = [
        "\r\n5\r\nabcde\r\n0\r\n\r\n",
        " 5\r\nabcde\r\n0\r\n\r\n",
        "+5\r\nabcde\r\n0\r\n\r\n",
        "-5\r\nabcde\r\n0\r\n\r\n",
        "0x5\r\nabcde\r\n0\r\n\r\n",
        "5h\r\nabcde\r\n0\r\n\r\n",
        "5.\r\nabcde\r\n0\r\n\r\n",
        "5_\r\nabcde\r\n0\r\n\r\n",
        "5,5\r\nabcde\r\n0\r\n\r\n",
        "5\0\r\nabcde\r\n0\r\n\r\n",
        "5 5\r\nabcde\r\n0\r\n\r\n",
        "5 x\r\nabcde\r\n0\r\n\r\n",
        "5\rabcde\r\n0\r\n\r\n",
        "5\nabcde\r\n0\r\n\r\n",
        "5\r\rabcde\r\n0\r\n\r\n",
        "5\n\r\nabcde\r\n0\r\n\r\n",
        "5;\n\r\nabcde\r\n0\r\n\r\n",
        "5;a\nb\r\nabcde\r\n0\r\n\r\n",
        "5;a=\"\n\"\r\nabcde\r\n0\r\n\r\n",
        "5;a=\"\r\n\"\r\nabcde\r\n0\r\n\r\n",
        "5;a\rb\r\nabcde\r\n0\r\n\r\n",
        "5\r\nabcdef\r\n0\r\n\r\n",
        "5\r\nabcd\r\n0\r\n\r\n",
        "5\r\nabcde\n0\r\n\r\n",
        "5\r\nabcde\r0\r\n\r\n",
        "5\r\nabcde0\r\n\r\n",
        "5\r\nabcde\r\n0\n\r\n",
        "5\r\nabcde\r\n0\r\n\n",
        "5\r\nabcde\r\n0\r\nx: y\n\r\n",
        "5\r\nabcde\r\n0\r\nx: y\nz: x\r\n\r\n",
        "5\r\nabcde\r\n0\r\r\n",
        "5\r\nabcde\r\n0\r\nx : y\r\n\r\n",
        "5\r\nabcde\r\n0\r\nno field\r\n\r\n",
        "5\r\nabcde\r\n0\r\n x: y\r\n\r\n",
        "5\r\nabcde\r\n0\r\nx: y\r\n z\r\n\r\n",
        "5\r\nabcde\r\n0\r\nx: y\0\r\n\r\n",
        "5\r\nabcde\r\n0\r\nx: a\rb\r\n\r\n",
        "5\r\nabcde\r\n0\r\n: y\r\n\r\n",
        "10000000000000005\r\nabcde\r\n0\r\n\r\n",
        "ffffffffffffffff\r\nabcde\r\n0\r\n\r\n",
        "7fffffffffffffff\r\nabcde\r\n0\r\n\r\n",
        "fffffffffffffffb\r\nabcde\r\n0\r\n\r\n",
        "5\r\nabcde\r\n",
        "5\r\nabcde\r\n0\r\n",
        "5\r\nabc",
    ]
    .into_iter()
    .map(|body| {
        let more = if body.contains("\r\n0\r\n") { SMUGGLED } else { "" };
        refused(post("transfer-encoding: chunked\r\n", &format!("{body}{more}")))
    })
    .collect();
    cases.push(refused(post("transfer-encoding: chunked\r\n", &format!("5;{long}\r\nabcde\r\n0\r\n\r\n"))));
    let trailers = format!("5\r\nabcde\r\n0\r\nx: {}\r\n\r\n", "y".repeat(70_000));
    cases.push(refused(post("transfer-encoding: chunked\r\n", &trailers)));
    let trailers = format!("5\r\nabcde\r\n0\r\n{}\r\n", "x: y\r\n".repeat(200));
    cases.push(refused(post("transfer-encoding: chunked\r\n", &trailers)));
    // What is allowed is passed on in our own spelling, and nothing of it is left over.
    for body in [
        "5\r\nabcde\r\n0\r\n\r\n",
        "05\r\nabcde\r\n00\r\n\r\n",
        &format!("{zeros}5\r\nabcde\r\n0\r\n\r\n"),
        "5;ext\r\nabcde\r\n0\r\n\r\n",
        "5;a=b;c=\"d;e\"\r\nabcde\r\n0;x=y\r\n\r\n",
        "5 ;a=b\r\nabcde\r\n0\r\n\r\n",
        "2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n",
        "5\r\nabcde\r\n0\r\nx: y\r\n\r\n",
        "5\r\nabcde\r\n0\r\ncontent-length: 30\r\ntransfer-encoding: chunked\r\nhost: evil\r\nconnection: x\r\n\r\n",
    ] {
        let fields =
            "transfer-encoding: chunked\r\ntrailer: x, content-length, transfer-encoding, host, connection\r\n";
        cases.push(passed(
            post(fields, &format!("{body}{SMUGGLED}")),
            &[200, 200],
            &["POST /a abcde", "GET /smuggled"],
        ));
    }
    play("P5, P13: chunks that are none", &gateway, &recorder, &cases);
}
