//! TLS towards services (rustls): who may have signed their certificates, and whom we say we are.

use crate::wire::Wire;
use gateway_config::{Protocol, UpstreamTls};
use gateway_core::{Error, Kind, Retry};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, RootCertStore};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How TLS is spoken to one endpoint.
pub(super) struct Connector {
    connector: TlsConnector,
    /// None where its host can be no name: then nothing is ever agreed on.
    name: Option<ServerName<'static>>,
}

/// What all endpoints of a service have in common.
///
/// # Errors
/// rustls does not take it, or the system knows no authorities.
pub(super) fn config(written: &UpstreamTls, protocol: Protocol) -> Result<Arc<ClientConfig>, rustls::Error> {
    let authorities = match &written.authorities {
        Some(authorities) => Arc::clone(authorities),
        None => authorities()?,
    };
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(authorities);
    let mut config = match &written.certificate {
        None => builder.with_no_client_auth(),
        Some(certificate) => {
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(&certificate.key))))
        }
    };
    config.alpn_protocols = match protocol {
        Protocol::Http1 => vec![b"http/1.1".to_vec()],
        Protocol::Http2 => vec![b"h2".to_vec()],
    };
    Ok(Arc::new(config))
}

/// Who may have signed certificates.
pub type Authorities = Arc<RootCertStore>;

/// The authorities that the system knows. Reads files: never while requests are served.
///
/// # Errors
/// It knows none.
pub fn authorities() -> Result<Authorities, rustls::Error> {
    let found = rustls_native_certs::load_native_certs();
    let mut authorities = RootCertStore::empty();
    authorities.add_parsable_certificates(found.certs);
    match authorities.is_empty() {
        true => Err(rustls::Error::General("the system knows no authorities (`ca` names some)".into())),
        false => Ok(Arc::new(authorities)),
    }
}

impl Connector {
    pub(super) fn new(config: Arc<ClientConfig>, name: &str) -> Self {
        Self { connector: TlsConnector::from(config), name: ServerName::try_from(name.to_owned()).ok() }
    }

    pub(super) async fn connect(&self, socket: Wire, address: SocketAddr) -> Result<TlsStream<Wire>, Error> {
        let unnamed = || Error::new(Kind::TlsProtocolError, format!("{address} has a host that TLS has no name for"));
        let name = self.name.clone().ok_or_else(unnamed)?;
        let wants_http2 = self.connector.config().alpn_protocols.iter().any(|protocol| protocol == b"h2");
        let stream = self.connector.connect(name, socket).await.map_err(|cause| {
            let is_certificate = cause
                .get_ref()
                .and_then(|inner| inner.downcast_ref::<rustls::Error>())
                .is_some_and(|error| matches!(error, rustls::Error::InvalidCertificate(_)));
            let (kind, detail) = match is_certificate {
                true => (Kind::TlsCertificateError, "has a certificate that is not good"),
                false => (Kind::TlsProtocolError, "does not agree on TLS"),
            };
            Error::new(kind, format!("{address} {detail}")).retry(Retry::Yes).because(cause)
        })?;
        // Who says nothing speaks HTTP/1.1 (RFC 9113 3.2).
        if wants_http2 && stream.get_ref().1.alpn_protocol() != Some(b"h2") {
            let detail = format!("{address} does not speak HTTP/2");
            return Err(Error::new(Kind::TlsProtocolError, detail).retry(Retry::Yes));
        }
        Ok(stream)
    }
}
