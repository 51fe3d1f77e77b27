//! What a client is known by, as a number: the same on every gateway and after every start.

use gateway_config::KeyBy;
use gateway_core::exchange::Exchange;
use http::header::COOKIE;
use std::net::IpAddr;
use xxhash_rust::xxh3::xxh3_64;

/// None where the client shows nothing of it.
pub(crate) fn of(by: &KeyBy, exchange: &Exchange) -> Option<u64> {
    let headers = &exchange.request.headers;
    match by {
        KeyBy::Header(name) => headers.get(name.as_str()).map(|value| hash(value.as_bytes())),
        KeyBy::Cookie(name) => {
            let pairs = headers.get_all(COOKIE).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
            let mut values = pairs.filter_map(|pair| {
                let pair = pair.trim_ascii();
                pair.strip_prefix(name.as_bytes())?.strip_prefix(b"=")
            });
            values.next().map(hash)
        }
        KeyBy::Address => Some(match exchange.client.to_canonical() {
            IpAddr::V4(address) => hash(&address.octets()),
            IpAddr::V6(address) => hash(&address.octets()),
        }),
    }
}

pub(crate) fn hash(bytes: &[u8]) -> u64 {
    xxh3_64(bytes)
}

/// Two numbers as one that depends on all of both.
pub(super) fn mix(one: u64, other: u64) -> u64 {
    let [one, other] = [one.to_le_bytes(), other.to_le_bytes()];
    let mut both = [0; 16];
    for (place, byte) in both.iter_mut().zip(one.into_iter().chain(other)) {
        *place = byte;
    }
    hash(&both)
}
