//! Compiling strangers' components in a process of its own, which ends if that takes too much.
//!
//! Nothing of a component in a file is parsed here before a child of this same binary has parsed, checked and compiled it within
//! [`CompileLimits`]. What the child compiled it puts into the cache, where this process finds it; machine code comes from the cache
//! directory alone, which is the user's own. That it went well is written down beside it, so that the next start needs no child; if the
//! compiled code is not there any more, or no directory can be used, this process compiles once more what is known to stay within bounds:
//! compiling the same bytes takes the same each time.

mod child;

use std::{
    collections::HashMap,
    fs::{self, DirBuilder},
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, Read, Write},
    os::unix::{
        fs::DirBuilderExt,
        process::{CommandExt, ExitStatusExt},
    },
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Mutex, PoisonError},
    thread,
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec},
    io::Errno,
    process::Signal,
};
use sha2::{Digest, Sha256};
use tokio::time::Instant;
use wasmtime::Engine;

pub use child::{COMPILE, main};

use super::{
    component::{LoadError, check_bytes},
    text::{Censor, TEXT_BYTES},
};
use crate::{
    command::supervisor,
    config::{DurationText, SizeText, SourceName},
    hex,
    system::Environment,
};

/// How much compiling one component may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompileLimits {
    /// Time on all processors together, in whole seconds.
    pub processor: Duration,
    /// Time that passes.
    pub wall: Duration,
    /// Address space of the process that compiles, in bytes.
    pub memory: u64,
}

impl Default for CompileLimits {
    /// The largest there are, of 18 MB with Python's interpreter in them, take 10 s of a processor's time and 600 MiB.
    fn default() -> Self {
        Self { processor: Duration::from_mins(1), wall: Duration::from_mins(2), memory: 1536 << 20 }
    }
}

impl CompileLimits {
    /// The limits. In a debug build, and only there, the variable `FLYTOKEN_TEST_COMPILE` holds others: seconds of processor time,
    /// milliseconds that pass, and MiB. A release build does not know the variable.
    pub fn new(environment: &Environment) -> Self {
        let ordered = environment.text("FLYTOKEN_TEST_COMPILE").filter(|_| cfg!(debug_assertions)).and_then(|text| {
            let mut numbers = text.split(' ').map(str::parse::<u64>);
            let mut number = || numbers.next()?.ok();
            let (processor, wall, memory) = (Duration::from_secs(number()?), Duration::from_millis(number()?), number()? << 20);
            Some(Self { processor, wall, memory })
        });
        ordered.unwrap_or_default()
    }
}

/// Compiling took more than it may.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TooMuch {
    /// Too long.
    #[error("takes more than {} to compile, and was given up", DurationText(*.0))]
    Time(Duration),
    /// More than the address space it has.
    #[error("takes more than {} of memory to compile, and was given up", SizeText(*.0))]
    Memory(u64),
    /// The compiler broke down over it.
    #[error("cannot be compiled: the compiler was ended by {0}")]
    Broke(String),
    /// There is no process to compile in.
    #[error("cannot be compiled: no process can be started for it: {0}")]
    NoProcess(String),
}

/// Sees to it that nothing strange is compiled in this process that was not compiled within bounds before.
pub(super) struct Compiler {
    cache: Option<PathBuf>,
    limits: CompileLimits,
    /// Told of what takes longer than a moment.
    slow: Slow,
    /// What code for another engine could be mistaken for this one's.
    engine: u64,
    /// What went past the limits since this process began, by digest: it would do so again.
    refused: Mutex<HashMap<[u8; 32], TooMuch>>,
}

type Slow = Box<dyn Fn(&SourceName) + Send + Sync>;

impl Compiler {
    /// With a directory for compiled code, if there is one that can be used.
    pub(super) fn new(engine: &Engine, cache: Option<&Path>, limits: CompileLimits, slow: Slow) -> Self {
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Self { cache: cache.map(Path::to_owned), limits, slow, engine: hasher.finish(), refused: Mutex::default() }
    }

    /// Has `bytes` compiled within bounds, unless that was done before.
    pub(super) fn prove(&self, source: &SourceName, bytes: &[u8]) -> Result<(), LoadError> {
        check_bytes(bytes)?;
        let digest: [u8; 32] = Sha256::digest(bytes).into();
        let proof = self.cache.as_deref().map(|cache| cache.join(PROOFS).join(format!("{}-{:016x}", hex::encode(&digest), self.engine)));
        if proof.as_deref().is_some_and(Path::is_file) {
            return Ok(());
        }
        if let Some(refused) = self.refused().get(&digest) {
            return Err(refused.clone().into());
        }
        let compiled = self.compile(source, bytes);
        match (&compiled, proof) {
            (Ok(()), Some(proof)) => {
                // What cannot be written down is found out again at the next start.
                let folder = proof.parent().unwrap_or(&proof);
                let _ = DirBuilder::new().recursive(true).mode(0o700).create(folder).and_then(|()| fs::write(&proof, b""));
            }
            (Err(LoadError::TooMuch(refused @ (TooMuch::Time(_) | TooMuch::Memory(_) | TooMuch::Broke(_)))), _) => {
                let mut all = self.refused();
                if all.len() >= MOST_REFUSED {
                    all.clear();
                }
                all.insert(digest, refused.clone());
            }
            _ => {}
        }
        compiled
    }

