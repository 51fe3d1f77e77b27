//! A proxy of `wasi:http` 0.2 that answers with the body it got, or with what its field `x-do` tells it.
// Some of it cannot be written for another machine.
#![cfg(target_family = "wasm")]
#![allow(unsafe_code, missing_docs, reason = "what wit-bindgen generates needs both")]

wit_bindgen::generate!({ path: "../../../wit/deps/wasi-http-0.2", world: "proxy", generate_all });

use exports::wasi::http::incoming_handler::Guest;
use std::io::Write as _;
use wasi::http::outgoing_handler;
use wasi::http::types::{
    ErrorCode, Fields, IncomingRequest, OutgoingBody, OutgoingRequest, OutgoingResponse, ResponseOutparam, Scheme,
};
use wasi::io::streams::{InputStream, OutputStream, StreamError};

struct Proxy;

export!(Proxy);

impl Guest for Proxy {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let told = request.headers().get("x-do").into_iter().next().unwrap_or_default();
        match told.as_slice() {
            b"trap" => panic!("told to"),
            b"loop" => loop {
                std::hint::black_box(0);
            },
            b"memory" => loop {
                std::hint::black_box(core::arch::wasm32::memory_grow(0, 16));
            },
            b"host-loop" => loop {
                std::hint::black_box(request.path_with_query());
            },
            b"say" => say(),
            b"flood" => flood(),
            b"fetch" => {
                let said = fetch().unwrap_or_else(|code| format!("{code:?}"));
                return answer(out, &request, |to| write(to, said.as_bytes()));
            }
            b"trap-later" => {
                return answer(out, &request, |to| {
                    write(to, b"the beginning");
                    panic!("told to, in the body");
                });
            }
            _ => {}
        }
        let body = request.consume().unwrap();
        let from = body.stream().unwrap();
        answer(out, &request, |to| echo(&from, to));
    }
}

/// Two lines for the log.
fn say() {
    let out = wasi::cli::stdout::get_stdout();
    out.blocking_write_and_flush(b"a line of the guest's\nand no end of").unwrap();
    out.blocking_write_and_flush(b" another\n").unwrap();
    let _ = std::io::stderr().flush();
}

/// More lines than anybody wants, each of which would forge another.
fn flood() {
    let out = wasi::cli::stdout::get_stdout();
    for _ in 0..5000 {
        if out.blocking_write_and_flush(b"a flood of the guest's\x1b[2J\rforged\n").is_err() {
            return;
        }
    }
}

/// Fields that frame, split or belong to one connection.
const FORBIDDEN: [(&str, &[u8]); 9] = [
    ("x-split", b"a\r\nx-evil: 1"),
    ("x-split", b"a\nx-evil: 1"),
    ("x-nul", b"a\0b"),
    ("x evil", b"1"),
    (":status", b"299"),
    ("transfer-encoding", b"chunked"),
    ("connection", b"x-abi"),
    ("keep-alive", b"timeout=1"),
    ("upgrade", b"h2c"),
];

fn answer(out: ResponseOutparam, request: &IncomingRequest, fill: impl FnOnce(&OutputStream)) {
    let headers = Fields::new();
    headers.append("x-abi", b"wasi:http 0.2").unwrap();
    headers.append("x-path", request.path_with_query().unwrap_or_default().as_bytes()).unwrap();
    if request.headers().get("x-do").iter().any(|told| told == b"length") {
        // Whatever its body is.
        let _ = headers.append("content-length", b"1");
    }
    if request.headers().get("x-do").iter().any(|told| told == b"fields") {
        // What is let through here has to be stopped behind.
        for (name, value) in FORBIDDEN {
            let _ = headers.append(name, value);
        }
    }
    let marks = request.headers().get("x-middleware");
    for mark in marks {
        headers.append("x-seen", &mark).unwrap();
    }
    let response = OutgoingResponse::new(headers);
    let body = response.body().unwrap();
    ResponseOutparam::set(out, Ok(response));
    let to = body.write().unwrap();
    fill(&to);
    drop(to);
    OutgoingBody::finish(body, None).unwrap();
}

fn echo(from: &InputStream, to: &OutputStream) {
    loop {
        match from.blocking_read(32 << 10) {
            Ok(piece) => write(to, &piece),
            Err(StreamError::Closed) => return,
            Err(error) => panic!("{error:?}"),
        }
    }
}

fn write(to: &OutputStream, bytes: &[u8]) {
    for piece in bytes.chunks(4096) {
        to.blocking_write_and_flush(piece).unwrap();
    }
}

fn fetch() -> Result<String, ErrorCode> {
    let request = OutgoingRequest::new(Fields::new());
    request.set_scheme(Some(&Scheme::Http)).unwrap();
    request.set_authority(Some("service")).unwrap();
    request.set_path_with_query(Some("/fetched")).unwrap();
    let response = outgoing_handler::handle(request, None)?;
    response.subscribe().block();
    let response = response.get().unwrap().unwrap()?;
    let body = response.consume().unwrap();
    let from = body.stream().unwrap();
    let mut text = format!("{}:", response.status());
    while let Ok(piece) = from.blocking_read(32 << 10) {
        text.push_str(&String::from_utf8_lossy(&piece));
    }
    Ok(text)
}
