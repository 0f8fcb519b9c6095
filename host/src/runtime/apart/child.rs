//! The process that compiles one component: this same binary, called with a hidden argument.
//!
//! The component comes over standard input, its length first. The process has bounds that it cannot lift, ends with the process that
//! started it, and says on standard output why the component cannot be used, if so.

use std::{
    ffi::OsString,
    io::{self, Read, Write},
    path::Path,
    process::ExitCode,
};

use rustix::process::{Resource, Rlimit};
use wasmtime::component::Component;

use crate::{
    confine::{self, Reach},
    runtime::{component::LoadError, engine},
};

/// The first argument that makes this binary a compiler. `main` looks for it before anything else.
pub const COMPILE: &str = "__compile";

/// Compiles what comes over standard input. `arguments` are those behind [`COMPILE`]: seconds of processor time, bytes of address space,
/// and the cache directory if there is one. Fails if they are not, as when a person types the hidden argument.
pub fn main(arguments: &[OsString]) -> ExitCode {
    let number = |index: usize| arguments.get(index).and_then(|text| text.to_str()?.parse::<u64>().ok());
    let (Some(seconds), Some(memory)) = (number(0), number(1)) else { return ExitCode::FAILURE };
    let cache = arguments.get(2).map(Path::new);
    if contain_this_process(seconds, memory, cache).is_err() {
        return ExitCode::FAILURE;
    }
    match component().and_then(|bytes| compile(&bytes, cache)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed::Said(text)) => {
            let _ = io::stdout().write_all(text.as_bytes());
            ExitCode::from(REFUSED)
        }
        Err(Failed::Memory) => ExitCode::from(NO_MEMORY),
        Err(Failed::Input) => ExitCode::FAILURE,
    }
}

enum Failed {
    /// What came is not what was announced: whoever started this process is gone.
    Input,
    /// There is no memory for the code.
    Memory,
    /// What the compiler says.
    Said(String),
}

fn contain_this_process(seconds: u64, memory: u64, cache: Option<&Path>) -> io::Result<()> {
    let limit = |resource, most| rustix::process::setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) });
    limit(Resource::Core, 0)?;
    limit(Resource::Cpu, seconds)?;
    limit(Resource::As, memory)?;
    // Whoever waits for a token is served first.
    let _ = rustix::process::nice(NICE);
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    // A component that gets the better of the compiler sees no more than other components' code. Threads come later, and inherit this.
    let folders: Vec<&Path> = cache.into_iter().collect();
    confine::this_thread(Reach::SeesOnly, &folders)
}

fn component() -> Result<Vec<u8>, Failed> {
    let (mut input, mut length) = (io::stdin().lock(), [0; 8]);
    input.read_exact(&mut length).map_err(|_| Failed::Input)?;
    let length = usize::try_from(u64::from_le_bytes(length)).ok().filter(|length| *length <= LoadError::MOST_BYTES).ok_or(Failed::Input)?;
    let mut bytes = vec![0; length];
    input.read_exact(&mut bytes).map_err(|_| Failed::Input)?;
    Ok(bytes)
}

fn compile(bytes: &[u8], cache: Option<&Path>) -> Result<(), Failed> {
    let engine = engine::compiling(cache).map_err(|error| Failed::Said(format!("{error:#}")))?;
    Component::new(&engine, bytes).map(drop).map_err(|error| {
        let out_of_memory = error.chain().any(|cause| {
            cause.downcast_ref::<rustix::io::Errno>() == Some(&rustix::io::Errno::NOMEM)
                || cause.downcast_ref::<io::Error>().is_some_and(|cause| cause.kind() == io::ErrorKind::OutOfMemory)
        });
        if out_of_memory { Failed::Memory } else { Failed::Said(format!("{error:#}")) }
    })
}

/// How it ends if the component cannot be used, and says why.
pub(super) const REFUSED: u8 = 3;

/// How it ends if there is no memory for the code.
pub(super) const NO_MEMORY: u8 = 4;

/// How much others go first.
const NICE: i32 = 5;
