//! Where endpoints are found that nobody has written down.

use super::Secret;
use std::fmt;
use std::path::PathBuf;

/// Where the endpoints of a service are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Discover {
    /// The addresses of a name.
    Dns {
        /// Lower-case.
        host: String,
        /// Of all of them.
        port: u16,
    },
    /// SRV records of this name.
    Srv(String),
    /// A file with `endpoints`, absolute.
    File(PathBuf),
    /// A service in Consul.
    Consul(Consul),
}

/// A service in Consul, and how to ask for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consul {
    /// A name or an address of its HTTP API, without brackets.
    pub host: String,
    /// Of its HTTP API.
    pub port: u16,
    /// What the service is registered as.
    pub service: String,
    /// Only instances with this tag.
    pub tag: Option<String>,
    /// None: the agent's own.
    pub datacenter: Option<String>,
    /// Shown with each question.
    pub token: Option<Secret>,
}

impl fmt::Display for Discover {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns { host, port } => write!(formatter, "dns {host}:{port}"),
            Self::Srv(name) => write!(formatter, "srv {name}"),
            Self::File(path) => write!(formatter, "file {}", path.display()),
            Self::Consul(Consul { host, port, service, .. }) => {
                let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
                write!(formatter, "consul {service} at {open}{host}{close}:{port}")
            }
        }
    }
}
