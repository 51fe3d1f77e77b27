//! From an endpoint's name to a connection.

use super::connection::{Connection, Dialer};
use gateway_core::{Error, Kind, Retry};
use parking_lot::Mutex;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

/// Where an endpoint is.
#[derive(Debug)]
pub struct Destination {
    host: String,
    port: u16,
    /// Set where the host is an address.
    fixed: Option<SocketAddr>,
    /// The last good answer of whoever keeps the name resolved; none: nobody does.
    known: Mutex<Option<Vec<SocketAddr>>>,
}

impl Destination {
    /// A name or an address (IPv6 without brackets), and a port.
    #[must_use]
    pub fn new(host: &str, port: u16) -> Self {
        let fixed = host.parse().ok().map(|address: IpAddr| SocketAddr::new(address, port));
        Self::at(host, port, fixed)
    }

    /// The same, with the one address that is connected to.
    pub(super) fn at(host: &str, port: u16, fixed: Option<SocketAddr>) -> Self {
        Self { host: host.to_owned(), port, fixed, known: Mutex::default() }
    }

    /// Its one address; none where it is a name.
    pub(super) fn fixed(&self) -> Option<SocketAddr> {
        self.fixed
    }

    /// Whether it is a name that nobody keeps resolved so far.
    pub(super) fn is_unasked(&self) -> bool {
        self.fixed.is_none() && self.known.lock().is_none()
    }

    /// The name stands for these addresses from now on.
    pub(super) fn resolved(&self, addresses: Vec<SocketAddr>) {
        *self.known.lock() = Some(addresses);
    }

    /// The name was asked for in vain: it stands for what it stood for.
    pub(super) fn unresolved(&self) {
        self.known.lock().get_or_insert_default();
    }

    /// As they were written.
    pub(super) fn host_and_port(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    /// As a `host` field has it.
    #[must_use]
    pub fn authority(&self, scheme: &str) -> String {
        let usual = if scheme == "https" { 443 } else { 80 };
        match (self.host.contains(':'), self.port == usual) {
            (true, true) => format!("[{}]", self.host),
            (true, false) => format!("[{}]:{}", self.host, self.port),
            (false, true) => self.host.clone(),
            (false, false) => format!("{}:{}", self.host, self.port),
        }
    }

    /// Every address of it: the last good ones where somebody keeps it resolved, else the system is asked.
    ///
    /// # Errors
    /// [`Kind::DnsError`] when there are none.
    pub async fn addresses(&self) -> Result<Vec<SocketAddr>, Error> {
        if let Some(address) = self.fixed {
            return Ok(vec![address]);
        }
        let nowhere = || Error::new(Kind::DnsError, format!("`{}` has no address", self.host)).retry(Retry::Yes);
        let known = self.known.lock().clone();
        let addresses = match known {
            Some(known) => known,
            None => {
                let resolved = tokio::net::lookup_host((self.host.as_str(), self.port)).await;
                resolved.map_err(|cause| nowhere().because(cause))?.collect()
            }
        };
        if addresses.is_empty() { Err(nowhere()) } else { Ok(addresses) }
    }

    /// A connection to the first address that takes one.
    ///
    /// # Errors
    /// Refused, or not in time.
    pub(super) async fn connect(&self, dialer: &Dialer, deadline: Instant) -> Result<Connection, Error> {
        let attempt = async {
            let mut last = Error::new(Kind::DnsError, format!("`{}` has no address", self.host));
            for address in self.addresses().await? {
                match dialer.dial(address).await {
                    Ok(connection) => return Ok(connection),
                    Err(error) => last = error,
                }
            }
            Err(last)
        };
        tokio::time::timeout_at(deadline.into(), attempt).await.unwrap_or_else(|_| {
            let detail = format!("`{}:{}` took no connection in time", self.host, self.port);
            Err(Error::new(Kind::ConnectionTimeout, detail).retry(Retry::Yes))
        })
    }
}
