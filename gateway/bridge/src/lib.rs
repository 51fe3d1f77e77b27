//! Services that speak another protocol, as HTTP: NATS, AMQP 0-9-1, gRPC.
//!
//! A bridge stands where an upstream's endpoints would: its operations say which message a request becomes, and the broker's word is
//! the answer. What speaks gRPC has endpoints; requests in JSON become calls in front of them. Not here: bounds, breaker, figures (`gateway-proxy` has them around every upstream).

mod amqp;
mod answer;
mod events;
mod grpc;
mod nats;
mod operations;
mod pause;
mod replies;
mod request;
mod tls;

use gateway_config::{BridgeProtocol, Diagnostic, Upstream};
use gateway_core::bridge::{Bridge, Transcoder};
use std::sync::Arc;
use tokio::runtime::Handle;

/// What speaks for an upstream; none where its endpoints speak HTTP. It connects when it is started, on this runtime: workers may end
/// before it does.
///
/// # Errors
/// What is wrong with its TLS or its credentials, in words.
pub fn new(settings: &Upstream, runtime: Handle) -> Result<Option<Arc<dyn Bridge>>, String> {
    let Some(bridge) = &settings.bridge else { return Ok(None) };
    match &bridge.protocol {
        BridgeProtocol::Nats { .. } => {
            nats::Nats::new(settings, bridge, runtime).map(|nats| Some(Arc::new(nats) as Arc<dyn Bridge>))
        }
        BridgeProtocol::Amqp { .. } => {
            amqp::Amqp::new(settings, bridge, runtime).map(|amqp| Some(Arc::new(amqp) as Arc<dyn Bridge>))
        }
    }
}

/// What makes calls of gRPC of requests in JSON; none where nothing is said of it.
///
/// # Errors
/// Everything that is wrong with the descriptor set.
pub fn transcoder(settings: &Upstream) -> Result<Option<Arc<dyn Transcoder>>, Vec<Diagnostic>> {
    let Some(grpc) = &settings.grpc else { return Ok(None) };
    grpc::Grpc::new(settings, grpc).map(|grpc| Some(Arc::new(grpc) as Arc<dyn Transcoder>))
}
