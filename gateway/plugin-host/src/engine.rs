//! How wasmtime is set up for plugins of our own world.

use crate::limits::MEMORY_CEILING;
use crate::state::TABLE;
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

/// The stack of a guest; deeper recursion traps.
const STACK: usize = 512 << 10;

/// What host functions need on top, with room to spare: they run on the guest's fiber.
const HOST_STACK: usize = 512 << 10;

/// An engine with room for `instances` component instances at a time.
pub(crate) fn new(instances: u32) -> wasmtime::Result<Engine> {
    let mut pool = PoolingAllocationConfig::new();
    // Address space only: a slot costs memory when a guest touches it. One linear memory an instance is what toolchains
    // make; a component with more uses the slots of others and is told so when there are none left.
    pool.total_component_instances(instances)
        .total_memories(instances)
        .total_stacks(instances)
        .total_core_instances(instances.saturating_mul(20))
        .total_tables(instances.saturating_mul(4))
        .table_elements(TABLE)
        .max_core_instances_per_component(60)
        .max_memories_per_component(4)
        .max_tables_per_component(40)
        .max_component_instance_size(4 << 20)
        .max_core_instance_size(4 << 20)
        .max_memory_size(MEMORY_CEILING)
        // What a small guest dirties is zeroed in place when its slot is reused: cheaper than giving pages back.
        .linear_memory_keep_resident(128 << 10)
        .table_keep_resident(16 << 10)
        .async_stack_keep_resident(16 << 10);
    let mut config = Config::new();
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        // Async guests have an engine of their own: with this on, every call costs three times as much.
        .concurrency_support(false)
        .epoch_interruption(true)
        .memory_init_cow(true)
        .memory_reservation(MEMORY_CEILING as u64)
        .memory_guard_size(2 << 20)
        .max_wasm_stack(STACK)
        .async_stack_size(STACK + HOST_STACK);
    Engine::new(&config)
}
