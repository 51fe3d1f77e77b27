//! Refusals of gRPC calls, as gRPC has them: status 200, and what went wrong in `grpc-status`.
//!
//! A client of gRPC that is told something else guesses by the published table of HTTP statuses, which is the one used here; but
//! it cannot be told more.

use gateway_core::exchange::Response;
use gateway_core::problem::PROXY_STATUS;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// Whether these fields say that the body is gRPC's own; what is for browsers (`application/grpc-web`) is not.
pub(super) fn is_grpc(headers: &HeaderMap) -> bool {
    let rest = headers.get(CONTENT_TYPE).and_then(|value| value.as_bytes().strip_prefix(b"application/grpc"));
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

/// Makes a refusal one of gRPC: a head without a body. None where it is an answer of gRPC already, or no refusal.
pub(super) fn refusal(head: &Response, error: Option<&str>) -> Option<Response> {
    if head.status.as_u16() < 400 || is_grpc(&head.headers) {
        return None;
    }
    let mut headers = head.headers.clone();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(GRPC_STATUS, status(head.status, error).into());
    let reason = head.status.canonical_reason().unwrap_or("refused");
    let message = headers.get(PROXY_STATUS).and_then(|value| value.to_str().ok()).map_or_else(
        || format!("{} {reason}", head.status.as_u16()),
        |cause| format!("{} {reason}: {cause}", head.status.as_u16()),
    );
    // Visible ASCII without `%`: percent-encoding would leave it as it is.
    if let Ok(message) = HeaderValue::try_from(message) {
        headers.insert(GRPC_MESSAGE, message);
    }
    Some(Response { status: StatusCode::OK, headers })
}

/// By `http-grpc-status-mapping.md` of gRPC, and finer where it is known what happened.
fn status(status: StatusCode, error: Option<&str>) -> u16 {
    match (status.as_u16(), error) {
        (_, Some("http_response_timeout")) => 4,
        (413 | 431, _) => 8,
        (400, _) => 13,
        (401, _) => 16,
        (403, _) => 7,
        (404, _) => 12,
        (429 | 502..=504, _) => 14,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types_of_grpc() {
        for (text, expected) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc;charset=utf-8", true),
            ("application/grpc-web", false),
            ("application/json", false),
        ] {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(text))]);
            assert_eq!(is_grpc(&headers), expected, "{text}");
        }
    }

    #[test]
    fn statuses_by_the_published_table() {
        for (http, error, expected) in [
            (401, None, 16),
            (403, None, 7),
            (404, None, 12),
            (429, None, 14),
            (503, Some("connection_refused"), 14),
            (504, Some("http_response_timeout"), 4),
            (413, None, 8),
            (500, None, 2),
        ] {
            let head = Response { status: StatusCode::from_u16(http).unwrap(), ..Response::default() };
            let refused = refusal(&head, error).unwrap();
            assert_eq!(refused.headers[GRPC_STATUS], expected.to_string(), "{http}");
            assert_eq!(refused.status, StatusCode::OK);
        }
        assert!(refusal(&Response::default(), None).is_none());
    }
}
