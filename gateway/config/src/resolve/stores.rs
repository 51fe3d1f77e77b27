//! Stores: passwords found, authorities read.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::secrets::Secrets;
use super::tls::CertificateReader;
use crate::document::decode::Spanned;
use crate::document::reports::Reports;
use crate::document::sections::{self, Document};
use crate::document::value::{Name, PlainText};
use crate::{Diagnostic, Store};

/// What keys begin with, and how much is taken ahead, when it is not written.
const PREFIX: &str = "gateway";
const AHEAD: u8 = 5;

/// The stores by name.
pub(crate) fn resolve(
    document: &Document,
    certificates: &mut CertificateReader<'_>,
    secrets: &mut Secrets<'_>,
    reports: &mut Reports,
) -> BTreeMap<Arc<str>, Store> {
    let mut stores = BTreeMap::new();
    for (name, written) in &document.stores.0 {
        let Some(written) = written else { continue };
        if let Some(store) = store(name, written, certificates, secrets, reports) {
            stores.insert(Arc::clone(&name.value.0), store);
        }
    }
    stores
}

fn store(
    name: &Spanned<Name>,
    written: &sections::Store,
    certificates: &mut CertificateReader<'_>,
    secrets: &mut Secrets<'_>,
    reports: &mut Reports,
) -> Option<Store> {
    let password = written.password.as_ref().map(|token| secrets.find(token.secret.as_ref()?, reports));
    let authorities = written.ca.as_ref().map(|file| certificates.pem(file, reports));
    let redis = written.redis.as_ref()?;
    if let (Some(ca), false) = (&written.ca, redis.value.tls) {
        let diagnostic = Diagnostic::error("useless-ca", "authorities are written, and no TLS is spoken").at(&ca.place);
        let hint = format!("write `redis = \"{}\"`", redis.value.url.replacen("redis://", "rediss://", 1));
        reports.add(diagnostic.label(&redis.place, "plain").hint(hint));
        return None;
    }
    Some(Store {
        name: Arc::clone(&name.value.0),
        url: redis.value.url.clone(),
        username: written.username.as_ref().map(|PlainText(username)| username.to_string()),
        password: match password {
            Some(password) => Some(password?),
            None => None,
        },
        authorities: match authorities {
            Some(authorities) => Some(authorities?),
            None => None,
        },
        prefix: written.prefix.as_ref().map_or(PREFIX, |Name(prefix)| prefix).to_owned(),
        timeout: written.timeout().duration(),
        when_away: written.when_away(),
        ahead: written.ahead.map_or(AHEAD, |ahead| ahead.0),
        place: name.place.clone(),
    })
}
