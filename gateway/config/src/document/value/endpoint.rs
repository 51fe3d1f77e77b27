//! Services: `http://host:port`, `https://host:port`.

use std::net::IpAddr;

use super::host::host_fault;
use super::name::Name;
use super::{Fault, Scalar, Text};
use crate::Endpoint;

/// Where a service listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EndpointUrl(pub(crate) Endpoint);

impl Scalar for EndpointUrl {
    const CODE: &'static str = "invalid-url";
    const TEXT: Text =
        Text { what: "a URL", example: Some("http://127.0.0.1:9001"), pattern: Some("^https?://[^/?#@]+$") };

    fn parse(text: &str) -> Result<Self, Fault> {
        let (tls, authority) = match text.split_once("://") {
            Some(("http", authority)) => (false, Some(authority)),
            Some(("https", authority)) => (true, Some(authority)),
            _ => (false, None),
        };
        let Some(authority) = authority else {
            let fault = match text.split_once("://") {
                Some((scheme, _)) => Fault::new(format!("`{scheme}` is no scheme the gateway speaks")),
                None => Fault::new(format!("`{text}` is no URL")).hint(format!("write `\"http://{text}\"`")),
            };
            return Err(fault);
        };
        if let Some(position) = authority.find(['/', '?', '#', '@']) {
            let (plain, _) = authority.split_at(position);
            let fault = Fault::new("only a host and a port may stand here, no user, path or query");
            let scheme = if tls { "https" } else { "http" };
            return Err(fault.hint(format!("write `\"{scheme}://{plain}\"`")));
        }
        let (host, port) = split_port(authority)?;
        // An IPv6 address stands in brackets here, and without them in the resolved endpoint.
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        if let Some(fault) = host_fault(host) {
            return Err(fault);
        }
        let port = port.unwrap_or(if tls { 443 } else { 80 });
        Ok(Self(Endpoint { host: bare.to_ascii_lowercase(), port, tls, weight: 1, priority: 0 }))
    }
}

/// The host and, if it was written, the port of an authority.
pub(super) fn split_port(authority: &str) -> Result<(&str, Option<u16>), Fault> {
    let after_address = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    let colon = authority.get(after_address..).and_then(|rest| rest.find(':'));
    let Some(colon) = colon.map(|colon| after_address + colon) else {
        return Ok((authority, None));
    };
    let (host, port) = authority.split_at(colon);
    let port = port.trim_start_matches(':');
    match port.parse::<u16>() {
        Ok(number) if number > 0 && port.bytes().all(|byte| byte.is_ascii_digit()) => Ok((host, Some(number))),
        _ => Err(Fault::new(format!("`{port}` is no port")).hint("a number from 1 to 65535")),
    }
}

/// A name that stands for addresses, and the port of all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostAndPort {
    /// Lower-case.
    pub(crate) host: String,
    /// 80 when it was not written.
    pub(crate) port: u16,
}

impl Scalar for HostAndPort {
    const CODE: &'static str = "invalid-host";
    const TEXT: Text = Text {
        what: "a name and a port",
        example: Some("orders.internal:8080"),
        pattern: Some("^[A-Za-z0-9_.-]+(:[0-9]+)?$"),
    };

    fn parse(text: &str) -> Result<Self, Fault> {
        if let Some((_, authority)) = text.split_once("://") {
            let fault = Fault::new("a name is asked for, not a URL");
            return Err(fault.hint(format!("write `\"{}\"`", authority.trim_end_matches('/'))));
        }
        let (host, port) = split_port(text)?;
        if host.starts_with('[') || host.parse::<IpAddr>().is_ok() {
            let fault = Fault::new(format!("`{host}` is an address, not a name"));
            return Err(fault.hint(format!("write `endpoints = [\"http://{text}\"]`")));
        }
        match host_fault(host) {
            Some(fault) => Err(fault),
            None => Ok(Self { host: host.to_ascii_lowercase(), port: port.unwrap_or(80) }),
        }
    }
}

/// What a plugin may call: an upstream by name, or an origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HttpGrant {
    /// `orders`.
    Upstream(Name),
    /// `http://host:port` or `https://host:port`, with the port always there.
    Origin(String),
}

impl Scalar for HttpGrant {
    const CODE: &'static str = "invalid-url";
    const TEXT: Text = Text { what: "an upstream or an origin", example: Some("https://idp.example"), pattern: None };

    fn parse(text: &str) -> Result<Self, Fault> {
        if !text.contains("://") {
            return Name::parse(text).map(Self::Upstream);
        }
        let EndpointUrl(Endpoint { host, port, tls, .. }) = EndpointUrl::parse(text)?;
        let scheme = if tls { "https" } else { "http" };
        match host.contains(':') {
            true => Ok(Self::Origin(format!("{scheme}://[{host}]:{port}"))),
            false => Ok(Self::Origin(format!("{scheme}://{host}:{port}"))),
        }
    }
}
