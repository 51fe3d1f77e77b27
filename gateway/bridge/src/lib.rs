//! Services that speak another protocol, as HTTP: NATS and AMQP 0-9-1.
//!
//! A bridge stands where an upstream's endpoints would: its operations say which message a request becomes, and the broker's word is
//! the answer. Not here: bounds, breaker, figures (`gateway-proxy` has them around every upstream).

mod amqp;
mod answer;
mod events;
mod nats;
mod operations;
mod pause;
mod replies;
mod request;
mod tls;

use gateway_config::{BridgeProtocol, Upstream};
use gateway_core::bridge::Bridge;
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
            Ok(Some(Arc::new(amqp::Amqp::new(settings, bridge, runtime)) as Arc<dyn Bridge>))
        }
    }
}
