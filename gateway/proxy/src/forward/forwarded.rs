//! Who the client is, and how the upstream is told (`Forwarded`, RFC 7239, and `X-Forwarded-*`).
//!
//! What a client claims is overwritten; what a trusted proxy says is believed and added to.

use crate::memory::Memory;
use crate::snapshot::Snapshot;
use gateway_core::exchange::Request;
use http::{HeaderMap, HeaderName, HeaderValue, header::FORWARDED};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Fields that a request to an upstream gets: four here, its id, `via` and `host`.
const ADDED: usize = 7;

/// The other end of a client's connection, with what is told of it on every request.
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    forwarded_for: HeaderValue,
    told: Memory<Told>,
}

/// What is told of a request's authority.
struct Told {
    authority: Arc<str>,
    scheme: &'static str,
    host: HeaderValue,
    /// `for=192.0.2.1;host="shop.example";proto=http`
    element: HeaderValue,
}

impl Peer {
    /// A connection's other end.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        let ip = address.ip().to_canonical();
        let forwarded_for = HeaderValue::try_from(ip.to_string()).unwrap_or(HeaderValue::from_static("unknown"));
        Self { address, forwarded_for, told: Memory::default() }
    }

    /// The host, and the element of `Forwarded`.
    fn told(&self, request: &Request) -> (HeaderValue, HeaderValue) {
        let fits = |told: &Told| told.authority == request.authority && told.scheme == request.scheme;
        self.told.recall(fits, Told::read).unwrap_or_else(|| {
            let told = Told::of(self.address.ip().to_canonical(), request);
            let read = told.read();
            self.told.keep(told);
            read
        })
    }
}

/// The client's address: the peer's, or, where the peer is a trusted proxy, the last one in `X-Forwarded-For` that is not.
#[must_use]
pub fn client_address(peer: &Peer, snapshot: &Snapshot, headers: &HeaderMap) -> IpAddr {
    client_behind(peer.address.ip(), |address| snapshot.trusts(address), headers)
}

pub(crate) fn client_behind(peer: IpAddr, trusts: impl Fn(IpAddr) -> bool, headers: &HeaderMap) -> IpAddr {
    let mut client = peer.to_canonical();
    if !trusts(client) {
        return client;
    }
    for line in headers.get_all(FOR).iter().rev() {
        for hop in line.to_str().unwrap_or_default().rsplit(',') {
            let Ok(hop) = hop.trim().parse::<IpAddr>() else { return client };
            client = hop.to_canonical();
            if !trusts(client) {
                return client;
            }
        }
    }
    client
}

/// Writes the fields that tell the upstream of the client.
pub(crate) fn tell(headers: &mut HeaderMap, request: &Request, peer: &Peer, trusted: bool) {
    // Once, rather than as one after the other comes.
    headers.reserve(ADDED);
    let (host, element) = peer.told(request);
    if trusted {
        append(headers, FOR, peer.forwarded_for.clone());
        append(headers, FORWARDED, element);
        headers.entry(PROTO).or_insert_with(|| HeaderValue::from_static(request.scheme));
        headers.entry(HOST).or_insert(host);
    } else {
        headers.insert(FOR, peer.forwarded_for.clone());
        headers.insert(FORWARDED, element);
        headers.insert(PROTO, HeaderValue::from_static(request.scheme));
        headers.insert(HOST, host);
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

impl Told {
    fn read(&self) -> (HeaderValue, HeaderValue) {
        (self.host.clone(), self.element.clone())
    }

    fn of(address: IpAddr, request: &Request) -> Self {
        let Request { authority, scheme, .. } = request;
        let element = match address {
            IpAddr::V4(address) => format!("for={address};host=\"{authority}\";proto={scheme}"),
            IpAddr::V6(address) => format!("for=\"[{address}]\";host=\"{authority}\";proto={scheme}"),
        };
        Self {
            authority: Arc::clone(authority),
            scheme,
            host: HeaderValue::from_str(authority).unwrap_or(HeaderValue::from_static("")),
            element: HeaderValue::try_from(element).unwrap_or(HeaderValue::from_static("for=unknown")),
        }
    }
}
