//! What services are called where they are registered.

use super::host::host_fault;
use super::{Fault, Scalar, Text};

/// The name of SRV records: `_http._tcp.orders.internal`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SrvName(pub(crate) String);

impl Scalar for SrvName {
    const CODE: &'static str = "invalid-host";
    const TEXT: Text = Text {
        what: "a name of SRV records",
        example: Some("_http._tcp.orders.internal"),
        pattern: Some("^[A-Za-z0-9_.-]+$"),
    };

    fn parse(text: &str) -> Result<Self, Fault> {
        if let Some((name, port)) = text.rsplit_once(':')
            && !port.is_empty()
            && port.bytes().all(|byte| byte.is_ascii_digit())
        {
            let fault = Fault::new("SRV records say the port themselves");
            return Err(fault.hint(format!("write `srv = \"{name}\"`, or `dns = \"{text}\"` to ask for addresses")));
        }
        match host_fault(text) {
            Some(fault) => Err(fault),
            None => Ok(Self(text.to_ascii_lowercase())),
        }
    }
}

/// A name in a registry that does not restrict names much: no control characters, not empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServiceName(pub(crate) String);

impl Scalar for ServiceName {
    const CODE: &'static str = "invalid-name";
    const TEXT: Text = Text { what: "a name", example: Some("orders"), pattern: None };

    fn parse(text: &str) -> Result<Self, Fault> {
        match text.is_empty() || text.chars().any(char::is_control) {
            true => Err(Fault::new(format!("`{}` is no name", text.escape_debug()))),
            false => Ok(Self(text.to_owned())),
        }
    }
}
