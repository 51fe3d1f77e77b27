//! Public keys in PEM (RFC 7468 section 13).

use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject as _;

/// What is public in a text. Fails where a block is malformed, or nothing is there.
pub(super) fn public_keys(text: &str) -> Result<Vec<SubjectPublicKeyInfoDer<'static>>, String> {
    if text.contains("PRIVATE KEY-----") {
        return Err("it has a private key; a public one is asked for".to_owned());
    }
    let keys = SubjectPublicKeyInfoDer::pem_slice_iter(text.as_bytes());
    let keys = keys.collect::<Result<Vec<_>, _>>().map_err(|_| "it is not PEM".to_owned())?;
    match keys.is_empty() {
        true => Err("it is neither JSON nor PEM with a `BEGIN PUBLIC KEY`".to_owned()),
        false => Ok(keys),
    }
}
