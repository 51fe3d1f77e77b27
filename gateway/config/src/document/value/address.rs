//! Where sockets listen: `127.0.0.1:8080`, `[::]:8080`, `unix:/run/gateway.sock`.

use std::net::{IpAddr, SocketAddr};

use super::{Fault, Scalar, Text};
use crate::Admin;

/// A TCP address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ListenAddress(pub(crate) SocketAddr);

impl Scalar for ListenAddress {
    const CODE: &'static str = "invalid-address";
    const TEXT: Text = Text { what: "an address with a port", example: Some("127.0.0.1:8080"), pattern: None };

    fn parse(text: &str) -> Result<Self, Fault> {
        let fault = || Fault::new(format!("`{text}` is no address with a port"));
        if let Ok(address) = text.parse() {
            return Ok(Self(address));
        }
        match text.rsplit_once(':') {
            Some(("" | "*", port)) => Err(fault().hint(format!("`\"[::]:{port}\"` listens on every address"))),
            Some(("localhost", port)) => Err(fault().hint(format!("write `\"127.0.0.1:{port}\"`"))),
            _ => Err(fault().hint("an IP address and a port: `\"127.0.0.1:8080\"` or `\"[::1]:8080\"`")),
        }
    }
}

/// A DNS server's: port 53 unless written otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ResolverAddress(pub(crate) SocketAddr);

impl Scalar for ResolverAddress {
    const CODE: &'static str = "invalid-address";
    const TEXT: Text = Text { what: "an address", example: Some("10.0.0.2"), pattern: None };

    fn parse(text: &str) -> Result<Self, Fault> {
        let plain = text.parse::<IpAddr>().map(|address| SocketAddr::new(address, 53));
        match plain.or_else(|_| text.parse()) {
            Ok(address) => Ok(Self(address)),
            Err(_) => Err(Fault::new(format!("`{text}` is no address"))
                .hint("an IP address, with a port where it is not 53: `\"10.0.0.2\"` or `\"[::1]:5353\"`")),
        }
    }
}

/// The administration listener's: an address, or a unix socket.
#[derive(Debug, Clone)]
pub(crate) struct AdminAddress(pub(crate) Admin);

impl Scalar for AdminAddress {
    const CODE: &'static str = "invalid-address";
    const TEXT: Text =
        Text { what: "an address with a port or `unix:/path`", example: Some("127.0.0.1:9901"), pattern: None };

    fn parse(text: &str) -> Result<Self, Fault> {
        if let Some(path) = text.strip_prefix("unix:") {
            return match path.starts_with('/') {
                true => Ok(Self(Admin::Unix(path.into()))),
                false => {
                    Err(Fault::new("the path of a unix socket must be absolute")
                        .hint("write `\"unix:/run/gateway.sock\"`"))
                }
            };
        }
        let ListenAddress(address) = ListenAddress::parse(text)?;
        Ok(Self(Admin::Tcp(address)))
    }
}
