//! Stores: each carried over with its connection and what was taken ahead, where nothing changed.

use super::{Assembler, Assembly};
use gateway_config::{Config, Diagnostic, Secret, Store, WhenAway};
use gateway_store::{Shared, SharedOptions};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) fn connect(
    assembler: &Assembler,
    config: &Config,
    previous: Option<&Assembly>,
) -> Result<BTreeMap<Arc<str>, Shared>, Vec<Diagnostic>> {
    let mut problems = Vec::new();
    let mut stores = BTreeMap::new();
    for (name, written) in &config.stores {
        let options = options(written);
        let before = previous.and_then(|previous| previous.stores.get(name));
        let store = match before.filter(|store| *store.options() == options) {
            Some(same) => Ok(same.clone()),
            None => {
                let runtime = assembler.runtime.clone();
                Shared::new(options, assembler.budgets.clone(), runtime, &assembler.instruments)
            }
        };
        match store {
            Ok(store) => {
                stores.insert(Arc::clone(name), store);
            }
            Err(error) => {
                let message = format!("the store `{name}` cannot be set up: {error}");
                problems.push(Diagnostic::error("store", message).at(&written.place));
            }
        }
    }
    if problems.is_empty() { Ok(stores) } else { Err(problems) }
}

fn options(written: &Store) -> SharedOptions {
    SharedOptions {
        name: Arc::clone(&written.name),
        url: written.url.clone(),
        username: written.username.clone(),
        password: written.password.as_ref().map(|password: &Secret| password.reveal().to_owned()),
        authorities: written.authorities.clone(),
        prefix: written.prefix.clone(),
        timeout: written.timeout,
        when_away: match written.when_away {
            WhenAway::Local => gateway_store::WhenAway::Local,
            WhenAway::Deny => gateway_store::WhenAway::Deny,
            WhenAway::Allow => gateway_store::WhenAway::Allow,
        },
        ahead: written.ahead.into(),
    }
}
