//! `tls` and `protocol`: how a service is spoken to.

use crate::Protocol;
use crate::document::decode::Spanned;
use crate::document::section::section;
use crate::document::sections::CertificateFiles;
use crate::document::value::{HostName, PlainText, choice};

choice!(Protocol { "http1" => Http1, "http2" => Http2 });

section! {
    /// How TLS is spoken to the endpoints with `https://`. A file that changes is taken up by new connections.
    UpstreamTls {
        /// A file in PEM, relative to this one: the authorities that may have signed the service's certificate; those that the
        /// system knows when not written.
        "ca" => ca: Spanned<PlainText>, optional;
        /// The gateway's own certificate, for services that ask for one.
        "client" => client: CertificateFiles, optional;
        /// The name that the certificate must have, and that is asked for; the endpoint's host when not written.
        "server-name" => server_name: HostName, optional;
    }
}
