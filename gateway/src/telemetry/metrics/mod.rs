//! `/metrics`: every figure that the gateway has, at the moment somebody asks.
//!
//! Names and units are those of OpenTelemetry's conventions for HTTP, as Prometheus writes them; what they have no name for begins with
//! `gateway_`. Labels are words of the configuration and of fixed lists, never a client's.

mod family;
mod gateway;
mod http;
mod plugins;
mod text;
mod upstreams;

pub(crate) use text::{Format, render};

use crate::server::Running;
use family::Family;
use std::sync::Arc;

/// All figures.
fn families(running: &Running) -> Vec<Family> {
    let current = Arc::clone(&running.current.lock());
    let meters = running.instruments.meters();
    let mut families = Vec::new();
    if meters.are_on() {
        families.extend(http::families(meters));
    }
    families.extend(upstreams::families(meters, &current));
    families.extend(plugins::families(meters, &current, &running.instruments));
    families.extend(gateway::families(running, &current));
    families.retain(|family| !family.samples.is_empty());
    families
}
