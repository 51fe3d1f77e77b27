//! A plugin that starts to fail after a swap where the old one did not: the old version comes back by itself (HARDENING R8).
//!
//! After a swap the new version is watched for 60 s or 1,000 calls, whichever is later. The version that failed is not tried again
//! until its file changes: file and hash are kept, and stand for the old version from then on.

use crate::assemble::{Assembly, Failed, Substitutes, Version};
use gateway_core::clock::now;
use gateway_plugin_host::{Outcomes, WasmPlugin};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a new version is watched at least.
const WATCH: Duration = Duration::from_secs(60);
/// How many of its calls are watched at least.
const CALLS: u64 = 1000;
/// How often to look.
const LOOK: Duration = Duration::from_millis(200);

/// Versions that failed, and those that are on trial.
#[derive(Clone, Default)]
pub(crate) struct Rollback {
    substitutes: Substitutes,
    trials: Vec<Trial>,
}

#[derive(Clone)]
struct Trial {
    plugin: Arc<WasmPlugin>,
    failed: Failed,
    before: Version,
    /// The old version's last calls when it was replaced.
    outcomes: Outcomes,
    since: Instant,
}

impl Rollback {
    /// What stands in for the versions that failed.
    pub(crate) fn substitutes(&self) -> &Substitutes {
        &self.substitutes
    }

    /// Judges none of what serves at present: somebody has chosen it.
    pub(crate) fn stop_trials(&mut self) {
        self.trials.clear();
    }

    /// The versions that failed.
    pub(crate) fn failed(&self) -> BTreeSet<Failed> {
        self.substitutes.failed.keys().cloned().collect()
    }

    /// Puts every plugin whose component changed on trial, and forgets trials of what no longer serves.
    pub(crate) fn watch(&mut self, before: &Assembly, after: &Assembly) {
        self.trials.retain(|trial| after.plugins.iter().any(|installed| Arc::ptr_eq(&installed.plugin, &trial.plugin)));
        for new in &after.plugins {
            let same_place = |old: &&crate::assemble::Installed| {
                old.written.file == new.written.file && old.written.name == new.written.name
            };
            let old = before.plugins.iter().filter(same_place).max_by_key(|old| old.plugin.statistics().calls);
            if let Some(old) = old.filter(|old| old.version.hash != new.version.hash) {
                self.trials.push(Trial {
                    plugin: Arc::clone(&new.plugin),
                    failed: (new.written.file.clone(), Arc::clone(&new.version.hash)),
                    before: old.version.clone(),
                    outcomes: old.plugin.statistics().recent,
                    since: now(),
                });
            }
        }
    }

    /// Returns once a version on trial has failed and is to be replaced; it is then among [`Self::failed`].
    pub(crate) async fn due(&mut self) {
        loop {
            if let Some(position) = self.trials.iter().position(Trial::failed) {
                let trial = self.trials.remove(position);
                tracing::error!(
                    plugin = %gateway_core::Plugin::name(&*trial.plugin),
                    version = %trial.failed.1,
                    back_to = %trial.before.hash,
                    "the new version fails where the old one did not; the old one comes back until the file changes"
                );
                self.substitutes.failed.insert(trial.failed, trial.before);
                return;
            }
            self.trials.retain(|trial| !trial.is_over());
            tokio::time::sleep(LOOK).await;
        }
    }
}

impl Trial {
    fn failed(&self) -> bool {
        self.plugin.statistics().recent.justify_rollback(self.outcomes)
    }

    fn is_over(&self) -> bool {
        now().duration_since(self.since) >= WATCH && self.plugin.statistics().calls >= CALLS
    }
}
