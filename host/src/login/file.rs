//! Reading `flyctl`'s file while `flyctl` may be rewriting it.
//!
//! `flyctl` truncates and writes in place, under an exclusive `flock(2)` of a file beside it. We take the shared lock for the
//! milliseconds that reading takes: held for a second it would make `flyctl` commands fail. Nothing is ever created or written.

use std::{
    fs::{File, Metadata},
    io::{self, Read, Seek},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustix::{
    fs::{FlockOperation, Mode, OFlags, flock, open},
    io::Errno,
};
use zeroize::Zeroizing;

use crate::time::Timestamp;

/// What came of reading a file.
pub(super) struct Reading {
    /// None if there is no such file.
    pub(super) content: Option<Content>,
    pub(super) writer: Writer,
}

/// What a file held, wiped when dropped.
pub(super) struct Content {
    /// At most [`MAX_SIZE`] bytes.
    pub(super) bytes: Zeroizing<Vec<u8>>,
    /// When the file was last written, by its own word.
    pub(super) modified: Option<Timestamp>,
}

/// Whether somebody may have been writing while the file was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writer {
    /// Nobody who takes the lock.
    Absent,
    /// Somebody had the lock all the while.
    Busy,
    /// Nobody can tell: there is no taking the lock here.
    Unknown,
}

/// Reads `path`, under a shared lock of `lock` if that exists.
///
/// Waits for a writer, but no longer than [`PATIENCE`]: then a writer is stuck, and a reading that may be disturbed is better than none.
///
/// # Errors
/// The file cannot be read, is no regular file, or is larger than [`MAX_SIZE`].
pub(super) fn read(path: &Path, lock: Option<&Path>) -> Result<Reading, FileError> {
    let lock = lock.map_or(Lock::NotNeeded, Lock::share);
    let content = read_unlocked(path);
    let writer = lock.release();
    Ok(Reading { content: content?, writer })
}

/// When the nearest existing directory above a missing `path` last changed: the path is missing at least since then.
pub(super) fn missing_since(path: &Path) -> Option<Timestamp> {
    path.ancestors().skip(1).find_map(|directory| std::fs::metadata(directory).ok()).and_then(|metadata| modified(&metadata))
}

fn read_unlocked(path: &Path) -> Result<Option<Content>, FileError> {
    let unreadable = |cause: io::Error| FileError::Unreadable { path: path.to_owned(), cause };
    let mut file = match open_to_read(path) {
        Ok(descriptor) => File::from(descriptor),
        Err(Errno::NOENT) => return Ok(None),
        Err(cause) => return Err(unreadable(cause.into())),
    };
    for _ in 0..ATTEMPTS {
        let metadata = file.metadata().map_err(unreadable)?;
        if !metadata.is_file() {
            return Err(FileError::NotAFile { path: path.to_owned() });
        }
        let size = usize::try_from(metadata.len()).ok().filter(|size| *size <= MAX_SIZE);
        let Some(size) = size else { return Err(FileError::TooLarge { path: path.to_owned() }) };
        // One byte more than the file has, so that a full buffer tells that it grew. A vector that grows leaves copies behind.
        let mut bytes = Zeroizing::new(vec![0; size + 1]);
        let read = fill(&mut file, &mut bytes).map_err(unreadable)?;
        if read <= size {
            bytes.truncate(read);
            return Ok(Some(Content { bytes, modified: modified(&metadata) }));
        }
        file.rewind().map_err(unreadable)?;
    }
    Err(FileError::Growing { path: path.to_owned() })
}

fn fill(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) => return Err(cause),
        }
    }
    Ok(filled)
}

/// Without `NONBLOCK` a named pipe in the file's place would hold us for good.
fn open_to_read(path: &Path) -> Result<OwnedFd, Errno> {
    open(path, OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK, Mode::empty())
}

fn modified(metadata: &Metadata) -> Option<Timestamp> {
    let since = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH).duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since.as_millis()).ok().map(Timestamp::from_millis)
}

/// What came of asking for the lock.
enum Lock {
    /// Nobody writes under a lock: `flyctl` makes the lock file before it first writes, and never removes it.
    NotNeeded,
    /// It is ours, shared.
    Shared(OwnedFd),
    /// A writer kept it.
    Busy,
    /// The file system has no locks, or the lock file is not ours to open.
    Unavailable,
}

impl Lock {
    fn share(path: &Path) -> Self {
        let descriptor = match open_to_read(path) {
            Ok(descriptor) => descriptor,
            Err(Errno::NOENT) => return Self::NotNeeded,
            Err(_) => return Self::Unavailable,
        };
        for _ in 0..PATIENCE.as_millis() / PAUSE.as_millis() {
            match flock(&descriptor, FlockOperation::NonBlockingLockShared) {
                Ok(()) => return Self::Shared(descriptor),
                Err(Errno::WOULDBLOCK | Errno::INTR) => thread::sleep(PAUSE),
                Err(_) => return Self::Unavailable,
            }
        }
        Self::Busy
    }