    fn refused(&self) -> std::sync::MutexGuard<'_, HashMap<[u8; 32], TooMuch>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn compile(&self, source: &SourceName, bytes: &[u8]) -> Result<(), LoadError> {
        let no_process = |error: io::Error| TooMuch::NoProcess(error.to_string());
        let begun = Instant::now();
        let mut child = self.start().map_err(no_process)?;
        let input = child.stdin.take();
        let (said, ended) = thread::scope(|scope| {
            // A child that is ended reads no more, and this ends with an error that says nothing new.
            scope.spawn(move || {
                input.map(|mut input| input.write_all(&(bytes.len() as u64).to_le_bytes()).and_then(|()| input.write_all(bytes)))
            });
            let said = self.listen(&mut child, source, begun);
            if said.is_err() {
                let _ = child.kill();
            }
            (said, child.wait())
        });
        let (said, status) = (said?, ended.map_err(no_process)?);
        match status.code() {
            Some(0) => Ok(()),
            Some(code) if code == i32::from(child::REFUSED) => Err(LoadError::Invalid(Censor::default().clean(&said, TEXT_BYTES))),
            _ => Err(self.what_ended(status, &said).into()),
        }
    }

    fn start(&self) -> io::Result<Child> {
        let mut command = Command::new(supervisor::this_program()?);
        command.arg0("flytoken").arg(COMPILE).args([self.limits.processor.as_secs().to_string(), self.limits.memory.to_string()]);
        command.args(&self.cache).env_clear().current_dir("/");
        // The compiler's threads each take address space; more of them than this save no time worth it.
        command.env("RAYON_NUM_THREADS", thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS).to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()
    }

    /// What the child says until it ends, which is nothing if all is well.
    fn listen(&self, child: &mut Child, source: &SourceName, begun: Instant) -> Result<String, TooMuch> {
        let Some(mut output) = child.stdout.take() else { return Ok(String::new()) };
        let (mut text, mut buffer, mut is_slow) = (Vec::new(), [0; 512], false);
        loop {
            let passed = begun.elapsed();
            let Some(left) = self.limits.wall.checked_sub(passed).filter(|left| !left.is_zero()) else {
                return Err(TooMuch::Time(self.limits.wall));
            };
            let left = if is_slow { left } else { left.min(SLOW.saturating_sub(passed)) };
            let timeout = Timespec { tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX), tv_nsec: left.subsec_nanos().into() };
            match rustix::event::poll(&mut [PollFd::new(&output, PollFlags::IN)], Some(&timeout)) {
                Ok(0) if !is_slow && begun.elapsed() >= SLOW => {
                    is_slow = true;
                    (self.slow)(source);
                }
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => match output.read(&mut buffer) {
                    Ok(0) => return Ok(String::from_utf8_lossy(&text).into_owned()),
                    Ok(count) => {
                        let room = TEXT_BYTES.saturating_sub(text.len());
                        text.extend_from_slice(&buffer[..count.min(room)]);
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(TooMuch::NoProcess(error.to_string())),
                },
                Err(error) => return Err(TooMuch::NoProcess(error.to_string())),
            }
        }
    }

    /// Why a child ended that did not say so.
    fn what_ended(&self, status: ExitStatus, said: &str) -> TooMuch {
        let is = |signal: Signal| status.signal() == Some(signal.as_raw());
        if is(Signal::XCPU) || is(Signal::KILL) {
            TooMuch::Time(self.limits.processor)
        } else if is(Signal::ABORT) || status.code() == Some(child::NO_MEMORY.into()) {
            // Rust's own way to go where there is no memory.
            TooMuch::Memory(self.limits.memory)
        } else if said.is_empty() {
            TooMuch::Broke(status.to_string())
        } else {
            TooMuch::Broke(Censor::default().clean(said, TEXT_BYTES))
        }
    }
}

/// Where it is written down, below the cache directory, what was compiled within bounds.
const PROOFS: &str = "within-bounds";

/// After this long somebody who waits wants to know what for.
const SLOW: Duration = Duration::from_secs(1);

/// More are not remembered: a file that changes without pause must not fill the memory.
const MOST_REFUSED: usize = 64;

/// Threads that compile.
const MOST_THREADS: usize = 4;
