//! `clock`: the time, twice.

use crate::abi::gateway::wit::clock::Host;
use crate::state::State;
use gateway_core::clock;

impl Host for State {
    fn now(&mut self) -> u64 {
        u64::try_from(clock::since_epoch().as_nanos()).unwrap_or(u64::MAX)
    }

    fn monotonic(&mut self) -> u64 {
        let since = clock::now().saturating_duration_since(self.kept.since);
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }
}
