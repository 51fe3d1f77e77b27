//! A message of OTLP to its collector: protobuf over HTTP, or gRPC, which is that with five bytes in front and trailers behind.

use bytes::{BufMut as _, Bytes, BytesMut};
use gateway_config::{Otlp, OtlpProtocol};
use gateway_core::Body;
use gateway_core::clock::now;
use gateway_core::dispatch::{Call, Dispatch as _, Target};
use gateway_proxy::snapshot::Snapshot;
use http::header::{CONTENT_TYPE, HeaderValue, TE, USER_AGENT};
use http::{HeaderMap, Request, Uri};
use http_body_util::{BodyExt as _, Limited};
use std::sync::Arc;
use std::time::Duration;

/// How long a message may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The longest answer that is looked at.
const ANSWER: usize = 64 << 10;

/// A kind of thing that collectors take.
#[derive(Clone, Copy)]
pub(super) struct Signal {
    pub(super) name: &'static str,
    /// Over HTTP.
    path: &'static str,
    /// By gRPC.
    method: &'static str,
}

/// Traces.
pub(super) const TRACES: Signal = Signal {
    name: "traces",
    path: "/v1/traces",
    method: "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
};

/// Logs.
pub(super) const LOGS: Signal =
    Signal { name: "logs", path: "/v1/logs", method: "/opentelemetry.proto.collector.logs.v1.LogsService/Export" };

/// Why a message did not get through.
pub(super) enum Refusal {
    /// It may another time.
    Away(String),
    /// It never will.
    Final(String),
}

/// Sends a message and waits for its answer.
pub(super) async fn send(
    snapshot: &Arc<Snapshot>,
    otlp: &Otlp,
    signal: Signal,
    message: Vec<u8>,
) -> Result<(), Refusal> {
    let (path, kind, body) = match otlp.protocol {
        OtlpProtocol::Http => (signal.path, "application/x-protobuf", Bytes::from(message)),
        OtlpProtocol::Grpc => (signal.method, "application/grpc", framed(&message)),
    };
    let mut request =
        Request::post(Uri::from_static(path)).body(body).map_err(|error| Refusal::Final(error.to_string()))?;
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("gateway/", env!("CARGO_PKG_VERSION"))));
    if otlp.protocol == OtlpProtocol::Grpc {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    let deadline = now() + PATIENCE;
    let call = Call {
        target: Target::Upstream(Arc::clone(&otlp.upstream)),
        request: request.map(Body::from),
        deadline,
        depth: 1,
        request_id: HeaderValue::from_static("telemetry"),
        trace: None,
    };
    let whole = async {
        let (head, body) = snapshot.call(call).await.map_err(|error| gateway_core::error::chain(&error))?.into_parts();
        #[expect(clippy::disallowed_methods, reason = "it has a bound, and trailers, which `Body::gather` drops")]
        let body = Limited::new(body, ANSWER).collect().await.map_err(|error| error.to_string())?;
        Ok::<_, String>((head, body.trailers().cloned().unwrap_or_default()))
    };
    let (head, trailers) = match tokio::time::timeout_at(deadline.into(), whole).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(detail)) => return Err(Refusal::Away(detail)),
        Err(_) => return Err(Refusal::Away("it did not answer in time".to_owned())),
    };
    let status = head.status.as_u16();
    match (status, otlp.protocol) {
        (200..300, OtlpProtocol::Http) => Ok(()),
        (200, OtlpProtocol::Grpc) => grpc(&head.headers, &trailers),
        // Those that OTLP says may be sent again.
        (429 | 502..=504, _) => Err(Refusal::Away(format!("it answered with status {status}"))),
        _ => Err(Refusal::Final(format!("it answered with status {status}"))),
    }
}

/// One message that is not compressed.
fn framed(message: &[u8]) -> Bytes {
    let mut framed = BytesMut::with_capacity(message.len() + 5);
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    framed.put_slice(message);
    framed.freeze()
}

/// What gRPC says, behind the answer or, where there is none, in its head.
fn grpc(headers: &HeaderMap, trailers: &HeaderMap) -> Result<(), Refusal> {
    let field = |name: &str| trailers.get(name).or_else(|| headers.get(name)).and_then(|value| value.to_str().ok());
    let detail =
        |code: &str| format!("it answered with gRPC status {code}: {}", field("grpc-message").unwrap_or_default());
    match field("grpc-status") {
        Some("0") => Ok(()),
        // Cancelled, deadline exceeded, resource exhausted, aborted, out of range, unavailable, data loss: as OTLP has it.
        Some(code @ ("1" | "4" | "8" | "10" | "11" | "14" | "15")) => Err(Refusal::Away(detail(code))),
        Some(code) => Err(Refusal::Final(detail(code))),
        None => Err(Refusal::Away("its answer has no gRPC status".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grpc_says_whether_it_may_be_sent_again() {
        let fields = |code: &'static str| {
            HeaderMap::from_iter([(http::HeaderName::from_static("grpc-status"), HeaderValue::from_static(code))])
        };
        assert!(grpc(&HeaderMap::new(), &fields("0")).is_ok());
        assert!(grpc(&fields("0"), &HeaderMap::new()).is_ok());
        assert!(matches!(grpc(&HeaderMap::new(), &fields("14")), Err(Refusal::Away(_))));
        assert!(matches!(grpc(&HeaderMap::new(), &fields("3")), Err(Refusal::Final(_))));
        assert!(matches!(grpc(&HeaderMap::new(), &HeaderMap::new()), Err(Refusal::Away(_))));
    }

    #[test]
    fn a_message_has_its_length_in_front() {
        assert_eq!(*framed(b"abc"), [0, 0, 0, 0, 3, b'a', b'b', b'c']);
    }
}
