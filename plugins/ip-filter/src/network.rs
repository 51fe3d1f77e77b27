//! A network, as `10.0.0.0/8`.

use std::net::IpAddr;

/// An address and how many of its bits count.
pub(crate) struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    /// `address/bits`, or an address alone.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let bad = || format!("`{text}` is not an address or a network such as `10.0.0.0/8`");
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| bad())?;
        if address.to_canonical() != address {
            return Err(format!("`{text}` is IPv4 in IPv6 form; write it as IPv4"));
        }
        let width = width(address);
        let bits = bits.map_or(Ok(width), str::parse).ok().filter(|bits| *bits <= width).ok_or_else(bad)?;
        let network = Self { address, bits };
        if network.masked(address) != number(address) {
            return Err(format!(
                "`{text}` has bits of an address after its first {bits}; write the network's first address"
            ));
        }
        Ok(network)
    }

    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        width(address) == width(self.address) && self.masked(address) == number(self.address)
    }

    /// The bits that count.
    fn masked(&self, address: IpAddr) -> u128 {
        let rest = width(address) - self.bits;
        number(address).checked_shr(rest).unwrap_or(0).checked_shl(rest).unwrap_or(0)
    }
}

fn width(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}
