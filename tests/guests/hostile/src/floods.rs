//! Too much of what is allowed. Each answers with how much was taken.

use plugin_sdk::{Flow, Response, Result, kv, metrics, request};
use std::time::Duration;

/// Fields until one is refused.
pub(crate) fn headers() -> Result<Flow> {
    let value = "x".repeat(8 << 10);
    let taken = (0..1000).take_while(|number| request::set_header(format!("x-big-{number}"), &value).is_ok()).count();
    Ok(Response::text(200, taken.to_string()).into())
}

/// More entries than are allowed in a second, with control characters.
pub(crate) fn log() -> Flow {
    for number in 0..1000 {
        plugin_sdk::info!("flood {number}\r\n\u{1b}[31mred {}", "x".repeat(100));
    }
    Response::new(200).into()
}

/// More names than are allowed.
pub(crate) fn metrics() -> Flow {
    for number in 0..1000 {
        metrics::count(&format!("flood_{number}"), 1);
    }
    Response::new(200).into()
}

/// Values until one is refused.
pub(crate) fn kv() -> Result<Flow> {
    let value = vec![b'x'; 128 << 10];
    let minute = Some(Duration::from_secs(60));
    let taken =
        (0..1000).take_while(|number| kv::set_bytes(&format!("flood-{number}"), &value, minute).is_ok()).count();
    Ok(Response::text(200, taken.to_string()).into())
}
