//! Runs token sources: sandboxed components behind the WIT package `flytoken:source`. The only module that names wasmtime.
//!
//! A [`Runtime`] turns bytes into a [`Loaded`] source, linked to what it was granted and to nothing else. Every call of a loaded source
//! runs in a fresh sandbox under every limit there is, and ends as a lease, as what the source said ([`Refused::Said`]), or as what became
//! of it ([`Refused::Broke`]). Errors of the engine are turned into texts at this boundary: keeping one would keep the engine alive.

mod access;
mod apart;
mod bindings;
mod call;
mod component;
mod ending;
mod engine;
mod imports;
mod inspect;
mod limits;
mod linker;
mod outcome;
mod state;
mod text;
mod ticker;
mod trace;
mod wasi;

use std::{path::Path, sync::Arc};

use tokio::sync::Semaphore;

pub use self::{
    access::{BoxFuture, CommandAccess, FilesAccess, FilesFailure, RecordsAccess, RecordsFailure},
    apart::{COMPILE, CompileLimits, TooMuch, main as compile_main},
    call::{Call, Revocation, SourceRequest},
    component::{LoadError, Loaded},
    inspect::{Import, Inspected, Needs},
    limits::{DEFAULT_MEMORY, MAX_MEMORY},
    outcome::{Broke, BrokeKind, Refused},
    text::TEXT_BYTES,
    trace::{Step, Told, Trace, Traced, Use},
};
use self::{apart::Compiler, engine::SANDBOXES, ticker::Ticker};
use crate::config::{Grants, Role, SourceName};

/// Compiles sources and runs them. Cheap to clone; one is enough for a process.
#[derive(Clone)]
pub struct Runtime {
    shared: Arc<Shared>,
}

/// What every loaded source needs of the runtime that loaded it.
struct Shared {
    engine: wasmtime::Engine,
    /// What needs no grant, linked once.
    ungranted: wasmtime::component::Linker<state::State>,
    ticker: Ticker,
    compiler: Compiler,
    /// One permit a sandbox, so that a full pool makes a call wait rather than fail.
    sandboxes: Semaphore,
}

impl Runtime {
    /// Builds the engine. `cache` is an absolute directory for compiled code; it is made with mode 0700 if it is missing.
    ///
    /// Compiled code is machine code that runs outside any sandbox, so a directory that somebody else may write to is not used. Without a
    /// usable directory everything works, only slower, and the log says so.
    ///
    /// # Errors
    /// [`RuntimeError`] if this machine cannot run the engine at all.
    pub fn new(cache: Option<&Path>) -> Result<Self, RuntimeError> {
        Self::with_limits(cache, CompileLimits::default(), |_| {})
    }

    /// The same, where strangers' components may take so much to compile. `slow` is told of one that takes more than a second, by its
    /// source's name.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn with_limits(
        cache: Option<&Path>,
        limits: CompileLimits,
        slow: impl Fn(&SourceName) + Send + Sync + 'static,
    ) -> Result<Self, RuntimeError> {
        let (engine, is_kept) = engine::build(cache)?;
        let compiler = Compiler::new(&engine, cache.filter(|_| is_kept), limits, Box::new(slow));
        let ungranted = linker::ungranted(&engine).map_err(|error| RuntimeError::Engine(format!("{error:#}")))?;
        let ticker = Ticker::start(engine.weak()).map_err(RuntimeError::Thread)?;
        Ok(Self { shared: Arc::new(Shared { engine, ungranted, ticker, compiler, sandboxes: Semaphore::new(SANDBOXES) }) })
    }

    /// Loads a component as `source`: compiles it, or takes it from the cache, and links what `grants` say.
    ///
    /// Blocking and heavy on the processor: milliseconds for a small component in the cache, many seconds for a language runtime that is
    /// not. Nothing of the component runs yet.
    ///
    /// # Errors
    /// [`LoadError`] says what is wrong with the component, or which grant it lacks and the line to add.
    pub fn load(&self, source: &SourceName, bytes: &[u8], grants: &Grants, role: Role) -> Result<Loaded, LoadError> {
        Loaded::load(&self.shared, source, bytes, grants, role)
    }

    /// The same for a component that a stranger may have made: it is read and compiled in a process of its own, which is ended if that
    /// takes more than it may; this process takes what came of it from the cache.
    ///
    /// # Errors
    /// As [`Self::load`], and [`LoadError::TooMuch`].
    pub fn load_foreign(&self, source: &SourceName, bytes: &[u8], grants: &Grants, role: Role) -> Result<Loaded, LoadError> {
        self.shared.compiler.prove(source, bytes)?;
        self.load(source, bytes, grants, role)
    }

    /// Says what a stranger's component exports and imports, and which grants that takes. `name` is what it may be called meanwhile.
    ///
    /// # Errors
    /// [`LoadError`] if it is no source that this host could ever load.
    pub fn inspect(&self, name: &SourceName, bytes: &[u8]) -> Result<Inspected, LoadError> {
        component::check_bytes(bytes)?;
        self.shared.compiler.prove(name, bytes)?;
        let component = wasmtime::component::Component::new(&self.shared.engine, bytes).map_err(LoadError::invalid)?;
        inspect::inspect(&self.shared.engine, &component)
    }
}

/// Why there is no runtime.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeError {
    /// The engine does not work on this machine, by its own account.
    #[error("the sandbox engine cannot start: {0}")]
    Engine(String),
    /// There is no thread for the clock that ends runaway sources.
    #[error("the sandbox clock cannot start")]
    Thread(#[source] std::io::Error),
}

#[cfg(test)]
mod tests;
