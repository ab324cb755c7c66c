//! The sandbox engine with its settings, and the clock that interrupts guests.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::cache::{Cache, Compiled};
use crate::documents::Documents;
use crate::error::LoadError;
use crate::limits;
use crate::memory::Memory;

/// How often guests that run are interrupted, to count their time and to let others run.
pub const TICK: Duration = Duration::from_millis(10);

/// What the wiring decides.
#[derive(Clone)]
pub struct Options {
    /// Where compiled code is kept; none: compile at every start.
    pub cache: Option<Compiled>,
    /// Most sandboxes that exist at once; a call beyond it waits for one.
    pub sandboxes: u32,
    /// Most sandboxes of one plugin, so that a stalled one leaves room for the others.
    pub sandboxes_per_plugin: u32,
    /// MiB of memory of all sandboxes together; a call that finds it taken waits, then is refused as busy.
    pub memory_mib: u32,
    /// Behind the capability `documents`; none: its grants are refused.
    pub documents: Option<Arc<dyn Documents>>,
    /// Folder of the images' blobs, for the capability `libvirt`.
    pub blobs: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self { cache: None, sandboxes: 256, sandboxes_per_plugin: 128, memory_mib: 1024, documents: None, blobs: None }
    }
}

/// Loads plugins. Clones share the engine.
#[derive(Clone)]
pub struct Runtime {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub engine: Engine,
    pub cache: Option<Cache>,
    pub sandboxes: Arc<Semaphore>,
    pub memory: Arc<Memory>,
    pub options: Options,
}

impl Runtime {
    /// Starts the engine and its clock (a thread that ends with the last clone and plugin).
    pub fn new(options: Options) -> Result<Self, LoadError> {
        let failed = |error: wasmtime::Error| LoadError::Engine(format!("{error:#}"));
        let engine = Engine::new(&config(options.sandboxes)).map_err(failed)?;
        let cache = options.cache.as_ref().map(|compiled| Cache::open(compiled, &engine)).transpose()?;
        start_clock(&engine).map_err(|error| LoadError::Engine(error.to_string()))?;
        let sandboxes = Arc::new(Semaphore::new(options.sandboxes as usize));
        let memory = Arc::new(Memory::new(options.memory_mib));
        Ok(Self { shared: Arc::new(Shared { engine, cache, sandboxes, memory, options }) })
    }
}

/// Measured choices; see each. Threads aren't even compiled in.
fn config(sandboxes: u32) -> Config {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(sandboxes)
        .total_core_instances(sandboxes.saturating_mul(limits::CORE_INSTANCES as u32))
        .max_core_instances_per_component(limits::CORE_INSTANCES as u32)
        .total_memories(sandboxes.saturating_mul(2))
        .max_memories_per_component(limits::MEMORIES as u32)
        .max_memory_size(limits::MEMORY_MIB.ceiling as usize * 1024 * 1024)
        .total_tables(sandboxes.saturating_mul(4))
        .max_tables_per_component(limits::TABLES as u32)
        .table_elements(limits::TABLE_ELEMENTS)
        .total_stacks(sandboxes)
        // Pages that a call touched are zeroed in place instead of given back to the kernel: system calls and page faults are
        // the larger part of a fresh sandbox. Above some hundred KiB zeroing costs more than it saves.
        .linear_memory_keep_resident(256 * 1024)
        .table_keep_resident(64 * 1024)
        .async_stack_keep_resident(64 * 1024)
        // Zeroes only what was written; needs Linux 6.7, else it falls back by itself.
        .pagemap_scan(Enabled::Auto);
    let mut config = Config::new();
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        // With the whole index space reserved no access needs a bounds check.
        .memory_reservation(4 << 30)
        .memory_init_cow(true)
        // Guests of ours have no concurrent exports; without the machinery a call is 4 to 6 us cheaper.
        .concurrency_support(false)
        .epoch_interruption(true)
        .wasm_component_model(true)
        // A tariff must give the same bytes on every machine.
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true);
    config
}

fn start_clock(engine: &Engine) -> std::io::Result<()> {
    let weak = engine.weak();
    std::thread::Builder::new().name("sandbox-clock".to_owned()).spawn(move || {
        while let Some(engine) = weak.upgrade() {
            engine.increment_epoch();
            drop(engine);
            std::thread::sleep(TICK);
        }
    })?;
    Ok(())
}
