//! A middleware of `wasi:http` 0.3 that calls what `gateway:plugin` offers beside it: names who asks by the field `x-user`, and tells in fields of the
//! answer what it learned. `x-do: late` changes the exchange after the head of its answer, `x-do: secret` asks for what is not granted.
// Some of it cannot be written for another machine.
#![cfg(target_family = "wasm")]
#![allow(unsafe_code, missing_docs, reason = "what wit-bindgen generates needs both")]

wit_bindgen::generate!({
    path: ["../../../wit/deps/wasi-http-0.3", "../../../wit/0.1"],
    inline: "
        package test:capable;
        world capable {
            include wasi:http/middleware@0.3.0;
            import gateway:plugin/exchange@0.1.0;
            import gateway:plugin/config@0.1.0;
            import gateway:plugin/log@0.1.0;
            import gateway:plugin/metrics@0.1.0;
            import gateway:plugin/clock@0.1.0;
            import gateway:plugin/random@0.1.0;
            import gateway:plugin/kv@0.1.0;
            import gateway:plugin/http@0.1.0;
            import gateway:plugin/limit@0.1.0;
            import gateway:plugin/secrets@0.1.0;
            import gateway:plugin/crypto@0.1.0;
        }
    ",
    world: "test:capable/capable",
    generate_all,
});

use exports::wasi::http::handler::Guest;
use gateway::plugin::{clock, config, crypto, exchange, http, kv, limit, log, metrics, random, secrets};
use std::fmt::Debug;
use wasi::http::handler;
use wasi::http::types::{ErrorCode, Fields, Request, Response};
use wit_bindgen::{FutureReader, StreamReader, StreamResult};

struct Capable;

export!(Capable);

impl Guest for Capable {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let fields = request.get_headers();
        let told = |name: &str| String::from_utf8(fields.get(name).into_iter().next().unwrap_or_default()).unwrap();
        let user = told("x-user");
        let mut learned = vec![("x-named", said(exchange::identify(&user, "", "")))];
        match told("x-do").as_str() {
            "late" => return Ok(late(request)),
            "everything" => learned.extend(everything()),
            "place" => {
                learned.push(("x-place", said(limit::take(&[budget(limit::Algorithm::Concurrency)], 1).map(first))))
            }
            "secret" => learned.push(("x-secret", said(secrets::get("KEY")))),
            _ => {}
        }
        let response = handler::handle(request).await?;
        learned.push(("x-consumer", exchange::attribute("consumer").unwrap_or_default()));
        learned.push(("x-ran", exchange::attribute("phases/ran").unwrap_or_default()));
        learned.push(("x-mine", said(exchange::set_attribute("mine", &user))));
        Ok(with(response, &learned))
    }
}

/// One function of each interface.
fn everything() -> Vec<(&'static str, String)> {
    let begin = clock::monotonic();
    clock::wait(2);
    log::log(log::Level::Info, "said beside wasi:http");
    metrics::count("asked", 1);
    let fetched = http::Request {
        method: "GET".into(),
        url: "upstream://service/fetched".into(),
        headers: Vec::new(),
        body: Vec::new(),
        timeout: None,
    };
    vec![
        ("x-route", exchange::route()),
        ("x-client", exchange::client_address()),
        ("x-config", config::get()),
        ("x-waited", (clock::monotonic() - begin >= 2_000_000).to_string()),
        ("x-random", random::bytes(16).len().to_string()),
        ("x-count", said(kv::increment("count", 1, None))),
        ("x-fetched", said(http::fetch(&fetched).map(|answer| String::from_utf8(answer.body).unwrap()))),
        ("x-taken", said(limit::take(&[budget(limit::Algorithm::FixedWindow)], 1).map(first))),
        ("x-keys", said(crypto::import_keys("{}"))),
    ]
}

/// One a minute, or one at once.
fn budget(algorithm: limit::Algorithm) -> limit::Budget {
    limit::Budget { key: "k".into(), algorithm, limit: 1, window: 60_000, burst: 0 }
}

fn first(standings: Vec<limit::Standing>) -> bool {
    standings[0].allowed
}

/// Its body is what came of changing the exchange, for each piece of the request's.
fn late(request: Request) -> Response {
    let (mut from, trailers) = Request::consume_body(request, received());
    let (mut writer, reader) = wit_stream::new();
    wit_bindgen::spawn_local(async move {
        while let (StreamResult::Complete(_), _) = from.read(Vec::with_capacity(1024)).await {
            let text = format!("{} {}\n", exchange::id().len(), said(exchange::set_attribute("mine", "late")));
            writer.write_all(text.into_bytes()).await;
        }
    });
    Response::new(Fields::new(), Some(reader), trailers).0
}

fn received() -> FutureReader<Result<(), ErrorCode>> {
    wit_future::new(|| Ok(())).1
}

/// A result as a field can have it.
fn said<T: Debug, E: Debug>(result: Result<T, E>) -> String {
    match result {
        Ok(value) => format!("{value:?}"),
        Err(error) => format!("{error:?}"),
    }
}

/// The response with more fields, its body handed on as it is.
fn with(response: Response, fields: &[(&str, String)]) -> Response {
    let headers = response.get_headers().clone();
    for (name, value) in fields {
        headers.append(name, value.as_bytes()).unwrap();
    }
    let status = response.get_status_code();
    let (body, trailers): (StreamReader<u8>, _) = Response::consume_body(response, received());
    let (next, _) = Response::new(headers, Some(body), trailers);
    next.set_status_code(status).unwrap();
    next
}
