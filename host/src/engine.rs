//! The wasmtime engine: compiler settings, instance pool, and the clock that interrupts guests.

use std::path::Path;
use std::time::Duration;
use wasmtime::{Cache, CacheConfig, Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

/// How often a running guest gives way to other tasks of its thread. A guest that never waits
/// costs its neighbours at most this much at a time.
const TICK: Duration = Duration::from_millis(5);

/// A component brings its own module and a few that adapt it to the component model.
const CORE_INSTANCES_PER_COMPONENT: u32 = 8;

/// Why the engine could not be built.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The directory for compiled components cannot be used.
    #[error("cannot use {directory} as cache: {reason}")]
    Cache {
        /// The directory.
        directory: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Wasmtime refused its settings, or the machine lacks something.
    #[error("cannot set up wasmtime: {0}")]
    Wasmtime(String),
}

/// Builds an engine for up to `max_instances` instances of up to `max_memory` bytes each, and
/// starts its clock, which stops when the last handle of the engine is dropped.
pub(crate) fn build(
    cache_dir: Option<&Path>,
    max_instances: u32,
    max_memory: usize,
) -> Result<Engine, EngineError> {
    let mut config = Config::new();
    config.wasm_component_model_async(true).epoch_interruption(true);
    config.cache(cache_dir.map(open_cache).transpose()?);
    let engine = pooled_or_not(config, pool(max_instances, max_memory))
        .map_err(|error| EngineError::Wasmtime(format!("{error:#}")))?;
    start_clock(&engine)?;
    Ok(engine)
}

/// A pool reserves much address space. Where the system grants less, instances are made one by
/// one, which is slower but otherwise the same.
fn pooled_or_not(mut config: Config, pool: InstanceAllocationStrategy) -> wasmtime::Result<Engine> {
    config.allocation_strategy(pool);
    Engine::new(&config).or_else(|error| {
        tracing::warn!("instances are made without a pool: {error:#}");
        config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
        Engine::new(&config)
    })
}

/// Slots that exist from the start make a new instance a matter of microseconds.
fn pool(max_instances: u32, max_memory: usize) -> InstanceAllocationStrategy {
    let core_instances = max_instances.saturating_mul(CORE_INSTANCES_PER_COMPONENT);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(max_instances)
        .total_core_instances(core_instances)
        .total_memories(max_instances)
        .total_tables(core_instances)
        .total_stacks(max_instances.saturating_mul(4))
        .max_memory_size(max_memory);
    InstanceAllocationStrategy::Pooling(pool)
}

fn open_cache(directory: &Path) -> Result<Cache, EngineError> {
    let refuse = |reason: String| EngineError::Cache { directory: directory.display().to_string(), reason };
    std::fs::create_dir_all(directory).map_err(|error| refuse(error.to_string()))?;
    let absolute = directory.canonicalize().map_err(|error| refuse(error.to_string()))?;
    let mut config = CacheConfig::new();
    config.with_directory(absolute);
    Cache::new(config).map_err(|error| refuse(format!("{error:#}")))
}

/// A thread, since a guest in a loop may occupy every worker of the runtime.
fn start_clock(engine: &Engine) -> Result<(), EngineError> {
    let weak = engine.weak();
    let tick = move || {
        while let Some(engine) = weak.upgrade() {
            engine.increment_epoch();
            drop(engine);
            std::thread::sleep(TICK);
        }
    };
    let thread = std::thread::Builder::new().name("guest-clock".to_owned()).spawn(tick);
    thread.map(drop).map_err(|error| EngineError::Wasmtime(error.to_string()))
}
