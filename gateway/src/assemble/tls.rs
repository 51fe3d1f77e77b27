//! TLS of each listener. What was not changed is carried over, with the tickets by which clients resume.

use super::Assembly;
use gateway_config::{Config, Diagnostic, Listener, PluginUse};
use gateway_proxy::listener::Tls;
use gateway_proxy::upstream::{self, Authorities};
use std::collections::HashMap;
use std::sync::Arc;

/// By the name of the listener; those of plain HTTP have none.
pub(super) fn prepare(
    config: &Config,
    previous: Option<&Assembly>,
) -> Result<HashMap<Arc<str>, Arc<Tls>>, Vec<Diagnostic>> {
    let mut problems = Vec::new();
    let mut prepared = HashMap::new();
    for listener in &config.listeners {
        let Some(written) = &listener.tls else { continue };
        let kept = previous.and_then(|previous| unchanged(listener, previous));
        match kept.map_or_else(|| Tls::new(written).map(Arc::new), Ok) {
            Ok(tls) => {
                prepared.insert(Arc::clone(&listener.name), tls);
            }
            Err(error) => {
                let message = format!("listener `{}` cannot speak TLS: {error}", listener.name);
                problems.push(Diagnostic::error("listener-tls", message).at(&listener.place));
            }
        }
    }
    if problems.is_empty() { Ok(prepared) } else { Err(problems) }
}

/// Who may have signed the certificates of origins that plugins call. Read anew for each generation; none where nothing asks for it.
pub(super) fn authorities(config: &Config) -> Result<Option<Authorities>, Vec<Diagnostic>> {
    let is_secure = |plugin: &&PluginUse| plugin.grants.http_origins.iter().any(|origin| origin.starts_with("https:"));
    let Some(plugin) = config.plugins.iter().find(is_secure) else { return Ok(None) };
    upstream::authorities().map(Some).map_err(|error| {
        let message = format!("plugin `{}` cannot call an origin over TLS: {error}", plugin.name);
        let hint = "define an upstream with this endpoint and a `ca`, and grant its name";
        let diagnostic = Diagnostic::error("origin-tls", message).hint(hint);
        vec![match plugin.places.first() {
            Some(place) => diagnostic.at(place),
            None => diagnostic,
        }]
    })
}

fn unchanged(listener: &Listener, previous: &Assembly) -> Option<Arc<Tls>> {
    let before = previous.config.listeners.iter().find(|before| before.name == listener.name)?;
    (before.tls == listener.tls).then(|| previous.tls.get(&listener.name).cloned())?
}