    /// Whether a writer may have disturbed what was read until now.
    fn release(self) -> Writer {
        match self {
            Self::NotNeeded => Writer::Absent,
            Self::Shared(descriptor) => {
                // Closing is not enough: a child that is being started shares the open file, and with it the lock, until it is replaced.
                // If this fails the close that follows does what can be done.
                let _ = flock(&descriptor, FlockOperation::Unlock);
                Writer::Absent
            }
            Self::Busy => Writer::Busy,
            Self::Unavailable => Writer::Unknown,
        }
    }
}

/// Why a file could not be read. No text of the file is in it.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    /// The operating system refused.
    #[error("cannot read `{}`: {cause}", path.display())]
    Unreadable { path: PathBuf, cause: io::Error },
    /// A directory, a pipe, a device.
    #[error("`{}` is not a regular file", path.display())]
    NotAFile { path: PathBuf },
    /// More than anybody's login.
    #[error("`{}` is larger than {} KiB, which no file of flyctl's is", path.display(), MAX_SIZE / 1024)]
    TooLarge { path: PathBuf },
    /// Somebody wrote faster than we read.
    #[error("`{}` grew while it was read", path.display())]
    Growing { path: PathBuf },
}

/// A file in the login's place may not make the host allocate more than this. A real one has a few KiB.
pub(super) const MAX_SIZE: usize = 1024 * 1024;

/// How long a writer is waited for; `flyctl` holds its lock for one write of a few KiB.
const PATIENCE: Duration = Duration::from_millis(200);

/// Time between two tries for the lock.
const PAUSE: Duration = Duration::from_millis(10);

/// Readings before a growing file is given up.
const ATTEMPTS: usize = 3;

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn home() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let (file, lock) = (directory.path().join("config.yml"), directory.path().join("flyctl.config.lock"));
        (directory, file, lock)
    }

    #[test]
    fn a_missing_file_is_none_and_nothing_is_created() {
        let (directory, file, lock) = home();
        assert!(read(&file, Some(&lock)).unwrap().content.is_none());
        assert!(read(&directory.path().join("none/config.yml"), Some(&lock)).unwrap().content.is_none());
        assert!(missing_since(&directory.path().join("none/config.yml")).is_some());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_lock_is_shared_for_the_reading_alone() {
        let (_directory, file, lock) = home();
        fs::write(&file, "access_token: fo1_canary\n").unwrap();
        fs::write(&lock, "").unwrap();
        let other_reader = File::open(&lock).unwrap();
        flock(&other_reader, FlockOperation::NonBlockingLockShared).unwrap();
        assert_eq!(read(&file, Some(&lock)).unwrap().writer, Writer::Absent);
        flock(&other_reader, FlockOperation::Unlock).unwrap();
        flock(&other_reader, FlockOperation::NonBlockingLockExclusive).unwrap();
    }

    #[test]
    fn a_stuck_writer_is_waited_for_and_then_read_past() {
        let (_directory, file, lock) = home();
        fs::write(&file, "access_token: fo1_canary\n").unwrap();
        let writer = File::create(&lock).unwrap();
        flock(&writer, FlockOperation::NonBlockingLockExclusive).unwrap();
        let reading = read(&file, Some(&lock)).unwrap();
        assert_eq!(reading.writer, Writer::Busy);
        assert_eq!(&reading.content.unwrap().bytes[..], b"access_token: fo1_canary\n");
    }

    #[test]
    fn a_lock_that_cannot_be_taken_says_nothing_about_writers() {
        let (_directory, file, lock) = home();
        fs::write(&file, "access_token: fo1_canary\n").unwrap();
        std::os::unix::fs::symlink(&lock, &lock).unwrap();
        assert_eq!(read(&file, Some(&lock)).unwrap().writer, Writer::Unknown);
    }

    #[test]
    fn what_is_no_small_regular_file_is_a_problem_that_names_it() {
        let (directory, file, _lock) = home();
        fs::create_dir(&file).unwrap();
        let pipe = directory.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let large = directory.path().join("large");
        fs::write(&large, vec![b'#'; 2 * MAX_SIZE]).unwrap();
        let through = large.join("config.yml");
        for (path, expected) in
            [(file, "is not a regular file"), (pipe, "is not a regular file"), (large, "is larger than 1024 KiB"), (through, "cannot read")]
        {
            let error = read(&path, None).map(|_| ()).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains(path.to_str().unwrap()), "{error}");
        }
    }
}
