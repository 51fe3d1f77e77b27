//! A service of `wasi:http` 0.3 that answers with the body it got.
#![allow(unsafe_code, missing_docs, reason = "what wit-bindgen generates needs both")]

wit_bindgen::generate!({ path: "../../../wit/deps/wasi-http-0.3", world: "service", generate_all });

use exports::wasi::http::handler::Guest;
use wasi::http::types::{ErrorCode, Fields, Request, Response};
use wit_bindgen::FutureReader;

struct Service;

export!(Service);

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
            _ => {}
        }
        let headers = Fields::new();
        headers.append("x-abi", b"wasi:http 0.3").unwrap();
        headers.append("x-path", request.get_path_with_query().unwrap_or_default().as_bytes()).unwrap();
        let (body, trailers) = Request::consume_body(request, received());
        Ok(Response::new(headers, Some(body), trailers).0)
    }
}
