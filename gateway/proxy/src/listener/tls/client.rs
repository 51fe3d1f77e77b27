//! What a client's certificate says of its owner, in a form that can be read in one way only.

use gateway_core::peer::ClientCertificate;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::objects::{oid_registry, oid2abbrev};
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

/// Reads a certificate that was verified.
pub(super) fn read(certificate: &[u8]) -> Option<ClientCertificate> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let extension = certificate.subject_alternative_name().ok().flatten();
    let names = extension.iter().flat_map(|extension| &extension.value.general_names).filter_map(alternative_name);
    let names: serde_json::Value = names.collect();
    Some(ClientCertificate {
        subject: distinguished_name(certificate.subject()).into(),
        names: names.to_string().into(),
    })
}

/// RFC 4514: the last part first, what is not just a letter escaped.
fn distinguished_name(name: &X509Name<'_>) -> String {
    let mut parts: Vec<String> =
        name.iter_rdn().map(|part| part.iter().map(attribute).collect::<Vec<_>>().join("+")).collect();
    parts.reverse();
    parts.join(",")
}

fn attribute(attribute: &AttributeTypeAndValue<'_>) -> String {
    let kind = attribute.attr_type();
    match (oid2abbrev(kind, oid_registry()), attribute.as_str()) {
        (Ok(kind), Ok(value)) => format!("{kind}={}", escaped(value)),
        // RFC 4514 2.4: in hex, where nothing else is known of it.
        _ => attribute.as_slice().iter().fold(format!("{}=#", kind.to_id_string()), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        }),
    }
}

fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let last = value.len().saturating_sub(1);
    for (position, letter) in value.char_indices() {
        let is_edge = position == 0 && letter == '#' || (position == 0 || position == last) && letter == ' ';
        match letter {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' | '=' => text.extend(['\\', letter]),
            _ if is_edge => text.extend(['\\', letter]),
            // A line break must not look like the end of a field.
            letter if letter.is_control() => {
                let mut bytes = [0; 4];
                for byte in letter.encode_utf8(&mut bytes).bytes() {
                    let _ = write!(text, "\\{byte:02x}");
                }
            }
            letter => text.push(letter),
        }
    }
    text
}

/// With its kind in front, in the words of OpenSSL.
fn alternative_name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(format!("DNS:{name}")),
        GeneralName::URI(name) => Some(format!("URI:{name}")),
        GeneralName::RFC822Name(name) => Some(format!("email:{name}")),
        GeneralName::IPAddress(address) => {
            let four = <[u8; 4]>::try_from(*address).map(|address| Ipv4Addr::from(address).to_string());
            let six = <[u8; 16]>::try_from(*address).map(|address| Ipv6Addr::from(address).to_string());
            four.or(six).ok().map(|address| format!("IP:{address}"))
        }
        _ => None,
    }
}
