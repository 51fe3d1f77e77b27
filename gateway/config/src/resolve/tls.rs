//! TLS of listeners and towards upstreams: certificates and keys that can be read, belong together and are in force.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use rustls::RootCertStore;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;

use crate::document::decode::Spanned;
use crate::document::read::{beside, reason};
use crate::document::reports::Reports;
use crate::document::sections::{self, CertificateFiles, Hsts};
use crate::document::value::{HostName, PlainText};
use crate::environment::Environment;
use crate::{Certificate, ClientCertificates, Diagnostic, Place, Tls, UpstreamTls};

/// The shortest time that the lists of browsers accept.
const PRELOAD_LEAST: u64 = 365 * 24 * 3_600;

/// Reads certificates and keys.
pub(crate) struct CertificateReader<'d> {
    environment: &'d dyn Environment,
    provider: CryptoProvider,
    /// The files that were read or should have been.
    pub(crate) files: Vec<PathBuf>,
}

/// A file's name as it was written, with its content.
struct Pem<'t> {
    name: &'t str,
    place: &'t Place,
    content: Vec<u8>,
}

impl<'d> CertificateReader<'d> {
    /// Nothing was read yet.
    pub(crate) fn new(environment: &'d dyn Environment) -> Self {
        Self { environment, provider: aws_lc_rs::default_provider(), files: Vec::new() }
    }

    /// How a listener speaks TLS; none when something is wrong with it, which has been reported then.
    pub(crate) fn tls(&mut self, written: &sections::Tls, reports: &mut Reports) -> Option<Tls> {
        let pairs = written.certificates.as_ref().map(|list| list.0.as_slice()).unwrap_or_default();
        let certificates: Vec<_> = pairs.iter().map(|pair| self.certificate(pair, reports)).collect();
        let client = match &written.client {
            Some(client) => Some(ClientCertificates {
                authorities: Arc::new(self.authorities(client.ca.as_ref()?, reports)?),
                required: client.required(),
            }),
            None => None,
        };
        Some(Tls {
            certificates: certificates.into_iter().collect::<Option<Vec<_>>>().filter(|list| !list.is_empty())?,
            min_version: written.min_version(),
            client,
            hsts: written.hsts.as_ref().map(|hsts| strict_transport_security(hsts, reports)),
        })
    }

    /// How an upstream is spoken to over TLS; none when something is wrong with it, which has been reported then.
    pub(crate) fn upstream(&mut self, written: &sections::UpstreamTls, reports: &mut Reports) -> Option<UpstreamTls> {
        let authorities = written.ca.as_ref().map(|file| self.authorities(file, reports));
        let certificate = written.client.as_ref().map(|files| self.certificate(files, reports));
        Some(UpstreamTls {
            authorities: match authorities {
                Some(authorities) => Some(Arc::new(authorities?)),
                None => None,
            },
            certificate: match certificate {
                Some(certificate) => Some(certificate?),
                None => None,
            },
            server_name: written.server_name.as_ref().map(|HostName(name)| name.clone()),
        })
    }

    fn certificate(&mut self, written: &CertificateFiles, reports: &mut Reports) -> Option<Certificate> {
        // Both are looked at, so that one run reports what is wrong with either.
        let chain = written.cert.as_ref().and_then(|file| self.chain(file, reports));
        let key = written.key.as_ref().and_then(|file| self.key(file, reports));
        let ((cert, chain), (key_file, key)) = (chain?, key?);
        let names = self.look_at(&cert, chain.first()?, reports)?;
        match CertifiedKey::from_der(chain, key, &self.provider) {
            Ok(key) => Some(Certificate { key: Arc::new(key), names }),
            Err(rustls::Error::InconsistentKeys(_)) => {
                let message =
                    format!("the key in `{}` is not that of the certificate in `{}`", key_file.name, cert.name);
                let diagnostic = Diagnostic::error("key-mismatch", message).at(key_file.place);
                let diagnostic = diagnostic.label(cert.place, "the certificate");
                reports.add(
                    diagnostic.hint("the certificate itself comes first in its file, before those that signed it"),
                );
                None
            }
            Err(rustls::Error::InvalidCertificate(error)) => {
                cert.invalid("invalid-certificate", &format!("no certificate that can be used: {error:?}"), reports)
            }
            Err(_) => key_file.invalid("invalid-key", "no private key of a kind that can be used", reports),
        }
    }

