//! What a guest of `wasi:http` works on when it calls `gateway:plugin`: a copy of the exchange that its request belongs to, with the part
//! that the pipeline sees as well.

use crate::state::State;
use gateway_core::exchange::Stage;
use gateway_core::joint::Joint;
use std::sync::Arc;
use tokio::sync::{Mutex, OwnedMutexGuard};

/// One request's, or an instance's own outside of requests.
pub(crate) struct Loan {
    state: Arc<Mutex<State>>,
    joint: Option<Arc<Joint>>,
}

/// Taken for one call.
pub(crate) struct Borrowed {
    state: OwnedMutexGuard<State>,
    joint: Option<Arc<Joint>>,
}

impl Loan {
    pub(crate) fn new(state: State, joint: Option<Arc<Joint>>) -> Self {
        Self { state: Arc::new(Mutex::new(state)), joint }
    }

    /// A store makes one such call at a time.
    pub(crate) fn borrow(&self) -> wasmtime::Result<Borrowed> {
        let state = Arc::clone(&self.state).try_lock_owned()?;
        Ok(Borrowed { state, joint: self.joint.clone() })
    }
}

impl Borrowed {
    /// A call that does not wait: it sees and changes what the pipeline has.
    pub(crate) fn now<R>(mut self, call: impl FnOnce(&mut State) -> R) -> R {
        let joint = self.joint.clone();
        let mut part = joint.as_ref().map(|joint| joint.lock());
        let mut swap = |state: &mut State| {
            let (Some(part), Some(exchange)) = (&mut part, state.exchange.as_deref_mut()) else { return };
            match &mut **part {
                Some(part) => part.swap(exchange),
                // It has answered: nothing can be changed any more.
                None => exchange.stage = Stage::Complete,
            }
        };
        swap(&mut self.state);
        let result = call(&mut self.state);
        swap(&mut self.state);
        drop(part);
        result
    }

    /// For a call that waits. Who asks and where the request goes is as it was at its start.
    pub(crate) fn state(&mut self) -> &mut State {
        &mut self.state
    }
}

impl Drop for Borrowed {
    /// Places that it took are the exchange's.
    fn drop(&mut self) {
        if let (Some(joint), Some(exchange)) = (&self.joint, self.state.exchange.as_deref_mut())
            && !exchange.slots.is_empty()
            && let Some(part) = &mut *joint.lock()
        {
            part.slots.append(&mut exchange.slots);
        }
    }
}
