//! The wasm engine: what code it takes, how much it sets aside, and where compiled code is kept.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::Path,
};

use wasmtime::{Cache, CacheConfig, Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use super::{
    RuntimeError,
    limits::{INSTANCES, MAX_MEMORY, MEMORIES, STACK_BYTES, TABLE_ELEMENTS, TABLES},
};

/// Sandboxes at a time, over all sources. A further call waits for one.
pub(super) const SANDBOXES: usize = 64;

/// Builds the engine over a pool of sandboxes, or, where the address space for one is not to be had, without.
///
/// Tells as well whether compiled code is kept in `cache`.
pub(super) fn build(cache: Option<&Path>) -> Result<(Engine, bool), RuntimeError> {
    let cache = cache.and_then(|directory| match open_cache(directory) {
        Ok(cache) => Some(cache),
        Err(unusable) => {
            let directory = directory.display();
            match unusable {
                // A home that cannot be written: whoever keeps what matters there warns of it, and once is enough.
                Unusable::Missing(cause) => tracing::info!("compiled sources are not kept: {directory} cannot be made: {cause}"),
                Unusable::Unsafe(reason) => tracing::warn!("compiled sources are not kept in {directory}: {reason}"),
            }
            None
        }
    });
    let is_kept = cache.is_some();
    let mut config = config(cache);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool()));
    let engine = Engine::new(&config)
        .or_else(|error| {
            // An address-space limit (`ulimit -v`, a container) is no reason to refuse: a sandbox made on demand is slower, and no wider.
            tracing::debug!("no pool of sandboxes: {error:#}");
            config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
            Engine::new(&config)
        })
        .map_err(|error| RuntimeError::Engine(format!("{error:#}")))?;
    Ok((engine, is_kept))
}

/// An engine that compiles what [`build`]'s runs, and runs nothing: it sets no sandboxes aside.
pub(super) fn compiling(cache: Option<&Path>) -> wasmtime::Result<Engine> {
    let mut config = config(cache.and_then(|directory| open_cache(directory).ok()));
    config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
    Engine::new(&config)
}

fn config(cache: Option<Cache>) -> Config {
    let mut config = Config::new();
    config
        .cache(cache)
        .epoch_interruption(true)
        .max_wasm_stack(STACK_BYTES)
        // Host calls run on the same stack as the wasm code that makes them, beyond what is left for that.
        .async_stack_size(STACK_BYTES + HOST_STACK_BYTES)
        // A stack that held a token is clean before another call gets it.
        .async_stack_zeroing(true)
        // Nobody reads a guest's frames, and names in them are the guest's own text.
        .wasm_backtrace_max_frames(None)
        .generate_address_map(false)
        // What no language runtime needs is not there to be attacked. Threads, garbage collection and the component model's own
        // concurrency are not even compiled in.
        .wasm_memory64(false)
        .wasm_relaxed_simd(false)
        .wasm_custom_page_sizes(false)
        .wasm_wide_arithmetic(false);
    config
}

fn pool() -> PoolingAllocationConfig {
    let sandboxes = u32::try_from(SANDBOXES).unwrap_or(u32::MAX);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(sandboxes)
        .total_stacks(sandboxes)
        // Half of the largest component for each sandbox: a Python component has 14 instances, most others a few.
        .total_core_instances(sandboxes * INSTANCES / 2)
        .total_tables(sandboxes * TABLES / 2)
        .total_memories(sandboxes * MEMORIES / 2)
        .max_core_instances_per_component(INSTANCES)
        .max_tables_per_component(TABLES)
        .max_memories_per_component(MEMORIES)
        .max_tables_per_module(TABLES)
        .max_memories_per_module(MEMORIES)
        .table_elements(TABLE_ELEMENTS)
        .max_memory_size(usize::try_from(MAX_MEMORY).unwrap_or(usize::MAX))
        // What a call used is wiped in place rather than given back to the system and faulted in again, where the kernel (Linux 6.7)
        // tells which pages those are: that takes a third off a small call.
        .pagemap_scan(Enabled::Auto)
        .linear_memory_keep_resident(KEPT_BYTES)
        .table_keep_resident(KEPT_BYTES)
        .async_stack_keep_resident(KEPT_STACK_BYTES);
    pool
}

/// Opens the cache in a directory that only this user can write to.
fn open_cache(directory: &Path) -> Result<Cache, Unusable> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(Unusable::Missing)?;
    let metadata = fs::metadata(directory).map_err(|error| Unusable::Unsafe(error.to_string()))?;
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(Unusable::Unsafe("the directory belongs to another user".into()));
    }
    if metadata.mode() & 0o022 != 0 {
        return Err(Unusable::Unsafe("others can write to the directory; run `chmod 700` on it".into()));
    }
    let mut config = CacheConfig::new();
    config
        .with_directory(directory)
        // Components are few and small: to compress them harder in the background would cost more than it saves.
        .with_optimized_compression_usage_counter_threshold(u64::MAX);
    Cache::new(config).map_err(|error| Unusable::Unsafe(format!("{error:#}")))
}

/// Why a directory is not used as the cache.
#[derive(Debug)]
enum Unusable {
    /// It is not there and cannot be made.
    Missing(io::Error),
    /// It is there, and what is in it is not to be run.
    Unsafe(String),
}

/// Memory and tables that a free sandbox keeps, in bytes: what a small source touches.
const KEPT_BYTES: usize = 256 << 10;

/// Stack that a free sandbox keeps, in bytes.
const KEPT_STACK_BYTES: usize = 32 << 10;

/// Stack for the host's side of a call, in bytes.
const HOST_STACK_BYTES: usize = 512 << 10;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_cache_directory_is_made_for_its_owner_alone() {
        let home = tempfile::tempdir().expect("a directory");
        let directory = home.path().join("cache/flytoken");
        open_cache(&directory).expect("a cache");
        assert_eq!(fs::metadata(&directory).expect("it is there").mode() & 0o777, 0o700);
    }

    #[test]
    fn a_cache_that_others_can_write_to_is_not_used() {
        let home = tempfile::tempdir().expect("a directory");
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o777)).expect("its owner may");
        let reason = open_cache(home.path()).expect_err("code could be planted");
        assert!(matches!(&reason, Unusable::Unsafe(text) if text.contains("others can write")));
        assert!(build(Some(home.path())).is_ok_and(|(_, is_kept)| !is_kept), "it is not worth a failure");
    }

    #[test]
    fn the_engine_works_without_a_pool_too() {
        assert!(Engine::new(&config(None)).is_ok());
    }
}
