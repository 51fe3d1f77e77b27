//! `random`: from the operating system.

use crate::abi::gateway::wit::random::Host;
use crate::state::State;

/// Bytes at once.
const LIMIT: u32 = 64 << 10;

impl Host for State {
    fn bytes(&mut self, length: u32) -> wasmtime::Result<Vec<u8>> {
        let mut bytes = vec![0; length.min(LIMIT) as usize];
        // A guest that got predictable bytes would make predictable tokens: better a trap.
        getrandom::fill(&mut bytes).map_err(|error| wasmtime::format_err!("no randomness from the system: {error}"))?;
        Ok(bytes)
    }

    fn number(&mut self) -> wasmtime::Result<u64> {
        getrandom::u64().map_err(|error| wasmtime::format_err!("no randomness from the system: {error}"))
    }
}
