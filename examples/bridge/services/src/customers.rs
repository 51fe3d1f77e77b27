//! Customers, by HTTP: `/c0` to `/c2`.

use crate::say;
use http::{Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use std::convert::Infallible;
use tokio::net::TcpListener;

/// Answers for ever.
pub(crate) async fn serve(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            // A client that goes away ends its connection and nothing else.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service_fn(answer))
                .await;
        });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<String>, Infallible> {
    let id = request.uri().path().trim_start_matches('/');
    say(&format!("customers: asked for {id}"));
    let name = match id {
        "c0" => Some("Ada"),
        "c1" => Some("Grace"),
        "c2" => Some("Barbara"),
        _ => None,
    };
    let body = name.map(|name| json!({ "id": id, "name": name, "password": "not for everybody" }).to_string());
    let mut response = Response::new(body.unwrap_or_default());
    if name.is_none() {
        *response.status_mut() = StatusCode::NOT_FOUND;
    }
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    Ok(response)
}
