//! A service of `wasi:http` 0.3 that answers with the body it got.
// Some of it cannot be written for another machine.
#![cfg(target_family = "wasm")]
#![allow(unsafe_code, missing_docs, reason = "what wit-bindgen generates needs both")]

wit_bindgen::generate!({ path: "../../../wit/deps/wasi-http-0.3", world: "service", generate_all });

use exports::wasi::http::handler::Guest;
use wasi::http::types::{ErrorCode, Fields, Request, Response};
use wit_bindgen::FutureReader;

struct Service;

export!(Service);

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

fn received() -> FutureReader<Result<(), ErrorCode>> {
    wit_future::new(|| Ok(())).1
}

impl Guest for Service {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let told = request.get_headers().get("x-do").into_iter().next().unwrap_or_default();
        match told.as_slice() {
            b"trap" => panic!("told to"),
            b"loop" => loop {
                std::hint::black_box(0);
            },
            b"host-loop" => loop {
                std::hint::black_box(request.get_path_with_query());
            },
            b"memory" => loop {
                std::hint::black_box(core::arch::wasm32::memory_grow(0, 16));
            },
            _ => {}
        }
        let headers = Fields::new();
        if told == b"length" {
            // Whatever its body is.
            let _ = headers.append("content-length", b"1");
        }
        if told == b"fields" {
            // What is let through here has to be stopped behind.
            for (name, value) in FORBIDDEN {
                let _ = headers.append(name, value);
            }
        }
        headers.append("x-abi", b"wasi:http 0.3").unwrap();
        headers.append("x-path", request.get_path_with_query().unwrap_or_default().as_bytes()).unwrap();
        let (body, trailers) = Request::consume_body(request, received());
        Ok(Response::new(headers, Some(body), trailers).0)
    }
}
