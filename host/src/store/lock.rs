//! Locks between processes: `flock` on a private file.

use std::{
    fs::{self, File},
    io::Write,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::fs::FlockOperation;

use super::private::{self, Access, Exposure, PrivateFileError};

/// A lock that this process holds until it drops the value, or ends in whatever way.
///
/// Two locks of one path exclude each other inside one process too. The file stays behind, empty, unless the lock is [discarded](Self::discard).
#[derive(Debug)]
pub struct LockFile {
    path: PathBuf,
    // Closing the descriptor is what unlocks.
    file: File,
}

impl LockFile {
    /// Takes the lock, or tells at once that somebody else holds it.
    ///
    /// # Errors
    /// [`LockError::File`] if the lock's file cannot be opened.
    pub fn try_lock(path: &Path) -> Result<Option<Self>, LockError> {
        loop {
            // Never absent: it is made if it is missing.
            let Some(file) = private::open(path, Access::WriteOrCreate, Exposure::Tighten)? else { return Ok(None) };
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) if is_at(&file, path) => return Ok(Some(Self { path: path.into(), file })),
                // Its last holder discarded the file between our opening and locking it: nobody else would meet us at this one.
                Ok(()) | Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
                Err(cause) => return Err(PrivateFileError::io("lock", path)(cause.into()).into()),
            }
        }
    }

    /// Takes the lock, waiting for its holder as long as `patience` lasts. Blocks the thread.
    ///
    /// # Errors
    /// [`LockError::Busy`] if the holder kept it, [`LockError::File`] as in [`Self::try_lock`].
    pub fn lock_within(path: &Path, patience: Patience) -> Result<Self, LockError> {
        let mut left = patience.limit;
        let mut pause = SHORTEST_PAUSE;
        loop {
            if let Some(lock) = Self::try_lock(path)? {
                return Ok(lock);
            }
            if left.is_zero() {
                return Err(LockError::Busy { path: path.into(), waited: patience.limit });
            }
            let nap = pause.min(left);
            (patience.sleep)(nap);
            left -= nap;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// As [`Self::lock_within`] on the file `name` in `directory`, which is made if it is missing.
    ///
    /// # Errors
    /// As [`Self::lock_within`].
    pub fn lock_in(directory: &Path, name: &str, patience: Patience) -> Result<Self, LockError> {
        private::ensure_directory(directory)?;
        Self::lock_within(&directory.join(name), patience)
    }

    /// Says in the file that this process keeps the lock for long, so that nobody waits for it in vain: see [`Self::is_kept`].
    pub(super) fn say_kept(&self) {
        // Where this fails, on a full disk say, others wait longer than they need to.
        let _ = (&self.file).write_all(format!("{}\n", std::process::id()).as_bytes());
    }

    /// Takes back what a holder said that ended without doing so itself.
    pub(super) fn say_brief(&self) {
        if self.file.metadata().is_ok_and(|metadata| metadata.len() > 0) {
            let _ = self.file.set_len(0);
        }
    }

    /// Whether the lock's holder says that it keeps it for long. Means nothing while nobody holds the lock.
    pub(super) fn is_kept(path: &Path) -> bool {
        fs::symlink_metadata(path).is_ok_and(|metadata| metadata.len() > 0)
    }

    /// Removes the file, then unlocks. For locks whose names come and go, such as one for each app.
    pub fn discard(self) {
        // A file that stays behind does no harm.
        let _ = private::remove_if_there(&self.path);
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(held), Ok(there)) = (file.metadata(), fs::symlink_metadata(path)) else { return false };
    (held.dev(), held.ino()) == (there.dev(), there.ino())
}

/// How long a caller waits for a lock, and how it sleeps meanwhile.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    limit: Duration,
    sleep: fn(Duration),
}

impl Patience {
    /// Waits at most `limit`, blocking the thread.
    pub fn of(limit: Duration) -> Self {
        Self { limit, sleep: std::thread::sleep }
    }

    /// The same way of waiting, for `limit` at most.
    pub(super) fn at_most(self, limit: Duration) -> Self {
        Self { limit: self.limit.min(limit), ..self }
    }

    /// Waits at most `limit`, sleeping in a way of the caller's own.
    pub fn sleeping_by(limit: Duration, sleep: fn(Duration)) -> Self {
        Self { limit, sleep }
    }
}

/// Why a lock was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Another process, or another part of this one, holds it.
    #[error("another process still holds `{path}` after {waited:?}", path = path.display())]
    Busy {
        /// The lock's file.
        path: PathBuf,
        /// How long it was waited for.
        waited: Duration,
    },
    /// Its file cannot be used.
    #[error(transparent)]
    File(#[from] PrivateFileError),
}

/// The first pause between two tries: a read or a write takes about as long.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
/// The longest pause, so that a lock that comes free is not left idle.
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn a_held_lock_is_refused_until_it_is_dropped() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("lock");
        let held = LockFile::try_lock(&path).unwrap().unwrap();
        assert!(LockFile::try_lock(&path).unwrap().is_none());
        drop(held);
        let again = LockFile::try_lock(&path).unwrap().unwrap();
        again.discard();
        assert!(!path.exists());
        assert!(LockFile::try_lock(&path).unwrap().is_some());
    }

    #[test]
    fn a_holder_can_say_that_it_keeps_the_lock_and_the_next_one_takes_that_back() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("lock");
        let held = LockFile::try_lock(&path).unwrap().unwrap();
        assert!(!LockFile::is_kept(&path));
        held.say_kept();
        assert!(LockFile::is_kept(&path));
        // As after `kill -9`: nobody took it back.
        drop(held);
        LockFile::try_lock(&path).unwrap().unwrap().say_brief();
        assert!(!LockFile::is_kept(&path));
    }

    #[test]
    fn waiting_ends_when_patience_does() {
        static SLEPT: AtomicU64 = AtomicU64::new(0);
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("lock");
        let _held = LockFile::try_lock(&path).unwrap().unwrap();
        let patience = Patience::sleeping_by(Duration::from_secs(3), |nap| {
            SLEPT.fetch_add(u64::try_from(nap.as_millis()).unwrap(), Ordering::Relaxed);
        });
        assert!(matches!(LockFile::lock_within(&path, patience), Err(LockError::Busy { .. })));
        assert_eq!(SLEPT.load(Ordering::Relaxed), 3000);
    }

    #[test]
    fn a_lock_is_held_by_one_at_a_time_even_if_each_discards_it() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("lock");
        let (inside, most) = (AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let patience = Patience::sleeping_by(Duration::from_mins(10), |_| std::thread::yield_now());
                        let lock = LockFile::lock_within(&path, patience).unwrap();
                        most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        inside.fetch_sub(1, Ordering::SeqCst);
                        lock.discard();
                    }
                });
            }
        });
        assert_eq!(most.load(Ordering::SeqCst), 1);
    }
}
