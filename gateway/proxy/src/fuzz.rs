//! What fuzzers call (`fuzz/`): each entry takes any bytes and asserts what must hold of them. No program calls them.

use crate::forward::client_behind;
use http::{HeaderMap, HeaderName, HeaderValue};
use std::net::{IpAddr, Ipv4Addr};

pub use crate::cache::fuzz::answers;
pub use crate::entry::fuzz::request;
pub use crate::listener::fuzz_lines as lines;
pub use crate::router::fuzz::route;

/// Fields, a line each, as far as they are any.
pub(crate) fn fields<'a>(lines: impl Iterator<Item = &'a [u8]>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines {
        let Some((name, value)) = line.iter().position(|byte| *byte == b':').map(|at| line.split_at(at)) else {
            continue;
        };
        let value = value.strip_prefix(b":").unwrap_or_default();
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    headers
}

/// The client behind trusted proxies is an address that one of them named, or the peer; nobody else's word counts.
///
/// # Panics
/// Somebody else's did.
pub fn forwarded(data: &[u8]) {
    let peer = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
    let headers = fields(data.split(|byte| *byte == b'\n'));
    assert_eq!(client_behind(peer, |_| false, &headers), peer, "a stranger's word counted");
    let ours = |address: IpAddr| matches!(address, IpAddr::V4(address) if address.octets()[0] == 10);
    let client = client_behind(peer, ours, &headers);
    let lines = headers.get_all("x-forwarded-for").iter().filter_map(|line| line.to_str().ok());
    let named: Vec<IpAddr> = lines.flat_map(|line| line.split(',')).filter_map(|hop| hop.trim().parse().ok()).collect();
    assert!(client == peer || named.iter().any(|named| named.to_canonical() == client), "{client} was never named");
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_corpora_hold() {
        let entries = [
            ("answers", super::answers as fn(&[u8])),
            ("request", super::request),
            ("lines", super::lines),
            ("route", super::route),
            ("forwarded", super::forwarded),
        ];
        for (entry, run) in entries {
            let folder = format!("{}/../../fuzz/corpus/{entry}", env!("CARGO_MANIFEST_DIR"));
            let inputs = std::fs::read_dir(folder).unwrap().map(|input| input.unwrap().path());
            assert!(inputs.map(|input| run(&std::fs::read(input).unwrap())).count() > 0, "{entry}");
        }
    }
}
