//! What a reload does next: a pure step from a state and an event.
//!
//! What is *committed* and what was last *tried* are kept apart. A failure is permanent until the inputs change: the same
//! inputs are not built again.

/// The inputs as one value: contents of every file that matters, and what was rolled back.
pub(crate) type Digest = [u8; 32];

/// Where a reload stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct State {
    /// What serves.
    pub(crate) committed: Option<Digest>,
    /// What could not be built, until something else can.
    pub(crate) failed: Option<Digest>,
    /// What is being built; one at a time.
    pub(crate) building: Option<Digest>,
    /// Inputs changed while one was built.
    pub(crate) again: bool,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// The inputs have settled and look like this.
    Seen(Digest),
    /// What was being built serves now.
    Committed,
    /// It could not be built; nothing has changed.
    Failed,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Nothing,
    Build,
    /// Look at the inputs again.
    Look,
}

pub(crate) fn step(state: State, event: Event) -> (State, Action) {
    match event {
        Event::Seen(_) if state.building.is_some() => (State { again: true, ..state }, Action::Nothing),
        // Put back as it was: what failed meanwhile no longer matters.
        Event::Seen(digest) if state.committed == Some(digest) => (State { failed: None, ..state }, Action::Nothing),
        Event::Seen(digest) if state.failed == Some(digest) => (state, Action::Nothing),
        Event::Seen(digest) => (State { building: Some(digest), ..state }, Action::Build),
        Event::Committed => {
            let done = State { committed: state.building, failed: None, building: None, again: false };
            (done, after(state))
        }
        Event::Failed => {
            let done = State { committed: state.committed, failed: state.building, building: None, again: false };
            (done, after(state))
        }
    }
}

fn after(state: State) -> Action {
    if state.again { Action::Look } else { Action::Nothing }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Digest = [1; 32];
    const B: Digest = [2; 32];

    fn run(events: &[Event]) -> (State, Vec<Action>) {
        let mut actions = Vec::new();
        let state = events.iter().fold(State::default(), |state, event| {
            let (state, action) = step(state, *event);
            actions.push(action);
            state
        });
        (state, actions)
    }

    /// HARDENING R2: touched without a change, no swap.
    #[test]
    fn the_same_inputs_are_built_once() {
        let (state, actions) = run(&[Event::Seen(A), Event::Committed, Event::Seen(A), Event::Seen(A)]);
        assert_eq!(actions, [Action::Build, Action::Nothing, Action::Nothing, Action::Nothing]);
        assert_eq!(state.committed, Some(A));
    }

    /// HARDENING R5: at most one build at a time, and the last change is not lost.
    #[test]
    fn changes_during_a_build_are_looked_at_after_it() {
        let (_, actions) = run(&[Event::Seen(A), Event::Seen(B), Event::Seen(A), Event::Committed, Event::Seen(A)]);
        assert_eq!(actions, [Action::Build, Action::Nothing, Action::Nothing, Action::Look, Action::Nothing]);
    }

    /// HARDENING R7: nothing changes, and the same mistake is not built again and again.
    #[test]
    fn a_failure_waits_for_new_inputs_and_is_forgotten_when_the_old_ones_are_back() {
        let (state, actions) =
            run(&[Event::Seen(A), Event::Committed, Event::Seen(B), Event::Failed, Event::Seen(B), Event::Seen(A)]);
        let expected =
            [Action::Build, Action::Nothing, Action::Build, Action::Nothing, Action::Nothing, Action::Nothing];
        assert_eq!(actions, expected);
        assert_eq!(state, State { committed: Some(A), ..State::default() });
    }
}
