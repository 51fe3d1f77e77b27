//! Names and certificates, without a socket.

use super::certificates::Certificates;
use super::client;
use gateway_config::Certificate;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SanType};
use rustls::SignatureScheme;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::sign::CertifiedKey;
use std::sync::Arc;

const SCHEMES: [SignatureScheme; 2] = [SignatureScheme::ECDSA_NISTP256_SHA256, SignatureScheme::ECDSA_NISTP384_SHA384];

fn certificate(names: &[&str], algorithm: &'static rcgen::SignatureAlgorithm) -> Certificate {
    let names: Vec<_> = names.iter().map(ToString::to_string).collect();
    let key = KeyPair::generate_for(algorithm).unwrap();
    let chain = vec![CertificateParams::new(names.clone()).unwrap().self_signed(&key).unwrap().der().clone()];
    let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
    let key = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider()).unwrap();
    Certificate { key: Arc::new(key), names }
}

#[test]
fn a_certificate_is_found_by_name_and_wildcard_and_key() {
    let (p256, p384) = (&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ECDSA_P384_SHA384);
    let written = [
        certificate(&["shop.example"], p256),
        certificate(&["*.shop.example", "api.example"], p256),
        certificate(&["api.shop.example"], p256),
        certificate(&["api.example", "shop.example"], p384),
    ];
    let found = Certificates::new(&written);
    for (name, expected) in [
        (None, 0),
        (Some("unknown.example"), 0),
        (Some("shop.example"), 0),
        (Some("SHOP.example"), 0),
        (Some("www.shop.example"), 1),
        (Some("a.www.shop.example"), 0),
        (Some("api.shop.example"), 2),
        (Some("api.example"), 1),
    ] {
        let key = found.find(name, &SCHEMES).unwrap();
        assert!(Arc::ptr_eq(&key, &written[expected].key), "{name:?} gets number {expected}");
    }
    for name in [Some("api.example"), Some("shop.example"), None] {
        let key = found.find(name, &SCHEMES[1..]).unwrap();
        assert!(Arc::ptr_eq(&key, &written[3].key), "{name:?} with a key that the client can verify");
    }
}

#[test]
fn a_name_cannot_look_like_another() {
    let mut parameters = CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
    let sans = [
        SanType::URI("spiffe://example/a,DNS:admin.example".try_into().unwrap()),
        SanType::Rfc822Name("a@a.example".try_into().unwrap()),
        SanType::IpAddress("::1".parse().unwrap()),
    ];
    parameters.subject_alt_names.extend(sans);
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::OrganizationName, "Shop, Inc.");
    parameters.distinguished_name.push(DnType::CommonName, " alice,O=admin\r\n#");
    parameters.distinguished_name.push(DnType::CustomDnType(vec![1, 2, 3, 4]), "x");
    let key = KeyPair::generate().unwrap();
    let read = client::read(parameters.self_signed(&key).unwrap().der()).unwrap();
    let subject = std::str::from_utf8(&read.subject).unwrap();
    assert_eq!(subject, "1.2.3.4=#78,CN=\\ alice\\,O\\=admin\\0d\\0a#,O=Shop\\, Inc.");
    let names = r#"["DNS:a.example","URI:spiffe://example/a,DNS:admin.example","email:a@a.example","IP:::1"]"#;
    assert_eq!(read.names, names);
}
