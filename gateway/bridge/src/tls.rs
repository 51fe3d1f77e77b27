//! TLS towards brokers (rustls).

use gateway_config::UpstreamTls;
use rustls::crypto::aws_lc_rs;
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;

/// How TLS is spoken to the servers of a broker. Reads the system's authorities where none are written: never while requests are
/// served.
///
/// # Errors
/// rustls does not take it, or the system knows no authorities.
pub(crate) fn config(written: &UpstreamTls) -> Result<ClientConfig, rustls::Error> {
    let authorities = match &written.authorities {
        Some(authorities) => Arc::clone(authorities),
        None => Arc::new(system()?),
    };
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(authorities);
    Ok(match &written.certificate {
        None => builder.with_no_client_auth(),
        Some(certificate) => {
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(&certificate.key))))
        }
    })
}

fn system() -> Result<RootCertStore, rustls::Error> {
    let mut authorities = RootCertStore::empty();
    authorities.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    match authorities.is_empty() {
        true => Err(rustls::Error::General("the system knows no authorities (`ca` names some)".into())),
        false => Ok(authorities),
    }
}
