//! New files become a new generation while requests run: watch, settle, build, swap.
//!
//! Everything is built before anything changes; a failure changes nothing and is told. The state is a level that one can ask
//! for (`/status`), not only a line in the log.

mod inputs;
mod order;
mod rollback;
mod step;
mod watch;

pub(crate) use inputs::Inputs;
pub(crate) use order::{Asked, Before, Order, Orders, Outcome};
pub(crate) use rollback::Rollback;

use crate::assemble::{Assembler, Assembly, inputs};
use crate::cli::Watching;
use crate::listeners::Listeners;
use crate::process::manager;
use gateway_config::{Diagnostic, Sources, SystemEnvironment};
use gateway_core::clock::{now, since_epoch};
use gateway_core::instruments::Counter;
use gateway_proxy::snapshot::Snapshot;
use gateway_proxy::upstream::Upstream;
use parking_lot::Mutex;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use step::{Action, Event, State, step};
use tokio::sync::mpsc;
use watch::Watch;

/// What `/status` says of reloads.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Status {
    /// `current`: what the files say is what serves; `failed`: they cannot be used, and the last good generation serves;
    /// `rolled-back`: somebody has brought back what served before, until a file changes.
    pub(crate) state: &'static str,
    pub(crate) generation: u64,
    /// Seconds since 1970.
    pub(crate) since: u64,
    /// Why the files cannot be used.
    pub(crate) problems: Vec<Problem>,
    /// The same as they would be printed by `gateway check`.
    #[serde(skip)]
    pub(crate) rendered: String,
    pub(crate) succeeded: u64,
    pub(crate) failed: u64,
    /// The generation that can be brought back.
    pub(crate) before: Option<u64>,
}

/// One problem, for machines.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Problem {
    code: &'static str,
    message: String,
    file: Option<PathBuf>,
    line: Option<u32>,
    column: Option<u32>,
    hint: Option<String>,
}

impl From<&Diagnostic> for Problem {
    fn from(diagnostic: &Diagnostic) -> Self {
        let place = diagnostic.place.as_ref();
        Self {
            code: diagnostic.code,
            message: diagnostic.message.clone(),
            file: place.map(|place| place.file.as_ref().clone()),
            line: place.map(|place| place.line),
            column: place.map(|place| place.column),
            hint: diagnostic.hint.clone(),
        }
    }
}

/// A generation that could not be built.
pub(crate) struct Failure {
    pub(crate) problems: Vec<Diagnostic>,
    pub(crate) sources: Sources,
}

/// Which files belong to the configuration as it is written now, and what they hold.
pub(crate) struct Survey {
    inputs: Inputs,
    digest: step::Digest,
}

/// Looks before anything is built: what changes while a generation is built of these files is then found afterwards.
pub(crate) fn survey(path: &Path, current: Option<&Assembly>, rollback: &Rollback) -> Survey {
    let inputs = match gateway_config::load(path, &SystemEnvironment) {
        Ok(loaded) => inputs(&loaded.config),
        // What it names beside them is not known: most likely what it named before.
        Err(problems) => {
            Inputs::new(problems.files, problems.folders).union(current.map(Assembly::inputs).unwrap_or_default())
        }
    };
    let digest = inputs.digest(&rollback.failed());
    Survey { inputs, digest }
}

/// Loads and builds, without touching what serves.
pub(crate) fn build(
    path: &Path,
    assembler: &Assembler,
    previous: Option<&Assembly>,
    rollback: &Rollback,
) -> Result<Assembly, Box<Failure>> {
    let loaded = gateway_config::load(path, &SystemEnvironment)
        .map_err(|problems| Box::new(Failure { problems: problems.diagnostics, sources: problems.sources }))?;
    let sources = loaded.sources.clone();
    assembler
        .assemble(loaded, previous, rollback.substitutes())
        .map_err(|problems| Box::new(Failure { problems, sources }))
}

