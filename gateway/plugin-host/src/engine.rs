//! How wasmtime is set up: one engine for plugins of our own world, one for components of `wasi:http`.

use crate::limits::MEMORY_CEILING;
use crate::state::TABLE;
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

/// The stack of a guest; deeper recursion traps.
const STACK: usize = 512 << 10;

/// What host functions need on top, with room to spare: they run on the guest's fiber.
const HOST_STACK: usize = 512 << 10;

/// Address space of one linear memory: all that 32 bits can name, so that a guest's loads and stores need no check of their own. With
/// less, each of them has one (docs/decisions/0020).
const RESERVATION: u64 = 4 << 30;

/// Slots that stand ready for the plugin that had them last, while there are others that nobody has ever used.
const WARM: u32 = 16;

/// Stacks of one instance whose guest does several things at once.
const STACKS: u32 = 20;

/// The engine of our own world, with room for `instances` component instances at a time.
pub(crate) fn new(instances: u32) -> wasmtime::Result<Engine> {
    // Async guests have the other engine: with this on, every call costs three times as much.
    Engine::new(config(instances, instances).concurrency_support(false))
}

/// The engine of guests that do several things at once.
pub(crate) fn concurrent(instances: u32) -> wasmtime::Result<Engine> {
    Engine::new(config(instances, instances.saturating_mul(STACKS)).concurrency_support(true))
}

fn config(instances: u32, stacks: u32) -> Config {
    let mut pool = PoolingAllocationConfig::new();
    // Address space only: a slot costs memory when a guest touches it. One linear memory an instance is what most toolchains
    // make; an instance with more takes the places of as many (`Loaded::slots`).
    pool.total_component_instances(instances)
        .total_memories(instances)
        .total_stacks(stacks)
        .total_core_instances(instances.saturating_mul(20))
        .total_tables(instances.saturating_mul(4))
        .table_elements(TABLE)
        .max_core_instances_per_component(60)
        .max_memories_per_component(4)
        .max_tables_per_component(40)
        .max_component_instance_size(4 << 20)
        .max_core_instance_size(4 << 20)
        .max_memory_size(MEMORY_CEILING)
        // Those of plugins that are gone go to the next one, rather than as many as 100 staying dirty for nobody.
        .max_unused_warm_slots(WARM)
        // What a small guest dirties is zeroed in place when its slot is reused: cheaper than giving pages back.
        .linear_memory_keep_resident(128 << 10)
        .table_keep_resident(16 << 10)
        .async_stack_keep_resident(16 << 10);
    let mut config = Config::new();
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        .epoch_interruption(true)
        .memory_init_cow(true)
        .memory_reservation(RESERVATION)
        .memory_guard_size(2 << 20)
        .max_wasm_stack(STACK)
        .async_stack_size(STACK + HOST_STACK);
    config
}
