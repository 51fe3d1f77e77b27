//! TLS of each listener. What was not changed is carried over, with the tickets by which clients resume.

use super::Assembly;
use gateway_config::{Config, Diagnostic, Listener};
use gateway_proxy::listener::Tls;
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

fn unchanged(listener: &Listener, previous: &Assembly) -> Option<Arc<Tls>> {
    let before = previous.config.listeners.iter().find(|before| before.name == listener.name)?;
    (before.tls == listener.tls).then(|| previous.tls.get(&listener.name).cloned())?
}
