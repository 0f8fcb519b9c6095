//! A loaded source: compiled, held against its grants, linked, and ready to be called any number of times.

use std::{sync::Arc, time::Duration};

use sha2::{Digest, Sha256};
use tokio::time::Instant;
use wasmtime::component::{Component, InstancePre};

use super::{
    Shared,
    apart::TooMuch,
    bindings::exports::flytoken::source::{keeper, revoker, source},
    linker,
    state::State,
    text::{Censor, TEXT_BYTES},
};
use crate::config::{Grants, Role, SourceName};

/// A source that can be called. Cheap to clone; dropping the last one frees its code, once the last call is over.
#[derive(Clone)]
pub struct Loaded(pub(super) Arc<Linked>);

/// A component and what it is linked to.
pub(super) struct Linked {
    /// The runtime that loaded it.
    pub(super) runtime: Arc<Shared>,
    /// Compiled, linked, type-checked: all that a call has left to do is to instantiate.
    pub(super) component: InstancePre<State>,
    /// Where `resolve` is.
    pub(super) source: source::GuestIndices,
    /// Where `keep` and `forget` are, if the component has them.
    pub(super) keeper: Option<keeper::GuestIndices>,
    /// Where `revoke` is, if the component has it.
    pub(super) revoker: Option<revoker::GuestIndices>,
    sha256: [u8; 32],
    imports: Vec<String>,
    linking: Duration,
}

impl Loaded {
    pub(super) fn load(runtime: &Arc<Shared>, name: &SourceName, bytes: &[u8], grants: &Grants, role: Role) -> Result<Self, LoadError> {
        check_bytes(bytes)?;
        let component = Component::new(&runtime.engine, bytes).map_err(LoadError::invalid)?;
        let imports = linker::imports(&runtime.engine, &component.component_type());
        linker::check(&imports, grants, name)?;
        let begun = Instant::now();
        let linker = linker::granted(&runtime.ungranted, grants).map_err(LoadError::invalid)?;
        let component = linker.instantiate_pre(&component).map_err(LoadError::invalid)?;
        let source = source::GuestIndices::new(&component).map_err(|error| LoadError::no_source(&error))?;
        let keeper = keeper::GuestIndices::new(&component).ok();
        if keeper.is_none() && role != Role::Live {
            return Err(LoadError::NoKeeper { role: if role == Role::Memory { "memory" } else { "manual" } });
        }
        let revoker = revoker::GuestIndices::new(&component).ok();
        let (linking, sha256) = (begun.elapsed(), Sha256::digest(bytes).into());
        Ok(Self(Arc::new(Linked { runtime: Arc::clone(runtime), component, source, keeper, revoker, sha256, imports, linking })))
    }

    /// The SHA-256 digest of the component's file.
    pub fn sha256(&self) -> [u8; 32] {
        self.0.sha256
    }

    /// Whether it can remember what others obtained.
    pub fn is_keeper(&self) -> bool {
        self.0.keeper.is_some()
    }

    /// Whether it can revoke what it minted.
    pub fn is_revoker(&self) -> bool {
        self.0.revoker.is_some()
    }

    /// How long it took to link, once it was compiled.
    pub fn linked_in(&self) -> Duration {
        self.0.linking
    }

    /// What the component imports, as `package:name/interface@version`, fit to be shown.
    pub fn imports(&self) -> &[String] {
        &self.0.imports
    }
}

/// Tells apart what people mistake for a component, before the compiler does in words of its own.
pub(super) fn check_bytes(bytes: &[u8]) -> Result<(), LoadError> {
    if bytes.len() > LoadError::MOST_BYTES {
        return Err(LoadError::TooLarge { bytes: bytes.len() });
    }
    match bytes {
        // The magic number, the version, and the layer: 0 is a core module, 1 a component.
        [0, b'a', b's', b'm', _, _, 1, 0, ..] => Ok(()),
        [0, b'a', b's', b'm', _, _, 0, 0, ..] => Err(LoadError::CoreModule),
        _ => Err(LoadError::NotWasm),
    }
}

/// Why a component does not load. To be read after the source's name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// More bytes than anybody needs.
    #[error("has {bytes} bytes; a component has at most {}", Self::MOST_BYTES)]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Not WebAssembly at all.
    #[error("is not a WebAssembly component")]
    NotWasm,
    /// WebAssembly without the component around it.
    #[error("is a core WebAssembly module, not a component; build it for `wasm32-wasip2`, or wrap it with `wasm-tools component new`")]
    CoreModule,
    /// The compiler or the linker refuses it; the text says why, cleaned.
    #[error("is not a component that works here: {0}")]
    Invalid(String),
    /// It imports what it was not granted.
    #[error("imports `{interface}`, which needs the grant `{grant}`; {line}")]
    Ungranted {
        /// The import.
        interface: String,
        /// The grant's name, as it is spelled in the configuration.
        grant: &'static str,
        /// What to write, and where.
        line: String,
    },
    /// It imports another version of what is offered.
    #[error("imports `{interface}`, and was built against another version of it than this host offers: flytoken:source 0.1, WASI 0.2")]
    OtherVersion {
        /// The import.
        interface: String,
    },
    /// It was built against another version of the contract.
    #[error("exports `{interface}`, and was built against another version of it than this host knows: flytoken:source 0.1")]
    OtherExport {
        /// The export.
        interface: String,
    },
    /// Compiling it takes more than it may.
    #[error("{0}")]
    TooMuch(#[from] TooMuch),
    /// It imports what no grant can give.
    #[error("imports `{interface}`, which this host does not offer")]
    Unknown {
        /// The import.
        interface: String,
    },
    /// It is no token source.
    #[error("does not export `flytoken:source/source`: {0}")]
    NoSource(String),
    /// It cannot remember, and its role asks for that.
    #[error("does not export `flytoken:source/keeper`, which the role `{role}` needs")]
    NoKeeper {
        /// The role, as it is spelled in the configuration.
        role: &'static str,
    },
}

impl LoadError {
    /// Python and JavaScript components have 12 to 20 MB. A larger file is a mistake or a compile bomb.
    pub const MOST_BYTES: usize = 64 << 20;

    #[expect(clippy::needless_pass_by_value, reason = "it ends here: whoever keeps an error of the engine keeps the engine")]
    pub(super) fn invalid(error: wasmtime::Error) -> Self {
        Self::Invalid(clean(&error))
    }

    fn no_source(error: &wasmtime::Error) -> Self {
        Self::NoSource(clean(error))
    }
}

/// The error's text, which may quote names that the component chose.
fn clean(error: &wasmtime::Error) -> String {
    Censor::default().clean(&format!("{error:#}"), TEXT_BYTES)
}
