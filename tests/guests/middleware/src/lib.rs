//! A middleware of `wasi:http` 0.3 that does what the field `x-do` tells it.
// Some of it cannot be written for another machine.
#![cfg(target_family = "wasm")]
#![allow(unsafe_code, missing_docs, reason = "what wit-bindgen generates needs both")]

use std::sync::atomic::{AtomicUsize, Ordering};

wit_bindgen::generate!({ path: "../../../wit/deps/wasi-http-0.3", world: "middleware", generate_all });

use exports::wasi::http::handler::Guest;
use wasi::http::types::{ErrorCode, Fields, Request, Response, Scheme};
use wasi::http::{client, handler};
use wit_bindgen::{FutureReader, StreamReader, StreamResult};

struct Middleware;

export!(Middleware);

type Trailers = FutureReader<Result<Option<Fields>, ErrorCode>>;

/// Requests that this instance has served, and those that are in it.
static SERVED: AtomicUsize = AtomicUsize::new(0);
static INSIDE: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

impl Guest for Middleware {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        SERVED.fetch_add(1, Ordering::Relaxed);
        let inside = INSIDE.fetch_add(1, Ordering::Relaxed) + 1;
        MOST.fetch_max(inside, Ordering::Relaxed);
        let answered = serve(request).await;
        INSIDE.fetch_sub(1, Ordering::Relaxed);
        answered
    }
}

async fn serve(request: Request) -> Result<Response, ErrorCode> {
    match told(&request).as_str() {
        // The response as it came: not even its head is looked at.
        "pass" => handler::handle(request).await,
        "upper" => {
            let response = handler::handle(request).await?;
            Ok(rewrite(response, |bytes| bytes.make_ascii_uppercase()))
        }
        "upper-request" => handler::handle(upper_request(request)).await,
        "trap" => panic!("told to"),
        "trap-after" => {
            let response = handler::handle(request).await?;
            if response.get_status_code() > 0 {
                panic!("told to, after the answer");
            }
            Ok(response)
        }
        "trap-later" => {
            let response = handler::handle(request).await?;
            let mut pieces = 0;
            Ok(rewrite(response, move |_| {
                pieces += 1;
                assert!(pieces < 3, "told to, in the body");
            }))
        }
        "loop" => loop {
            std::hint::black_box(0);
        },
        "host-loop" => loop {
            std::hint::black_box(wasi::random::random::get_random_u64());
        },
        "memory" => loop {
            std::hint::black_box(core::arch::wasm32::memory_grow(0, 16));
        },
        "wait" => {
            wasi::clocks::monotonic_clock::wait_for(600_000_000_000).await;
            Err(ErrorCode::InternalError(None))
        }
        "error" => Err(ErrorCode::HttpRequestDenied),
        "refuse" => Ok(text(403, "refused by the middleware".into(), &[])),
        "thrice" => thrice(&request).await,
        "three-services" => three_services().await,
        "twice-at-once" => {
            let (one, two) = (again(&request, "/one"), again(&request, "/two"));
            let (one, two) = futures_join(one, two).await;
            Ok(text(200, format!("{} {}", one?, two?), &[]))
        }
        _ => {
            let served = SERVED.load(Ordering::Relaxed);
            let response = handler::handle(marked(request)).await?;
            let most = MOST.load(Ordering::Relaxed);
            Ok(with(response, &[("x-served", served.to_string()), ("x-most", most.to_string())]))
        }
    }
}

fn told(request: &Request) -> String {
    let value = request.get_headers().get("x-do").into_iter().next().unwrap_or_default();
    String::from_utf8(value).unwrap_or_default()
}

fn no_trailers() -> Trailers {
    wit_future::new(|| Ok(None)).1
}

fn received() -> FutureReader<Result<(), ErrorCode>> {
    wit_future::new(|| Ok(())).1
}

/// The request with one more field, its body handed on as it is.
fn marked(request: Request) -> Request {
    let headers = request.get_headers().clone();
    headers.append("x-middleware", b"was-here").unwrap();
    let (method, path) = (request.get_method(), request.get_path_with_query());
    let (body, trailers) = Request::consume_body(request, received());
    let (next, _) = Request::new(headers, Some(body), trailers, None);
    next.set_method(&method).unwrap();
    next.set_path_with_query(path.as_deref()).unwrap();
    next
}

/// The response with more fields, its body handed on as it is.
fn with(response: Response, fields: &[(&str, String)]) -> Response {
    let headers = response.get_headers().clone();
    for (name, value) in fields {
        headers.append(name, value.as_bytes()).unwrap();
    }
    let status = response.get_status_code();
    let (body, trailers) = Response::consume_body(response, received());
    let (next, _) = Response::new(headers, Some(body), trailers);
    next.set_status_code(status).unwrap();
    next
}

