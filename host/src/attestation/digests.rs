//! The SHA-256 digests of executables: by the file that a process runs rather than by its path, and once for as long as it does not change.

use std::{
    fs::{File, Metadata},
    io::{self, Read},
    os::unix::fs::MetadataExt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rustix::fs::{AtFlags, StatxFlags, fstatfs, statx};
use sha2::{Digest, Sha256};

use super::{executable::Running, process::Process};
use crate::system::{Clock, SystemClock};

/// The digests of the executables seen last.
#[derive(Debug, Default)]
pub(super) struct Digests {
    /// The newest last.
    known: Mutex<Vec<(State, [u8; 32])>>,
    /// Held while a file is read: a hundred connections of one program read it once, and a hundred programs do not fill the machine's cores.
    reading: Mutex<()>,
}

/// What tells one content of a file from another. The kernel changes the last whenever somebody writes, and nobody else can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    device: (u32, u32),
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Digests {
    /// The digest of what runs, if it is known.
    pub(super) fn known(&self, running: &Running) -> Option<[u8; 32]> {
        self.find(State::of_held(running)?)
    }

    /// The digest of what the process runs, which was found to be `running`. None if it cannot be read, is too long, or changes meanwhile.
    /// May take as long as reading it.
    pub(super) fn of(&self, process: &Process, running: &Running) -> Option<[u8; 32]> {
        let state = State::of_held(running)?;
        if let Some(digest) = self.find(state) {
            return Some(digest);
        }
        let _one = held(&self.reading);
        if let Some(digest) = self.find(state) {
            return Some(digest);
        }
        let file = process.executable_to_read().ok()?;
        // By now the process may run another.
        if State::of_file(&file)? != state || state.size > LONGEST || answers_each_reader_anew(&file) {
            return None;
        }
        let digest = read(&file, state.size).ok()?;
        if State::of_file(&file)? != state {
            return None;
        }
        if state.is_settled() {
            let mut known = held(&self.known);
            if known.len() == MOST_KNOWN {
                known.remove(0);
            }
            known.push((state, digest));
        }
        Some(digest)
    }

    fn find(&self, state: State) -> Option<[u8; 32]> {
        let mut known = held(&self.known);
        let at = known.iter().rposition(|(other, _)| *other == state)?;
        let found = known.remove(at);
        known.push(found);
        Some(found.1)
    }
}

impl State {
    fn of_held(running: &Running) -> Option<Self> {
        let found = statx(&running.file, "", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS).ok()?;
        let time = |time: rustix::fs::StatxTimestamp| (time.tv_sec, i64::from(time.tv_nsec));
        Some(Self {
            device: (found.stx_dev_major, found.stx_dev_minor),
            inode: found.stx_ino,
            size: found.stx_size,
            modified: time(found.stx_mtime),
            changed: time(found.stx_ctime),
        })
    }

    fn of_file(file: &File) -> Option<Self> {
        let found: Metadata = file.metadata().ok()?;
        Some(Self {
            device: (rustix::fs::major(found.dev()), rustix::fs::minor(found.dev())),
            inode: found.ino(),
            size: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        })
    }

    /// Whether it was changed so long ago that one more change would show. Two within the same tick of the kernel's clock look alike.
    fn is_settled(self) -> bool {
        // Files bear the machine's own time.
        let now = i64::try_from(SystemClock::default().now().seconds()).unwrap_or(i64::MAX);
        let quiet = i64::try_from(SETTLES.as_secs()).unwrap_or(i64::MAX);
        now.saturating_sub(self.changed.0) > quiet
    }
}

fn read(mut file: &File, size: u64) -> io::Result<[u8; 32]> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; BUFFER];
    let mut left = size;
    while left > 0 {
        let part = usize::try_from(left).map_or(BUFFER, |left| left.min(BUFFER));
        let count = file.read(&mut buffer[..part])?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        hash.update(&buffer[..count]);
        left -= count as u64;
    }
    Ok(hash.finalize().into())
}

/// Whether somebody's program stands behind the file, which could answer the kernel that runs it otherwise than whoever reads it.
fn answers_each_reader_anew(file: &File) -> bool {
    fstatfs(file).map_or(true, |found| u64::try_from(found.f_type).is_ok_and(|kind| kind == FUSE))
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `FUSE_SUPER_MAGIC`.
const FUSE: u64 = 0x6573_5546;

/// An executable that is longer has no digest: reading it would take many seconds, whenever somebody wants it to.
const LONGEST: u64 = 1 << 30;

/// Digests that are kept. A machine has few programs that ask for tokens; whoever starts one after the other gets no memory for it.
const MOST_KNOWN: usize = 64;

/// Longer than any file system's times are rough.
const SETTLES: Duration = Duration::from_secs(2);

const BUFFER: usize = 128 * 1024;
