//! Who the client is, and how the upstream is told (`Forwarded`, RFC 7239, and `X-Forwarded-*`).
//!
//! What a client claims is overwritten; what a trusted proxy says is believed and added to.

use crate::snapshot::Snapshot;
use gateway_core::exchange::Request;
use http::{HeaderMap, HeaderName, HeaderValue, header::FORWARDED};
use std::net::{IpAddr, SocketAddr};

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The other end of a client's connection, with what is told of it on every request.
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    forwarded_for: HeaderValue,
}

impl Peer {
    /// A connection's other end.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        let ip = address.ip().to_canonical();
        let forwarded_for = HeaderValue::try_from(ip.to_string()).unwrap_or(HeaderValue::from_static("unknown"));
        Self { address, forwarded_for }
    }
}

/// The client's address: the peer's, or, where the peer is a trusted proxy, the last one in `X-Forwarded-For` that is not.
#[must_use]
pub fn client_address(peer: &Peer, snapshot: &Snapshot, headers: &HeaderMap) -> IpAddr {
    let mut client = peer.address.ip().to_canonical();
    if !snapshot.trusts(client) {
        return client;
    }
    for line in headers.get_all(FOR).iter().rev() {
        for hop in line.to_str().unwrap_or_default().rsplit(',') {
            let Ok(hop) = hop.trim().parse::<IpAddr>() else { return client };
            client = hop.to_canonical();
            if !snapshot.trusts(client) {
                return client;
            }
        }
    }
    client
}

/// Writes the fields that tell the upstream of the client.
pub(super) fn tell(headers: &mut HeaderMap, request: &Request, peer: &Peer, trusted: bool) {
    let node = element(peer.address.ip().to_canonical(), request);
    if trusted {
        append(headers, FOR, peer.forwarded_for.clone());
        append(headers, FORWARDED, node);
        headers.entry(PROTO).or_insert_with(|| HeaderValue::from_static(request.scheme));
        if !headers.contains_key(HOST) {
            insert_host(headers, &request.authority);
        }
    } else {
        headers.insert(FOR, peer.forwarded_for.clone());
        headers.insert(FORWARDED, node);
        headers.insert(PROTO, HeaderValue::from_static(request.scheme));
        insert_host(headers, &request.authority);
    }
}

fn insert_host(headers: &mut HeaderMap, authority: &str) {
    if let Ok(value) = HeaderValue::from_str(authority) {
        headers.insert(HOST, value);
    }
}

/// Adds to the list that the field is, on its last line.
fn append(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
    let last = headers.get_all(&name).iter().next_back().cloned();
    let joined =
        last.and_then(|last| HeaderValue::from_bytes(&[last.as_bytes(), b", ", value.as_bytes()].concat()).ok());
    match (joined, headers.get_all(&name).iter().count()) {
        (Some(joined), 1) => {
            headers.insert(name, joined);
        }
        _ => {
            headers.append(name, value);
        }
    }
}

/// `for=192.0.2.1;host=shop.example;proto=http`
fn element(address: IpAddr, request: &Request) -> HeaderValue {
    let node = match address {
        IpAddr::V4(address) => format!("for={address};host=\"{}\";proto={}", request.authority, request.scheme),
        IpAddr::V6(address) => format!("for=\"[{address}]\";host=\"{}\";proto={}", request.authority, request.scheme),
    };
    HeaderValue::try_from(node).unwrap_or(HeaderValue::from_static("for=unknown"))
}
