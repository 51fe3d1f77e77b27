//! Names asked for in DNS, with the time for which an answer holds.

use gateway_core::clock::now;
use gateway_core::{Error, Kind};
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;
use parking_lot::Mutex;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// An answer holds for so long at least, whatever it says,
const SHORTEST: Duration = Duration::from_secs(1);
/// and for so long at most.
const LONGEST: Duration = Duration::from_secs(300);
/// For an answer of the system's own resolver, which does not say.
const UNSAID: Duration = Duration::from_secs(30);
/// One server has so long to answer.
const ANSWER: Duration = Duration::from_secs(2);
/// For everything that is tried.
const ALL: Duration = Duration::from_secs(8);

/// Asks the servers that were written, or the system's.
pub(super) struct Resolver {
    servers: Vec<SocketAddr>,
    /// Made of the system's files, and anew after a failure: those may have changed.
    made: Mutex<Option<TokioResolver>>,
}

/// One SRV record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Service {
    pub(super) priority: u16,
    pub(super) weight: u16,
    pub(super) port: u16,
    /// Without a dot at its end.
    pub(super) target: String,
}

/// When to ask again for something that holds until then.
pub(super) fn freshness(until: Instant) -> Instant {
    let now = now();
    until.clamp(now + SHORTEST, now + LONGEST)
}

impl Resolver {
    /// These servers; the system's where there are none.
    pub(super) fn new(servers: &[SocketAddr]) -> Self {
        Self { servers: servers.to_vec(), made: Mutex::default() }
    }

    /// Every address of a name that a connection could go to, and how long that holds.
    ///
    /// # Errors
    /// There is none, or nobody said so.
    pub(super) async fn addresses(&self, host: &str) -> Result<(Vec<IpAddr>, Instant), Error> {
        let asked = self.ask(host, |resolver| async move {
            let answer = resolver.lookup_ip(host).await?;
            Ok((answer.iter().collect::<Vec<_>>(), answer.valid_until()))
        });
        let answered = asked.await;
        let (mut addresses, until) = match answered {
            // What only the system knows where to ask for: multicast names, the host's own.
            Err(error) if self.servers.is_empty() => match by_the_system(host).await {
                Some(addresses) => (addresses, now() + UNSAID),
                None => return Err(error),
            },
            answered => answered?,
        };
        addresses.sort_unstable();
        addresses.dedup();
        // A host without IPv6 is told of it all the same, and would take the other half of the addresses for dead.
        if addresses.iter().any(|address| is_reachable(*address)) {
            addresses.retain(|address| is_reachable(*address));
        }
        match addresses.is_empty() {
            true => Err(Error::new(Kind::DnsError, format!("`{host}` has no address"))),
            false => Ok((addresses, until)),
        }
    }

    /// The SRV records of a name, and how long they hold.
    ///
    /// # Errors
    /// There are none, or nobody said so.
    pub(super) async fn services(&self, name: &str) -> Result<(Vec<Service>, Instant), Error> {
        self.ask(name, |resolver| async move {
            let answer = resolver.srv_lookup(name).await?;
            let services = answer.answers().iter().filter_map(|record| match &record.data {
                // The root says that there is decidedly no such service (RFC 2782).
                RData::SRV(record) if !record.target.is_root() => Some(Service {
                    priority: record.priority,
                    weight: record.weight,
                    port: record.port,
                    target: record.target.to_ascii().trim_end_matches('.').to_ascii_lowercase(),
                }),
                _ => None,
            });
            Ok((services.collect(), answer.valid_until()))
        })
        .await
    }

    async fn ask<T, F>(&self, name: &str, ask: impl FnOnce(TokioResolver) -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, NetError>>,
    {
        let error = |detail: &str| Error::new(Kind::DnsError, format!("`{name}` {detail}"));
        let resolver = self.made().map_err(|cause| error("cannot be asked for").because(cause))?;
        let failure = match tokio::time::timeout(ALL, ask(resolver)).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(cause)) if cause.is_no_records_found() => error("has no record"),
            Ok(Err(cause)) => error("is not resolved").because(cause),
            Err(_) => error("is not resolved in time"),
        };
        *self.made.lock() = None;
        Err(failure)
    }

    fn made(&self) -> Result<TokioResolver, NetError> {
        let mut made = self.made.lock();
        if let Some(resolver) = &*made {
            return Ok(resolver.clone());
        }
        let mut builder = match self.servers.as_slice() {
            [] => TokioResolver::builder_tokio()?,
            servers => {
                let servers = servers.iter().map(|server| {
                    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
                        connection.port = server.port();
                        connection
                    });
                    NameServerConfig::new(server.ip(), true, connections.into())
                });
                let config = ResolverConfig::from_parts(None, Vec::new(), servers.collect());
                TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            }
        };
        let options: &mut ResolverOpts = builder.options_mut();
        // What is kept, and for how long, is decided here.
        options.cache_size = 0;
        options.timeout = options.timeout.min(ANSWER);
        let resolver = builder.build()?;
        *made = Some(resolver.clone());
        Ok(resolver)
    }
}

async fn by_the_system(host: &str) -> Option<Vec<IpAddr>> {
    let looked = tokio::time::timeout(ALL, tokio::net::lookup_host((host, 0))).await;
    let addresses: Vec<IpAddr> = looked.ok()?.ok()?.map(|address| address.ip()).collect();
    (!addresses.is_empty()).then_some(addresses)
}

/// Whether this machine has a way to it: nothing is sent.
fn is_reachable(address: IpAddr) -> bool {
    let any: IpAddr = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    UdpSocket::bind((any, 0)).and_then(|socket| socket.connect((address, 9))).is_ok()
}
