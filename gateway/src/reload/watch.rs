//! Tells when the inputs have changed and settled.
//!
//! Events of the file system wake it at once and say whether somebody still writes; a look every quarter of a second finds
//! what events miss: an overflow, a file system without events, no watches left (HARDENING R6).

use super::inputs::{Inputs, Signature};
use crate::cli::Watching;
use gateway_core::clock::now;
use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use parking_lot::Mutex;
use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// How often to look without being told to.
const LOOK: Duration = Duration::from_millis(250);
/// How long the inputs must rest before they are read.
const REST: Duration = Duration::from_millis(100);
/// The same where no events tell that a writer has finished.
const REST_WITHOUT_EVENTS: Duration = Duration::from_millis(400);
/// A file that was written to and not closed is waited for so long.
const WRITER: Duration = Duration::from_secs(5);

/// Watches a set of inputs that changes with each generation.
pub(crate) struct Watch {
    inputs: Inputs,
    seen: Signature,
    told: Arc<Told>,
    events: Option<RecommendedWatcher>,
    folders: BTreeSet<PathBuf>,
}

#[derive(Default)]
struct Told {
    something: Notify,
    /// Files that were written to and not closed, with the time of the last write.
    writers: Mutex<HashMap<PathBuf, Instant>>,
}

impl Watch {
    /// Watches these inputs from now on.
    pub(crate) fn new(inputs: Inputs, watching: Watching) -> Self {
        let told = Arc::new(Told::default());
        let listener = Arc::clone(&told);
        let events = match watching {
            Watching::Look => None,
            Watching::Events => notify::recommended_watcher(move |event| listener.note(event))
                .inspect_err(|error| tracing::warn!(%error, "no file events"))
                .ok(),
        };
        if events.is_none() {
            tracing::info!("looking at the files instead of waiting for events");
        }
        let mut watch =
            Self { seen: Signature::new(), inputs: Inputs::default(), told, events, folders: BTreeSet::new() };
        watch.set(inputs);
        watch
    }

    /// Watches these instead. What changed before this call is found by the next look.
    pub(crate) fn set(&mut self, inputs: Inputs) {
        if inputs != self.inputs {
            // Another set has another signature, so the next look takes it for changed; contents decide.
            self.inputs = inputs;
        }
        let wanted = self.inputs.parents();
        let Some(events) = &mut self.events else { return };
        for folder in self.folders.difference(&wanted) {
            // A folder that is gone was unwatched by the system.
            let _ = events.unwatch(folder);
        }
        let mut watched = BTreeSet::new();
        for folder in &wanted {
            let known = self.folders.contains(folder) && folder.exists();
            let watching = if known { Ok(()) } else { events.watch(folder, RecursiveMode::NonRecursive) };
            match watching {
                Ok(()) => {
                    watched.insert(folder.clone());
                }
                Err(error) => tracing::debug!(folder = %folder.display(), %error, "no events for this folder"),
            }
        }
        self.folders = watched;
    }

    /// Returns once the inputs differ from what they were at the last return, and have come to rest.
    pub(crate) async fn changed(&mut self) {
        loop {
            let signature = self.look().await;
            if signature != self.seen {
                self.seen = self.rest(signature).await;
                return;
            }
            // Whatever woke us, the look decides.
            let _ = tokio::time::timeout(LOOK, self.told.something.notified()).await;
        }
    }

    async fn rest(&self, mut signature: Signature) -> Signature {
        let rest = if self.events.is_some() { REST } else { REST_WITHOUT_EVENTS };
        let mut since = now();
        loop {
            tokio::time::sleep(REST / 4).await;
            let latest = self.look().await;
            if latest != signature {
                signature = latest;
                since = now();
            }
            if now().duration_since(since) >= rest && !self.told.is_being_written(&self.inputs) {
                return signature;
            }
        }
    }

    async fn look(&self) -> Signature {
        let inputs = self.inputs.clone();
        tokio::task::spawn_blocking(move || inputs.signature()).await.unwrap_or_default()
    }
}

impl Told {
    fn note(&self, event: notify::Result<notify::Event>) {
        if let Ok(event) = event {
            match event.kind {
                EventKind::Access(AccessKind::Close(AccessMode::Write))
                | EventKind::Remove(_)
                | EventKind::Modify(ModifyKind::Name(_)) => {
                    self.writers.lock().retain(|path, _| !event.paths.contains(path))
                }
                EventKind::Access(_) => return,
                EventKind::Modify(ModifyKind::Data(_)) => {
                    let now = now();
                    self.writers.lock().extend(event.paths.into_iter().map(|path| (path, now)));
                }
                _ => {}
            }
        }
        self.something.notify_one();
    }

    /// Other files in the same folders, a log among them, may be written to for ever.
    fn is_being_written(&self, inputs: &Inputs) -> bool {
        let now = now();
        let mut writers = self.writers.lock();
        writers.retain(|path, since| inputs.files.contains(path) && now.duration_since(*since) < WRITER);
        !writers.is_empty()
    }
}