    /// The certificates of a file, at least one.
    fn chain<'t>(
        &mut self,
        file: &'t Spanned<PlainText>,
        reports: &mut Reports,
    ) -> Option<(Pem<'t>, Vec<CertificateDer<'static>>)> {
        let file = self.read(file, reports)?;
        match CertificateDer::pem_slice_iter(&file.content).collect::<Result<Vec<_>, _>>() {
            Ok(chain) if !chain.is_empty() => Some((file, chain)),
            Ok(_) => file.invalid(
                "invalid-certificate",
                "no certificate: nothing in it begins with `-----BEGIN CERTIFICATE-----`",
                reports,
            ),
            Err(error) => file.invalid("invalid-certificate", &format!("no certificate: {}", broken(&error)), reports),
        }
    }

    fn key<'t>(
        &mut self,
        file: &'t Spanned<PlainText>,
        reports: &mut Reports,
    ) -> Option<(Pem<'t>, PrivateKeyDer<'static>)> {
        let file = self.read(file, reports)?;
        let encrypted = b"-----BEGIN ENCRYPTED PRIVATE KEY-----";
        match PrivateKeyDer::from_pem_slice(&file.content) {
            Ok(key) => Some((file, key)),
            Err(pem::Error::NoItemsFound) if file.content.windows(encrypted.len()).any(|part| part == encrypted) => {
                let diagnostic = Diagnostic::error("invalid-key", format!("the key in `{}` is encrypted", file.name));
                let hint =
                    "decrypt it, for example with `openssl pkey -in FILE -out NEW`, and let only the gateway read it";
                reports.add(diagnostic.at(file.place).hint(hint));
                None
            }
            Err(pem::Error::NoItemsFound) => file.invalid("invalid-key", "no private key", reports),
            Err(error) => file.invalid("invalid-key", &format!("no private key: {}", broken(&error)), reports),
        }
    }

    /// Any other file that a configuration is made of, as it is.
    pub(crate) fn whole(&mut self, file: &Spanned<PlainText>, reports: &mut Reports) -> Option<Vec<u8>> {
        self.read(file, reports).map(|file| file.content)
    }

    /// A file of certificates as it is.
    pub(crate) fn pem(&mut self, file: &Spanned<PlainText>, reports: &mut Reports) -> Option<Vec<u8>> {
        self.chain(file, reports).map(|(file, _)| file.content)
    }

    /// Whose signature makes a certificate good.
    fn authorities(&mut self, file: &Spanned<PlainText>, reports: &mut Reports) -> Option<RootCertStore> {
        let (file, certificates) = self.chain(file, reports)?;
        let mut authorities = RootCertStore::empty();
        for certificate in certificates {
            if authorities.add(certificate).is_err() {
                return file.invalid("invalid-certificate", "a certificate that cannot be an authority", reports);
            }
        }
        Some(authorities)
    }

    /// The DNS names of a certificate, which should be in force.
    fn look_at(&self, file: &Pem<'_>, certificate: &CertificateDer<'_>, reports: &mut Reports) -> Option<Vec<String>> {
        let Ok((_, certificate)) = X509Certificate::from_der(certificate) else {
            return file.invalid("invalid-certificate", "no certificate: what it encodes is something else", reports);
        };
        let now = self.environment.now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let validity = certificate.validity();
        let warning = if validity.not_after.timestamp() < now {
            Some(("certificate-expired", format!("has expired: it ended {}", validity.not_after)))
        } else if validity.not_before.timestamp() > now {
            Some(("certificate-not-yet-valid", format!("is not valid yet: it begins {}", validity.not_before)))
        } else {
            None
        };
        if let Some((code, what)) = warning {
            let message = format!("the certificate in `{}` {what}", file.name);
            reports.add(Diagnostic::warning(code, message).at(file.place).hint("clients will refuse it"));
        }
        let Ok(names) = certificate.subject_alternative_name() else {
            return file.invalid("invalid-certificate", "a certificate with broken names", reports);
        };
        let names = names.iter().flat_map(|names| &names.value.general_names).filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
            _ => None,
        });
        Some(names.collect())
    }

    fn read<'t>(&mut self, file: &'t Spanned<PlainText>, reports: &mut Reports) -> Option<Pem<'t>> {
        let PlainText(name) = &file.value;
        let path = beside(&file.place.file, Path::new(name));
        self.files.push(path.clone());
        match self.environment.read(&path) {
            Ok(content) => Some(Pem { name, place: &file.place, content }),
            Err(error) => {
                let message = format!("cannot read `{name}`: {}", reason(&error));
                reports.add(Diagnostic::error("unreadable-file", message).at(&file.place));
                None
            }
        }
    }
}

impl Pem<'_> {
    /// Reports that there is something else in it.
    fn invalid<T>(&self, code: &'static str, what: &str, reports: &mut Reports) -> Option<T> {
        reports.add(Diagnostic::error(code, format!("`{}` holds {what}", self.name)).at(self.place));
        None
    }
}

/// What is wrong with a text that should be PEM. Nothing of it is repeated: it may be a key.
fn broken(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::MissingSectionEnd { .. } => "an `-----END …-----` is missing",
        pem::Error::IllegalSectionStart { .. } => "a line that begins a section is broken",
        pem::Error::Base64Decode(_) => "what stands between its first and its last line is not base64",
        _ => "it is not PEM",
    }
}

/// RFC 6797 6.1.
fn strict_transport_security(written: &Spanned<Hsts>, reports: &mut Reports) -> String {
    let hsts = &written.value;
    let (age, subdomains) = (hsts.max_age().seconds(), hsts.include_subdomains());
    if hsts.preload() && (age < PRELOAD_LEAST || !subdomains) {
        let message =
            "browsers take no name into their lists that is not remembered for a year with all names below it";
        let diagnostic = Diagnostic::error("invalid-hsts", message).at(&written.place);
        reports.add(diagnostic.hint("`{ max-age = \"365 d\", include-subdomains = true, preload = true }`"));
    }
    let subdomains = if subdomains { "; includeSubDomains" } else { "" };
    let preload = if hsts.preload() { "; preload" } else { "" };
    format!("max-age={age}{subdomains}{preload}")
}
