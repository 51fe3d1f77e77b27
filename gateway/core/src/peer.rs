//! What is known of the other end of a TLS connection.

use bytes::Bytes;

/// Names of attributes that begin like this are the gateway's own: facts of the connection, which no plugin can write.
pub const FACTS: &str = "tls.";

/// Whose certificate a client has shown. Its chain was verified and its key proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The subject's name (RFC 4514): `CN=alice,O=Example`.
    pub subject: Bytes,
    /// The alternative names, as a JSON list: `["DNS:alice.example","URI:spiffe://example/alice"]`.
    pub names: Bytes,
}

impl ClientCertificate {
    /// A fact by its attribute's name.
    #[must_use]
    pub fn fact(&self, name: &str) -> Option<&Bytes> {
        match name.strip_prefix(FACTS)? {
            "subject" => Some(&self.subject),
            "sans" => Some(&self.names),
            _ => None,
        }
    }
}
