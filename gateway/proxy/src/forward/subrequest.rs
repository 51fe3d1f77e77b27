//! A plugin's own calls, which leave through the same upstreams as a client's requests.

use super::{HostField, Sending, Upload, request};
use crate::snapshot::Snapshot;
use crate::upstream::{Authorities, Destination, Upstream};
use gateway_config::{Endpoint, Retry as Policy};
use gateway_core::dispatch::{BoxFuture, Call, Dispatch, Target};
use gateway_core::headers::strip_hop_by_hop;
use gateway_core::trace::{BAGGAGE, Carried, TRACESTATE};
use gateway_core::{Body, Error, Kind};
use http::header::{CONTENT_LENGTH, HeaderValue, TE};
use http::{Response, Version};
use std::net::IpAddr;
use std::sync::Arc;

impl Dispatch for Snapshot {
    fn call(&self, call: Call) -> BoxFuture<'_, Result<Response<Body>, Error>> {
        Box::pin(async move {
            let (upstream, host) = match &call.target {
                Target::Upstream(name) => {
                    let upstream = self.upstreams.get(name).ok_or_else(|| {
                        Error::new(Kind::DestinationUnavailable, format!("there is no upstream `{name}`"))
                    })?;
                    (Arc::clone(upstream), HostField::Endpoint)
                }
                Target::Origin { host, port, tls, private } => {
                    let scheme = if *tls { "https" } else { "http" };
                    let field = HeaderValue::try_from(Destination::new(host, *port).authority(scheme))
                        .map_err(|cause| Error::new(Kind::Internal, "the host cannot be a field").because(cause))?;
                    let authorities = self.authorities.as_ref().filter(|_| *tls);
                    if *tls && authorities.is_none() {
                        return Err(Error::new(Kind::TlsProtocolError, "no authorities are known"));
                    }
                    (Arc::new(origin(host, *port, authorities, *private).await?), HostField::Given(field))
                }
            };
            let (deadline, trace) = (call.deadline, call.trace.clone());
            let (upload, policy) = (Upload::default(), Policy::default());
            let sending = Sending {
                upstream: &upstream,
                host,
                policy: &policy,
                key: None,
                upload: &upload,
                handshake: None,
                deadline,
                trace: trace.as_ref(),
            };
            super::send(&sending, outgoing(call)).await.map(|answer| *answer)
        })
    }

    fn has_upstream(&self, name: &str) -> bool {
        self.upstreams.contains_key(name)
    }
}

fn outgoing(call: Call) -> Box<http::Request<Body>> {
    let (mut head, body) = call.request.into_parts();
    // What gRPC needs, and no plugin can write.
    let trailers = head.headers.get(TE).cloned();
    strip_hop_by_hop(&mut head.headers);
    head.headers.extend(trailers.map(|trailers| (TE, trailers)));
    head.headers.remove(CONTENT_LENGTH);
    head.headers.insert(request::REQUEST_ID, call.request_id);
    if let Some(trace) = &call.trace {
        let Carried { state, baggage } = trace.carried().clone();
        let carried = [(TRACESTATE, state), (BAGGAGE, baggage)];
        head.headers.extend(carried.into_iter().filter_map(|(name, value)| Some((name, value?))));
    }
    request::finish(&mut head.headers);
    head.version = Version::HTTP_11;
    Box::new(http::Request::from_parts(head, body))
}

/// An origin outside the configuration. Its addresses are looked at after the name was resolved, and it is those that are
/// connected to: a name cannot be turned to a private address between the check and the call.
async fn origin(host: &str, port: u16, authorities: Option<&Authorities>, private: bool) -> Result<Upstream, Error> {
    let addresses = Destination::new(host, port).addresses().await?;
    let allowed = addresses.into_iter().find(|address| private || is_public(address.ip())).ok_or_else(|| {
        Error::new(
            Kind::DestinationUnavailable,
            format!("`{host}` has only private addresses; grant an address or an upstream"),
        )
    })?;
    let endpoint =
        Endpoint { host: allowed.ip().to_string(), port, tls: authorities.is_some(), weight: 1, priority: 0 };
    let mut settings = gateway_config::Upstream::of(host.into(), vec![endpoint]);
    settings.limits.connections = 1;
    settings.tls.authorities = authorities.cloned();
    // The certificate is for the name, whichever address stands for it.
    settings.tls.server_name = Some(host.to_owned());
    Upstream::new(settings, None)
        .map_err(|cause| Error::new(Kind::TlsProtocolError, "TLS cannot be spoken").because(cause))
}

/// Neither of this machine nor of a private, link-local, shared, documentation or multicast range.
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [first, second, third, _] = address.octets();
            !(address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || address.is_unspecified()
                || address.is_broadcast()
                || address.is_documentation()
                || address.is_multicast()
                || first == 0
                || first >= 240
                || matches!((first, second, third), (192, 0, 0) | (192, 88, 99))
                || (first == 100 && (64..128).contains(&second))
                || (first == 198 && (18..20).contains(&second)))
        }
        // Global unicast, but for what is set aside in it and what leads to an IPv4 address (Teredo, 6to4). NAT64 is outside.
        IpAddr::V6(address) => match address.segments() {
            [0x2001, second, ..] => second >= 0x0200 && second != 0x0db8,
            [0x2002 | 0x3fff, ..] => false,
            [first, ..] => first & 0xe000 == 0x2000,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_ranges_are_told_from_public_ones() {
        for (address, expected) in [
            ("93.184.216.34", true),
            ("10.1.2.3", false),
            ("172.16.0.1", false),
            ("192.168.0.1", false),
            ("127.0.0.1", false),
            ("169.254.169.254", false),
            ("100.64.0.1", false),
            ("0.0.0.0", false),
            ("::ffff:10.0.0.1", false),
            ("::1", false),
            ("fd00::1", false),
            ("fe80::1", false),
            ("192.0.0.192", false),
            ("192.88.99.1", false),
            ("64:ff9b::7f00:1", false),
            ("64:ff9b:1::a00:1", false),
            ("2002:7f00:1::", false),
            ("2001:0:4136:e378:8000:63bf:3fff:fdd2", false),
            ("2001:db8::1", false),
            ("::7f00:1", false),
            ("fec0::1", false),
            ("2606:2800:220:1::1", true),
            ("2001:4860:4860::8888", true),
        ] {
            assert_eq!(is_public(address.parse().unwrap()), expected, "{address}");
        }
    }
}
