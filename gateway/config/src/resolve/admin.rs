//! The administration listener: whoever can be reached from elsewhere asks for a token.

use super::secrets::Secrets;
use crate::document::reports::Reports;
use crate::document::sections::Document;
use crate::{Admin, AdminListener, Diagnostic};

/// What is shorter can be guessed.
const SHORTEST: usize = 16;

/// Where it listens and what it asks for; none where none was written.
pub(crate) fn resolve(document: &Document, secrets: &mut Secrets<'_>, reports: &mut Reports) -> Option<AdminListener> {
    let written = &document.admin.as_ref()?.value;
    let named = written.token.as_ref().and_then(|token| token.secret.as_ref());
    let token = named.and_then(|name| secrets.find(name, reports));
    if let (Some(name), Some(secret)) = (named, &token)
        && secret.reveal().len() < SHORTEST
    {
        let message = format!("the secret `{}` has fewer than {SHORTEST} characters, which can be guessed", name.value);
        let hint = "make one, for example with `openssl rand -hex 32`";
        reports.add(Diagnostic::error("short-token", message).at(&name.place).hint(hint));
    }
    let address = written.address.as_ref()?;
    if let (Admin::Tcp(bound), None) = (&address.value.0, &written.token)
        && !bound.ip().is_loopback()
    {
        let message = "this administration address can be reached from elsewhere, and asks for no token";
        let hint = format!(
            "write `token = {{ secret = \"NAME\" }}` beside it, or `\"127.0.0.1:{}\"`, or a unix socket: `\"unix:/run/gateway.sock\"`",
            bound.port()
        );
        reports.add_absent(Diagnostic::error("missing-token", message).at(&address.place).hint(hint));
    }
    Some(AdminListener { address: address.value.0.clone(), token })
}
