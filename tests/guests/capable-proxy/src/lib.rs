//! A proxy of `wasi:http` 0.2 that calls what `gateway:plugin` offers beside it, and answers with what it learned.
// It cannot be written for another machine.
#![cfg(target_family = "wasm")]
#![allow(unsafe_code, missing_docs, reason = "what wit-bindgen generates needs both")]

wit_bindgen::generate!({
    path: ["../../../wit/deps/wasi-http-0.2", "../../../wit/0.1"],
    inline: "
        package test:capable-proxy;
        world capable-proxy {
            include wasi:http/proxy@0.2.12;
            import gateway:plugin/exchange@0.1.0;
            import gateway:plugin/config@0.1.0;
            import gateway:plugin/kv@0.1.0;
        }
    ",
    world: "test:capable-proxy/capable-proxy",
    generate_all,
});

use exports::wasi::http::incoming_handler::Guest;
use gateway::plugin::{config, exchange, kv};
use wasi::http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam};

struct Proxy;

export!(Proxy);

impl Guest for Proxy {
    fn handle(_: IncomingRequest, out: ResponseOutparam) {
        let count = kv::increment("count", 1, None).unwrap();
        let before = exchange::attribute("consumer");
        let named = exchange::identify("bob", "", "");
        let said = format!("{} {} {before:?} {named:?} {count}", exchange::route(), config::get());
        let response = OutgoingResponse::new(Fields::new());
        let body = response.body().unwrap();
        ResponseOutparam::set(out, Ok(response));
        let to = body.write().unwrap();
        to.blocking_write_and_flush(said.as_bytes()).unwrap();
        drop(to);
        OutgoingBody::finish(body, None).unwrap();
    }
}
