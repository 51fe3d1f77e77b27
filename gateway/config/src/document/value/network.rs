//! Networks: `10.0.0.0/8`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Fault, Scalar, Text};
use crate::Network;

/// A network, or a single address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NetworkText(pub(crate) Network);

impl Scalar for NetworkText {
    const CODE: &'static str = "invalid-network";
    const TEXT: Text = Text { what: "a network", example: Some("10.0.0.0/8"), pattern: None };

    fn parse(text: &str) -> Result<Self, Fault> {
        let fault = || {
            Fault::new(format!("`{text}` is no network")).hint("write `\"10.0.0.0/8\"`, `\"fd00::/8\"` or one address")
        };
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| fault())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(prefix) => prefix.parse::<u8>().ok().filter(|prefix| *prefix <= most).ok_or_else(fault)?,
            None => most,
        };
        let first = first_address(address, prefix);
        match first == address {
            true => Ok(Self(Network { address, prefix })),
            false => {
                let fault = Fault::new(format!("`{address}` is not the first address of its network"));
                Err(fault.hint(format!("write `\"{first}/{prefix}\"`")))
            }
        }
    }
}

/// The address with all bits after the prefix cleared.
fn first_address(address: IpAddr, prefix: u8) -> IpAddr {
    let prefix = u32::from(prefix);
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
            Ipv4Addr::from_bits(address.to_bits() & mask).into()
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - prefix).unwrap_or(0);
            Ipv6Addr::from_bits(address.to_bits() & mask).into()
        }
    }
}
