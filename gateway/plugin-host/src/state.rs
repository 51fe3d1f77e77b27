//! What a store holds beside the guest: the exchange lent to it, and what bounds it.

use crate::abi::direct::Desk;
use crate::kept::Kept;
use crate::limits::Limits;
use crate::meter::{Meter, Stop};
use crate::plugin::PluginSettings;
use crate::pulse::Pulse;
use gateway_core::Exchange;
use gateway_core::exchange::Stage;
use std::sync::Arc;
use std::time::{Duration, Instant};
use wasmtime::{ResourceLimiter, UpdateDeadline};

/// Entries of one table; toolchains with an interpreter inside use some thousands.
pub(crate) const TABLE: usize = 20_000;

/// The data of a store.
pub(crate) struct State {
    /// Lent for the time of one call; none in `configure`.
    pub(crate) exchange: Option<Box<Exchange>>,
    pub(crate) settings: Arc<PluginSettings>,
    pub(crate) kept: Arc<Kept>,
    pub(crate) meter: Meter,
    /// Calls to services that the present call made.
    pub(crate) fetches: u32,
    /// Passwords that the present call had verified.
    pub(crate) passwords: u32,
    pub(crate) room: Room,
    /// What passes between the host and a guest that it calls directly.
    pub(crate) desk: Desk,
}

/// The memory that the guest of a store has, and may have.
pub(crate) struct Room {
    /// Linear memory of all its instances, in bytes.
    pub(crate) used: usize,
    limit: usize,
}

impl State {
    pub(crate) fn new(settings: Arc<PluginSettings>, kept: Arc<Kept>, pulse: Arc<Pulse>) -> Self {
        let room = Room::new(settings.limits.memory);
        let meter = Meter::new(pulse);
        Self { exchange: None, settings, kept, meter, fetches: 0, passwords: 0, room, desk: Desk::default() }
    }

    /// Lends it an exchange for one call.
    pub(crate) fn begin(&mut self, exchange: Box<Exchange>, cpu: Duration, deadline: Instant) {
        self.exchange = Some(exchange);
        self.fetches = 0;
        self.passwords = 0;
        self.meter.begin(cpu, deadline);
    }

    /// Whether the next call may be without a stack of its own.
    pub(crate) fn is_prompt(&self) -> bool {
        self.kept.promptness.is_given(self.settings.limits.cpu)
    }

    /// A tick has passed while the guest runs.
    pub(crate) fn tick(&mut self) -> wasmtime::Result<UpdateDeadline> {
        self.meter.tick(&self.kept.promptness)
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.settings.limits
    }

    /// The exchange while its request may be changed.
    pub(crate) fn sendable(&mut self) -> Option<&mut Exchange> {
        self.exchange.as_deref_mut().filter(|exchange| exchange.stage == Stage::Request)
    }

    /// The exchange while its response may be changed.
    pub(crate) fn answerable(&mut self) -> Option<&mut Exchange> {
        self.exchange.as_deref_mut().filter(|exchange| exchange.stage == Stage::Response)
    }
}

impl Room {
    pub(crate) fn new(limit: usize) -> Self {
        Self { used: 0, limit }
    }
}

impl ResourceLimiter for Room {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let used = self.used.saturating_sub(current).saturating_add(desired);
        // A trap that names the limit, not the -1 that most guests turn into an abort without a word.
        if used > self.limit {
            return Err(Stop::Memory(self.limit).into());
        }
        self.used = used;
        Ok(true)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        Err(error)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        if desired > TABLE { Err(Stop::Table(TABLE).into()) } else { Ok(true) }
    }
}
