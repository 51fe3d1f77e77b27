//! `clock`: the time, twice.

use crate::abi::gateway::wit::clock::Host;
use crate::state::State;
use gateway_core::clock;
use std::time::Duration;

/// At once, in milliseconds.
const WAIT: u32 = 1000;

impl Host for State {
    fn now(&mut self) -> u64 {
        u64::try_from(clock::since_epoch().as_nanos()).unwrap_or(u64::MAX)
    }

    fn monotonic(&mut self) -> u64 {
        let since = clock::now().saturating_duration_since(self.kept.since);
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }

    async fn wait(&mut self, milliseconds: u32) {
        let end = clock::now() + Duration::from_millis(milliseconds.min(WAIT).into());
        let end = end.min(self.meter.deadline());
        self.meter.pause();
        tokio::time::sleep_until(end.into()).await;
        self.meter.resume();
    }
}
