//! Host names: those a route matches, and the one an upstream is to see.

use std::net::Ipv6Addr;

use super::{Fault, Scalar, Text};
use crate::Host;

/// What a route's host must be: `api.example.com` or `*.example.com`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostPattern(pub(crate) Host);

impl Scalar for HostPattern {
    const CODE: &'static str = "invalid-host";
    const TEXT: Text =
        Text { what: "a host name", example: Some("api.example.com"), pattern: Some("^(\\*\\.)?[^*/:]+$|^\\[.*\\]$") };

    fn parse(text: &str) -> Result<Self, Fault> {
        let (name, make): (&str, fn(String) -> Host) = match text.strip_prefix("*.") {
            Some(rest) => (rest, Host::Wildcard),
            None => (text, Host::Exact),
        };
        if text == "*" {
            return Err(Fault::new("`*` is no host name").hint("leave `host` out: then the route serves any host"));
        }
        if name.contains('*') {
            return Err(Fault::new("a star stands only for the first labels").hint("write `\"*.example.com\"`"));
        }
        match host_fault(name) {
            Some(fault) => Err(fault),
            None => Ok(Self(make(name.to_ascii_lowercase()))),
        }
    }
}

/// A host name without a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostName(pub(crate) String);

impl Scalar for HostName {
    const CODE: &'static str = "invalid-host";
    const TEXT: Text =
        Text { what: "`\"endpoint\"`, `\"preserve\"` or a host name", example: Some("orders.internal"), pattern: None };

    fn parse(text: &str) -> Result<Self, Fault> {
        match host_fault(text) {
            Some(fault) => Err(fault),
            None => Ok(Self(text.to_ascii_lowercase())),
        }
    }
}

/// What keeps a text from being a host name or an address (IPv6 in brackets).
pub(super) fn host_fault(text: &str) -> Option<Fault> {
    if let Some(address) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let is_address = address.parse::<Ipv6Addr>().is_ok();
        return (!is_address).then(|| Fault::new(format!("`{address}` is no IPv6 address")));
    }
    if let Some((host, _)) = text.split_once(':') {
        return Some(Fault::new("a host is written without its port").hint(format!("write `\"{host}\"`")));
    }
    if !text.is_ascii() {
        let fault = Fault::new(format!("`{text}` has letters that DNS does not know"));
        return Some(fault.hint("write it in its ASCII form, which begins with `xn--`"));
    }
    let is_label = |label: &str| {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        !label.is_empty() && label.len() <= 63 && label.bytes().all(is_letter)
    };
    let is_name = text.len() <= 253 && text.split('.').all(is_label);
    (!is_name).then(|| Fault::new(format!("`{text}` is no host name")))
}