/// Owns what serves, and replaces it.
pub(crate) struct Reload {
    pub(crate) path: PathBuf,
    pub(crate) watching: Watching,
    pub(crate) assembler: Arc<Assembler>,
    pub(crate) current: Arc<Mutex<Arc<Assembly>>>,
    pub(crate) snapshot: Arc<arc_swap::ArcSwap<Snapshot>>,
    pub(crate) listeners: Arc<Listeners>,
    pub(crate) status: Arc<Mutex<Status>>,
    pub(crate) rollback: Rollback,
    pub(crate) succeeded: Counter,
    pub(crate) failed: Counter,
    /// What served before.
    pub(crate) before: Option<Arc<Before>>,
    /// What serves was brought back.
    pub(crate) is_back: bool,
}

impl Reload {
    /// Runs for as long as the process serves.
    ///
    /// `first` was surveyed before the generation that serves was built: what has changed since is a change.
    pub(crate) async fn run(mut self, first: Survey, mut orders: mpsc::Receiver<Asked>) {
        let mut state = State { committed: Some(first.digest), ..State::default() };
        let mut watch = Watch::new(first.inputs, self.watching);
        loop {
            let asked = tokio::select! {
                () = watch.changed() => None,
                () = self.rollback.due() => None,
                Some(asked) = orders.recv() => Some(asked),
            };
            let generation = self.current().snapshot.generation;
            match asked {
                Some((Order::RollBack, done)) => {
                    // Whoever asked may have gone.
                    let _ = done.send(self.roll_back().await);
                    continue;
                }
                Some((Order::Reload, _)) => {
                    state.failed = None;
                    // What the files say is not what serves.
                    state.committed = state.committed.filter(|_| !self.is_back);
                }
                None => {}
            }
            let mut action = Action::Look;
            while action != Action::Nothing {
                let event = match action {
                    Action::Build => {
                        manager::reloading();
                        let event = self.attempt().await;
                        manager::ready();
                        event
                    }
                    _ => Event::Seen(self.look(&mut watch).await),
                };
                (state, action) = step(state, event);
            }
            if state.failed.is_none() {
                self.recovered();
            }
            if let Some((_, done)) = asked {
                let _ = done.send(match state.failed {
                    Some(_) => Outcome::Refused,
                    None if self.current().snapshot.generation == generation => Outcome::Unchanged,
                    None => Outcome::Changed,
                });
            }
        }
    }

    fn current(&self) -> Arc<Assembly> {
        Arc::clone(&self.current.lock())
    }

    /// What the files hold now. They are watched from now on.
    async fn look(&self, watch: &mut Watch) -> step::Digest {
        let (path, current, rollback) = (self.path.clone(), self.current(), self.rollback.clone());
        match tokio::task::spawn_blocking(move || survey(&path, Some(&current), &rollback)).await {
            Ok(Survey { inputs, digest }) => {
                watch.set(inputs);
                digest
            }
            Err(_) => step::Digest::default(),
        }
    }

    /// Builds off the runtime's threads, then swaps.
    async fn attempt(&mut self) -> Event {
        let started = now();
        let (path, assembler, previous, rollback) =
            (self.path.clone(), Arc::clone(&self.assembler), self.current(), self.rollback.clone());
        let built = tokio::task::spawn_blocking(move || build(&path, &assembler, Some(&previous), &rollback)).await;
        let failure = match built {
            Ok(Ok(assembly)) => match self.commit(assembly, false) {
                Ok(()) => {
                    let milliseconds = now().duration_since(started).as_millis();
                    tracing::info!(
                        generation = self.current().snapshot.generation,
                        milliseconds,
                        "new generation serves"
                    );
                    return Event::Committed;
                }
                Err(problem) => vec![*problem],
            },
            Ok(Err(failure)) => {
                self.refuse(&failure.problems, Some(&failure.sources));
                return Event::Failed;
            }
            Err(panic) => {
                vec![Diagnostic::error("internal", format!("the new generation could not be built: {panic}"))]
            }
        };
        self.refuse(&failure, None);
        Event::Failed
    }

