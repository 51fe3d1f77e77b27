//! Which certificate a client gets: by the name that it asks for (RFC 6066 3).

use gateway_config::Certificate;
use rustls::SignatureScheme;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::collections::HashMap;
use std::sync::Arc;

/// All certificates of a listener.
#[derive(Debug)]
pub(super) struct Certificates {
    /// Those of each name, in the order written; names that stand for any one label with their star.
    by_name: HashMap<Box<str>, Vec<Arc<CertifiedKey>>>,
    /// The first one.
    default: Vec<Arc<CertifiedKey>>,
}

impl Certificates {
    pub(super) fn new(written: &[Certificate]) -> Self {
        let mut by_name = HashMap::<Box<str>, Vec<_>>::new();
        for certificate in written {
            for name in &certificate.names {
                by_name.entry(name.as_str().into()).or_default().push(Arc::clone(&certificate.key));
            }
        }
        // Another key for the same name, for clients that cannot verify the first one's.
        let same = |first: &Certificate| first.names.first().and_then(|name| by_name.get(name.as_str()).cloned());
        let only = |first: &Certificate| vec![Arc::clone(&first.key)];
        let default = written.first().map(|first| same(first).unwrap_or_else(|| only(first))).unwrap_or_default();
        Self { by_name, default }
    }

    /// The certificate for a name. Of several, the first one whose key the client can verify.
    pub(super) fn find(&self, name: Option<&str>, schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let named = name.map(str::to_ascii_lowercase).and_then(|name| {
            // A star stands for one label and no more (RFC 9525 6.3).
            let wildcard = || self.by_name.get(format!("*.{}", name.split_once('.')?.1).as_str());
            self.by_name.get(name.as_str()).or_else(wildcard)
        });
        let candidates = named.unwrap_or(&self.default);
        let can_be_verified = |candidate: &&Arc<CertifiedKey>| candidate.key.choose_scheme(schemes).is_some();
        candidates.iter().find(can_be_verified).or(candidates.first()).cloned()
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.find(hello.server_name(), hello.signature_schemes())
    }
}
