//! How much of the host one call may use. Every limit holds on every call.

use wasmtime::ResourceLimiter;

/// Linear memory of a call without the grant `memory`, in bytes.
pub const DEFAULT_MEMORY: u64 = 64 << 20;
/// Linear memory that the grant `memory` may give at most, in bytes.
pub const MAX_MEMORY: u64 = 1 << 30;

/// Longest text that becomes a secret, in bytes, as the contract says. No token is as long.
pub(super) const SECRET_BYTES: usize = 16 << 10;
/// Texts that one call may seal, all together, in bytes: what is sealed stays in the host until the call ends.
pub(super) const SEALED_BYTES: usize = 64 << 10;
/// Handles that a call may hold at a time, in each of the two tables: its secrets and its WASI objects.
pub(super) const HANDLES: usize = 64;
/// Bytes that one call into the host may bring along: a secret and a long message, not a copy of the guest's memory.
pub(super) const HOST_CALL_BYTES: usize = 128 << 10;
/// Random bytes from one request, in bytes: a seed, not a stream.
pub(super) const RANDOM_BYTES: u64 = 4 << 10;
/// What is kept of a source's output, in bytes; the rest is dropped.
pub(super) const LOG_BYTES: usize = 8 << 10;

/// Native stack of wasm code, in bytes. Interpreters recurse deeply.
pub(super) const STACK_BYTES: usize = 512 << 10;

/// Core instances of one component. A Python component has 14.
pub(super) const INSTANCES: u32 = 32;
/// Tables of one component. Python has many.
pub(super) const TABLES: u32 = 32;
/// Linear memories of one component.
pub(super) const MEMORIES: u32 = 4;
/// Elements of one table: functions that are called by pointer. Twice the engine's default, for the sake of interpreters.
pub(super) const TABLE_ELEMENTS: usize = 40_000;

/// Counts what the instances of one store hold together. The engine's own `StoreLimits` bounds each memory by itself, so that a component
/// with four memories would have four times its due.
///
/// What goes past a limit ends the call: a source that copes with a failed allocation would cope in silence.
pub(super) struct Limits {
    memory: usize,
    memory_left: usize,
}

impl Limits {
    /// Limits with `memory` bytes of linear memory, at most [`MAX_MEMORY`].
    pub(super) fn new(memory: u64) -> Self {
        let memory = usize::try_from(memory.min(MAX_MEMORY)).unwrap_or(usize::MAX);
        Self { memory, memory_left: memory }
    }

    /// The bytes of linear memory there are in all.
    pub(super) fn memory(&self) -> usize {
        self.memory
    }

    /// The bytes of linear memory that are taken. Memory only grows, so it never was more.
    pub(super) fn taken(&self) -> usize {
        self.memory - self.memory_left
    }
}

impl ResourceLimiter for Limits {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        match self.memory_left.checked_sub(desired.saturating_sub(current)) {
            Some(left) => self.memory_left = left,
            None => return Err(OverLimit::Memory.into()),
        }
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        Err(OverLimit::Memory.into())
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        if desired > TABLE_ELEMENTS { Err(OverLimit::TableElements.into()) } else { Ok(true) }
    }

    fn table_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        Err(OverLimit::TableElements.into())
    }

    fn instances(&self) -> usize {
        INSTANCES as usize
    }

    fn tables(&self) -> usize {
        TABLES as usize
    }

    fn memories(&self) -> usize {
        MEMORIES as usize
    }
}

/// A limit that a call ran into, on its way through the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum OverLimit {
    /// Linear memory.
    #[error("out of memory")]
    Memory,
    /// One table.
    #[error("a table has at most {TABLE_ELEMENTS} elements")]
    TableElements,
    /// One sealed text.
    #[error("a secret has at most {SECRET_BYTES} bytes")]
    SecretBytes,
    /// All sealed texts.
    #[error("a call seals at most {SEALED_BYTES} bytes")]
    SealedBytes,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_share_one_budget() {
        let mut limits = Limits::new(3 << 16);
        assert!(limits.memory_growing(0, 2 << 16, None).is_ok());
        assert!(limits.memory_growing(0, 1 << 16, None).is_ok());
        let error = limits.memory_growing(1 << 16, 2 << 16, None).expect_err("the budget is spent");
        assert_eq!(error.downcast_ref(), Some(&OverLimit::Memory));
    }

    #[test]
    fn no_grant_goes_past_the_pool() {
        assert_eq!(Limits::new(u64::MAX).memory() as u64, MAX_MEMORY);
    }
}