    /// Makes the generation before once more, with its configuration and its components as they were, and swaps. What the files say
    /// is kept as what was tried: only another change is taken up.
    async fn roll_back(&mut self) -> Outcome {
        let Some(before) = self.before.clone() else { return Outcome::NothingBefore };
        let (assembler, current) = (Arc::clone(&self.assembler), self.current());
        let from = Arc::clone(&before);
        let built = tokio::task::spawn_blocking(move || {
            let (loaded, substitutes) = from.parts();
            assembler.assemble(loaded, Some(&current), substitutes)
        });
        let problems = match built.await {
            Ok(Ok(assembly)) => match self.commit(assembly, true) {
                Ok(()) => {
                    let generation = self.current().snapshot.generation;
                    tracing::warn!(
                        generation,
                        of = before.generation,
                        "what served before serves again, until a file changes"
                    );
                    return Outcome::Changed;
                }
                Err(problem) => vec![*problem],
            },
            Ok(Err(problems)) => problems,
            Err(panic) => {
                vec![Diagnostic::error("internal", format!("what served before could not be built: {panic}"))]
            }
        };
        self.refuse(&problems, None);
        Outcome::Refused
    }

    /// All or nothing: sockets are bound first, because only that can fail.
    fn commit(&mut self, assembly: Assembly, is_back: bool) -> Result<(), Box<Diagnostic>> {
        let assembly = Arc::new(assembly);
        let bound = self.listeners.bind(&assembly.config.listeners)?;
        let before = self.current();
        // A token is another one at once, a socket is not.
        let address = |assembly: &Assembly| assembly.config.admin.as_ref().map(|admin| admin.address.clone());
        if address(&before) != address(&assembly) {
            tracing::warn!("`[admin] address` has changed; it stays as it is until the gateway is started again");
        }
        assembly.warn(Some(&before));
        assembly.count(self.assembler.instruments.meters());
        self.assembler.outlets.take_up(&assembly.config);
        match is_back {
            true => self.rollback.stop_trials(),
            false => self.rollback.watch(&before, &assembly),
        }
        self.snapshot.store(Arc::clone(&assembly.snapshot));
        assembly.snapshot.upstreams.values().for_each(Upstream::start);
        self.listeners.apply(&assembly.config.listeners, &assembly.tls, bound);
        let generation = assembly.snapshot.generation;
        *self.current.lock() = assembly;
        self.succeeded.increment();
        self.is_back = is_back;
        // Going back twice would be going forth.
        self.before = (!is_back).then(|| Arc::new(Before::of(&before)));
        let mut status = self.status.lock();
        let (succeeded, failed) = (status.succeeded + 1, status.failed);
        *status = Status {
            state: self.standing(),
            generation,
            since: since_epoch().as_secs(),
            succeeded,
            failed,
            before: self.before.as_ref().map(|before| before.generation),
            ..Status::default()
        };
        Ok(())
    }

    fn refuse(&self, problems: &[Diagnostic], sources: Option<&Sources>) {
        self.failed.increment();
        let rendered = match sources {
            Some(sources) => gateway_config::render(problems, sources, false),
            None => problems.iter().map(|problem| problem.message.as_str()).collect::<Vec<_>>().join("\n"),
        };
        tracing::error!("the change was refused, the last good generation serves:\n{rendered}");
        let mut status = self.status.lock();
        status.state = "failed";
        status.problems = problems.iter().map(Problem::from).collect();
        status.rendered = rendered;
        status.failed += 1;
    }

    /// What serves, where nothing is wrong.
    fn standing(&self) -> &'static str {
        if self.is_back { "rolled-back" } else { "current" }
    }

    /// The files were put back as they were.
    fn recovered(&self) {
        let mut status = self.status.lock();
        if status.state == "failed" {
            status.state = self.standing();
            status.problems.clear();
            status.rendered.clear();
            tracing::info!("the files are again what serves");
        }
    }
}
