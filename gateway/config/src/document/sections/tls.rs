//! `tls` of a `[[listener]]`, and what sends plain requests there.

use crate::TlsVersion;
use crate::document::decode::{Decode, Decoder, Node, NonEmpty, Spanned};
use crate::document::definition::Shape;
use crate::document::section::section;
use crate::document::value::{Age, Count, PlainText, choice};

section! {
    /// TLS on a listener: HTTP/2 and HTTP/1.1, as the client chooses, with TLS 1.2 or 1.3. A file that changes is taken up by new
    /// connections.
    Tls {
        /// Certificates with their keys. A client gets the first one that has the name it asks for among its DNS names; without such
        /// a one, the first in the list.
        "certificates" => certificates: NonEmpty<CertificateFiles>, required;
        /// The lowest version of TLS.
        "min-version" => min_version: TlsVersion, default(TlsVersion::Tls12);
        /// Clients show certificates of their own; without this they are not asked for one.
        "client" => client: ClientCertificates, optional;
        /// Browsers come back by HTTPS only: `strict-transport-security` (RFC 6797) in every answer.
        "hsts" => hsts: Spanned<Hsts>, optional;
    }
}

section! {
    /// A certificate and its key.
    CertificateFiles {
        /// A file in PEM, relative to this one: the certificate first, then those that signed it.
        "cert" => cert: Spanned<PlainText>, required;
        /// A file in PEM, relative to this one: the private key, not encrypted (PKCS#8, PKCS#1 or SEC1).
        "key" => key: Spanned<PlainText>, required;
    }
}

section! {
    /// Certificates of clients. Plugins read whose it was in the attributes `tls.subject` and `tls.sans`.
    ClientCertificates {
        /// A file in PEM, relative to this one: the authorities that sign them.
        "ca" => ca: Spanned<PlainText>, required;
        /// Refuse clients without one.
        "required" => required: bool, default(true);
    }
}

section! {
    /// What `strict-transport-security` says.
    Hsts {
        /// How long a browser remembers; `0 s` makes it forget.
        "max-age" => max_age: Age, default(Age::days(365));
        /// For all names below this one as well.
        "include-subdomains" => include_subdomains: bool, default(false);
        /// Consent to the lists that browsers come with. It can hardly be taken back.
        "preload" => preload: bool, default(false);
    }
}

choice!(TlsVersion { "1.2" => Tls12, "1.3" => Tls13 });

/// The port that plain requests are sent to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HttpsPort(pub(crate) u16);

type Port = Count<1, 65_535>;

impl Decode for HttpsPort {
    fn shape() -> Shape {
        Shape::Either(vec![Shape::True, Port::shape()])
    }

    fn decode(node: &Node<'_>, decoder: &mut Decoder<'_>) -> Option<Self> {
        let value = node.get_ref();
        match value.as_bool() {
            Some(true) => Some(Self(443)),
            None if value.is_integer() => u16::try_from(Port::decode(node, decoder)?.number()).ok().map(Self),
            _ => {
                decoder.wrong_type(node, "`true`, or the port of HTTPS where it is not 443", None);
                None
            }
        }
    }
}