/// The response with every piece of its body changed on its way.
fn rewrite(response: Response, change: impl FnMut(&mut Vec<u8>) + 'static) -> Response {
    let headers = response.get_headers().clone();
    let status = response.get_status_code();
    let (body, trailers) = Response::consume_body(response, received());
    let (next, _) = Response::new(headers, Some(piped(body, change)), trailers);
    next.set_status_code(status).unwrap();
    next
}

fn upper_request(request: Request) -> Request {
    let headers = request.get_headers().clone();
    let (method, path) = (request.get_method(), request.get_path_with_query());
    let (body, trailers) = Request::consume_body(request, received());
    let (next, _) = Request::new(headers, Some(piped(body, |bytes| bytes.make_ascii_uppercase())), trailers, None);
    next.set_method(&method).unwrap();
    next.set_path_with_query(path.as_deref()).unwrap();
    next
}

fn piped(mut from: StreamReader<u8>, mut change: impl FnMut(&mut Vec<u8>) + 'static) -> StreamReader<u8> {
    let (mut writer, reader) = wit_stream::new();
    wit_bindgen::spawn_local(async move {
        let mut buffer = Vec::with_capacity(64 << 10);
        loop {
            let (result, mut bytes) = from.read(buffer).await;
            change(&mut bytes);
            let left = writer.write_all(bytes).await;
            if !left.is_empty() || !matches!(result, StreamResult::Complete(_)) {
                return;
            }
            buffer = left;
            buffer.clear();
            buffer.reserve(64 << 10);
        }
    });
    reader
}

fn text(status: u16, body: String, fields: &[(&str, &str)]) -> Response {
    let headers = Fields::new();
    for (name, value) in fields {
        headers.append(name, value.as_bytes()).unwrap();
    }
    let (mut writer, reader) = wit_stream::new();
    wit_bindgen::spawn_local(async move {
        writer.write_all(body.into_bytes()).await;
    });
    let (response, _) = Response::new(headers, Some(reader), no_trailers());
    response.set_status_code(status).unwrap();
    response
}

/// Calls the rest of the chain with a request of its own, and reads the answer whole.
async fn again(request: &Request, path: &str) -> Result<String, ErrorCode> {
    let (own, _) = Request::new(request.get_headers().clone(), None, no_trailers(), None);
    own.set_path_with_query(Some(path)).unwrap();
    read(handler::handle(own).await?).await
}

async fn read(response: Response) -> Result<String, ErrorCode> {
    let status = response.get_status_code();
    let (body, _) = Response::consume_body(response, received());
    Ok(format!("{status}:{}", String::from_utf8_lossy(&body.collect().await)))
}

async fn thrice(request: &Request) -> Result<Response, ErrorCode> {
    let mut answers = Vec::new();
    for path in ["/first", "/second", "/third"] {
        answers.push(again(request, path).await?);
    }
    Ok(text(200, answers.join(" "), &[]))
}

async fn three_services() -> Result<Response, ErrorCode> {
    let fetch = |path: &'static str| async move {
        let (request, _) = Request::new(Fields::new(), None, no_trailers(), None);
        request.set_scheme(Some(&Scheme::Http)).unwrap();
        request.set_authority(Some("service")).unwrap();
        request.set_path_with_query(Some(path)).unwrap();
        match client::send(request).await {
            Ok(response) => read(response).await,
            Err(code) => Ok(format!("{code:?}")),
        }
    };
    let ((one, two), three) = futures_join(futures_join(fetch("/one"), fetch("/two")), fetch("/three")).await;
    Ok(text(200, format!("{} {} {}", one?, two?, three?), &[]))
}

/// Both at once.
async fn futures_join<A: Future, B: Future>(one: A, two: B) -> (A::Output, B::Output) {
    let (mut one, mut two) = (Box::pin(one), Box::pin(two));
    let (mut of_one, mut of_two) = (None, None);
    std::future::poll_fn(move |context| {
        use std::task::Poll;
        if of_one.is_none()
            && let Poll::Ready(output) = one.as_mut().poll(context)
        {
            of_one = Some(output);
        }
        if of_two.is_none()
            && let Poll::Ready(output) = two.as_mut().poll(context)
        {
            of_two = Some(output);
        }
        match (of_one.take(), of_two.take()) {
            (Some(one), Some(two)) => Poll::Ready((one, two)),
            (one, two) => {
                (of_one, of_two) = (one, two);
                Poll::Pending
            }
        }
    })
    .await
}
