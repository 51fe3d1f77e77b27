//! What somebody may ask of a reload: to look now, to go back.

use crate::assemble::{Assembly, Substitutes};
use gateway_config::Loaded;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Read the files now, and try again what could not be used.
    Reload,
    /// Serve what was served before.
    RollBack,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A new generation serves.
    Changed,
    /// It serves already.
    Unchanged,
    /// It cannot be used; nothing has changed.
    Refused,
    /// There is nothing to go back to.
    NothingBefore,
}

/// An order and who waits for its end.
pub(crate) type Asked = (Order, oneshot::Sender<Outcome>);

/// For whoever gives orders. They are carried out one after the other.
#[derive(Clone)]
pub(crate) struct Orders(mpsc::Sender<Asked>);

impl Orders {
    /// The two ends.
    pub(crate) fn new() -> (Self, mpsc::Receiver<Asked>) {
        let (sender, receiver) = mpsc::channel(4);
        (Self(sender), receiver)
    }

    /// What came of an order; none where too many wait already, or nothing is reloaded any more.
    pub(crate) async fn give(&self, order: Order) -> Option<Outcome> {
        let (done, outcome) = oneshot::channel();
        self.0.try_send((order, done)).ok()?;
        outcome.await.ok()
    }
}

/// What a generation was made of, so that it can be made again. It holds no connection and no instance.
pub(crate) struct Before {
    pub(super) generation: u64,
    loaded: Loaded,
    substitutes: Substitutes,
}

impl Before {
    pub(super) fn of(assembly: &Assembly) -> Self {
        let versions =
            assembly.plugins.iter().map(|installed| (installed.written.file.clone(), installed.version.clone()));
        Self {
            generation: assembly.snapshot.generation,
            loaded: Loaded {
                config: assembly.config.clone(),
                warnings: assembly.warnings.clone(),
                sources: assembly.sources.clone(),
            },
            substitutes: Substitutes { fixed: versions.collect(), ..Substitutes::default() },
        }
    }

    /// Both parts, to build of.
    pub(super) fn parts(self: &Arc<Self>) -> (Loaded, &Substitutes) {
        (self.loaded.clone(), &self.substitutes)
    }
}
