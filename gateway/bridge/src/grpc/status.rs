//! How a call went: `grpc-status` with its message and details, and what that is as an answer of HTTP.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use gateway_core::exchange::Answer;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use percent_encoding::percent_decode_str;
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage};
use serde_json::{Map, Value};

/// Base64 of metadata in bytes: padded or not (gRPC over HTTP/2, Requests).
pub(super) const BINARY: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

const OK: u16 = 0;
const UNKNOWN: u16 = 2;

/// By number: the name of a code in `google.rpc.Code`, and its status of HTTP.
const CODES: [(&str, u16); 17] = [
    ("OK", 200),
    ("CANCELLED", 499),
    ("UNKNOWN", 500),
    ("INVALID_ARGUMENT", 400),
    ("DEADLINE_EXCEEDED", 504),
    ("NOT_FOUND", 404),
    ("ALREADY_EXISTS", 409),
    ("PERMISSION_DENIED", 403),
    ("RESOURCE_EXHAUSTED", 429),
    ("FAILED_PRECONDITION", 400),
    ("ABORTED", 409),
    ("OUT_OF_RANGE", 400),
    ("UNIMPLEMENTED", 501),
    ("INTERNAL", 500),
    ("UNAVAILABLE", 503),
    ("DATA_LOSS", 500),
    ("UNAUTHENTICATED", 401),
];

/// How a call went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Status {
    code: u16,
    message: String,
    /// An encoded `google.rpc.Status`.
    details: Vec<u8>,
}

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, prost::Message)]
struct Details {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, prost::Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

impl Status {
    /// What trailers say, or a head without a body; none where they say nothing.
    pub(super) fn of(fields: &HeaderMap) -> Option<Self> {
        let text = |name: &str| fields.get(name).and_then(|value| value.to_str().ok());
        let code = fields.get("grpc-status")?;
        let code = code.to_str().ok().and_then(|code| code.parse().ok()).unwrap_or(UNKNOWN);
        let message = text("grpc-message").map(|message| percent_decode_str(message).decode_utf8_lossy().into_owned());
        let details = text("grpc-status-details-bin").and_then(|details| BINARY.decode(details).ok());
        Some(Self { code, message: message.unwrap_or_default(), details: details.unwrap_or_default() })
    }

    /// Of an answer that is none of gRPC, by gRPC's `http-grpc-status-mapping.md`.
    pub(super) fn of_http(status: StatusCode) -> Self {
        let code = match status.as_u16() {
            400 => 13,
            401 => 16,
            403 => 7,
            404 => 12,
            429 | 502..=504 => 14,
            _ => UNKNOWN,
        };
        Self {
            code,
            message: format!("the service answered with HTTP status {}", status.as_u16()),
            details: Vec::new(),
        }
    }

    pub(super) fn is_ok(&self) -> bool {
        self.code == OK
    }

    /// The problem document of one that is not OK.
    pub(super) fn problem(&self, pool: &DescriptorPool) -> (StatusCode, Value) {
        let (name, status) = CODES.get(usize::from(self.code)).copied().unwrap_or(("UNKNOWN", 500));
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut document = Map::new();
        document.insert("type".into(), "about:blank".into());
        document.insert("title".into(), status.canonical_reason().unwrap_or("Client Closed Request").into());
        document.insert("status".into(), status.as_u16().into());
        if !self.message.is_empty() {
            document.insert("detail".into(), self.message.as_str().into());
        }
        document.insert("code".into(), name.into());
        let details = Details::decode(self.details.as_slice()).unwrap_or_default().details;
        if !details.is_empty() {
            document.insert("details".into(), details.iter().map(|any| any.told(pool)).collect());
        }
        (status, Value::Object(document))
    }

    /// The same as a whole answer.
    pub(super) fn answer(&self, pool: &DescriptorPool, mut headers: HeaderMap) -> Answer {
        let (status, document) = self.problem(pool);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Answer { status, headers, body: Bytes::from(document.to_string()) }
    }
}

impl Any {
    /// As the canonical JSON of an `Any` where its type is known, else its bytes.
    fn told(&self, pool: &DescriptorPool) -> Value {
        let mut told = Map::new();
        told.insert("@type".into(), self.type_url.as_str().into());
        let name = self.type_url.rsplit('/').next().unwrap_or_default();
        let message = pool.get_message_by_name(name).and_then(|known| DynamicMessage::decode(known, &*self.value).ok());
        match message.and_then(|message| serde_json::to_value(message).ok()) {
            Some(Value::Object(fields)) => told.extend(fields),
            Some(other) => drop(told.insert("value".into(), other)),
            None => drop(told.insert("value".into(), BINARY.encode(&self.value).into())),
        }
        Value::Object(told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_status_is_a_problem_by_the_published_table() {
        for (code, expected, name) in [
            ("5", 404, "NOT_FOUND"),
            ("1", 499, "CANCELLED"),
            ("16", 401, "UNAUTHENTICATED"),
            ("99", 500, "UNKNOWN"),
            ("x", 500, "UNKNOWN"),
        ] {
            let mut fields = HeaderMap::new();
            fields.insert("grpc-status", HeaderValue::from_static(code));
            fields.insert("grpc-message", HeaderValue::from_static("no %C3%BC"));
            let (status, document) = Status::of(&fields).unwrap().problem(&DescriptorPool::new());
            assert_eq!((status.as_u16(), &document["code"]), (expected, &json!(name)), "{code}");
            assert_eq!(document["detail"], "no ü");
        }
        assert_eq!(Status::of(&HeaderMap::new()), None);
    }

    #[test]
    fn details_are_told_by_their_type_or_as_bytes() {
        let any = |url: &str, value: &[u8]| Any { type_url: format!("type.googleapis.com/{url}"), value: value.into() };
        let details = Details {
            details: vec![any("google.protobuf.Duration", b"\x08\x03"), any("a.Unknown", b"\xff")],
            ..Details::default()
        };
        let mut fields = HeaderMap::new();
        fields.insert("grpc-status", HeaderValue::from_static("3"));
        let encoded = BINARY.encode(details.encode_to_vec());
        fields.insert("grpc-status-details-bin", encoded.trim_end_matches('=').parse().unwrap());
        let (_, document) = Status::of(&fields).unwrap().problem(&DescriptorPool::global());
        assert_eq!(
            document["details"],
            json!([
                { "@type": "type.googleapis.com/google.protobuf.Duration", "value": "3s" },
                { "@type": "type.googleapis.com/a.Unknown", "value": "/w==" },
            ])
        );
    }
}
