//! Endpoints in DNS: the addresses of a name, or SRV records and the addresses of their targets.

use super::found::scale;
use super::resolver::{Resolver, Service, freshness};
use super::{Discovery, Found};
use futures_util::future::join_all;
use gateway_core::Error;
use gateway_core::clock::now;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

/// The addresses of a name, each an endpoint.
pub(super) struct Addresses {
    host: String,
    port: u16,
    resolver: Resolver,
    due: Instant,
}

/// SRV records.
pub(super) struct Services {
    name: String,
    resolver: Resolver,
    /// The last good addresses of the targets.
    known: HashMap<String, Vec<IpAddr>>,
    due: Instant,
}

impl Addresses {
    pub(super) fn new(host: &str, port: u16, resolver: Resolver) -> Self {
        Self { host: host.to_owned(), port, resolver, due: now() }
    }
}

impl Discovery for Addresses {
    async fn next(&mut self) -> Result<Vec<Found>, Error> {
        tokio::time::sleep_until(self.due.into()).await;
        let (addresses, until) = self.resolver.addresses(&self.host).await?;
        self.due = freshness(until);
        Ok(addresses.into_iter().map(|address| at(&self.host, self.port, address)).collect())
    }
}

impl Services {
    pub(super) fn new(name: &str, resolver: Resolver) -> Self {
        Self { name: name.to_owned(), resolver, known: HashMap::new(), due: now() }
    }
}

impl Discovery for Services {
    async fn next(&mut self) -> Result<Vec<Found>, Error> {
        tokio::time::sleep_until(self.due.into()).await;
        let (services, mut until) = self.resolver.services(&self.name).await?;
        self.known.retain(|target, _| services.iter().any(|service| service.target == *target));
        let mut targets: Vec<&str> = services.iter().map(|service| service.target.as_str()).collect();
        targets.sort_unstable();
        targets.dedup();
        let answers = join_all(targets.iter().map(|target| self.resolver.addresses(target))).await;
        let mut failed = None;
        for (target, answer) in targets.into_iter().zip(answers) {
            match answer {
                Ok((addresses, holds)) => {
                    until = until.min(holds);
                    self.known.insert(target.to_owned(), addresses);
                }
                Err(error) => failed = Some(error),
            }
        }
        let found = endpoints(&services, &self.known);
        match failed {
            Some(error) if found.is_empty() => Err(error),
            Some(_) => {
                self.due = freshness(now());
                Ok(found)
            }
            None => {
                self.due = freshness(until);
                Ok(found)
            }
        }
    }
}

fn at(host: &str, port: u16, address: IpAddr) -> Found {
    Found { address: Some(SocketAddr::new(address, port)), ..Found::new(host, port) }
}

/// What records and the addresses of their targets come to. A lower priority is asked first, here as there. Each address of a target
/// has its weight.
pub(super) fn endpoints(services: &[Service], known: &HashMap<String, Vec<IpAddr>>) -> Vec<Found> {
    let of = |service: &Service| {
        let addresses = known.get(&service.target).map(Vec::as_slice).unwrap_or_default();
        let (host, port) = (service.target.clone(), service.port);
        let (weight, priority) = (service.weight.into(), service.priority.into());
        addresses.iter().map(move |address| Found { weight, priority, ..at(&host, port, *address) }).collect::<Vec<_>>()
    };
    scale(services.iter().flat_map(of).collect())
}
