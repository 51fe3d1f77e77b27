//! How a listener speaks TLS.

use std::fmt;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::sign::CertifiedKey;

/// How a listener speaks TLS.
#[derive(Debug, Clone, PartialEq)]
pub struct Tls {
    /// At least one. The first one is for clients that ask for no name, or for one that no certificate has.
    pub certificates: Vec<Certificate>,
    /// The lowest version that is spoken.
    pub min_version: TlsVersion,
    /// Whether clients show certificates of their own; none: they are not asked.
    pub client: Option<ClientCertificates>,
    /// The value of `strict-transport-security`.
    pub hsts: Option<String>,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsVersion {
    /// RFC 5246.
    Tls12,
    /// RFC 8446.
    Tls13,
}

/// A certificate and its key, which belong together.
#[derive(Clone)]
pub struct Certificate {
    /// The certificate, those that lead to a known authority, and the key.
    pub key: Arc<CertifiedKey>,
    /// Its DNS names in lower case; `*.` stands for any one label.
    pub names: Vec<String>,
}

impl PartialEq for Certificate {
    /// The key is the one that belongs to the certificate.
    fn eq(&self, other: &Self) -> bool {
        self.key.cert == other.key.cert
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Certificate").field("names", &self.names).finish_non_exhaustive()
    }
}

/// Certificates of clients.
#[derive(Clone)]
pub struct ClientCertificates {
    /// Who may have signed them; at least one.
    pub authorities: Arc<RootCertStore>,
    /// Whether a client without one is refused.
    pub required: bool,
}

impl PartialEq for ClientCertificates {
    fn eq(&self, other: &Self) -> bool {
        self.authorities.roots == other.authorities.roots && self.required == other.required
    }
}

impl fmt::Debug for ClientCertificates {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authorities = self.authorities.len();
        let mut shown = formatter.debug_struct("ClientCertificates");
        shown.field("authorities", &authorities).field("required", &self.required).finish()
    }
}
