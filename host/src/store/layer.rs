//! What stands between the store and the disk: nothing, but for tests, which put a disk there that fails.

use std::{io, ops::Bound, path::Path, sync::Arc};

use redb::{BackendError, StorageBackend, backends::FileBackend};

/// What stands between the store and the disk.
pub(super) trait Layer: Send + Sync {
    /// Asked before the store itself changes something; what redb writes goes through [`Self::over`].
    fn permit(&self, change: Change, path: &Path) -> io::Result<()>;

    /// What redb uses in the place of this file.
    fn over(&self, file: FileBackend) -> Box<dyn StorageBackend>;
}

/// What the store does to a database's file, or to the one beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Opens its lock, which is made if it is missing.
    Lock,
    /// Opens it for writing.
    Open,
    /// Makes one under another name.
    Make,
    /// Writes it anew under another name, syncs that and renames it.
    Replace,
    /// Renames it.
    Rename,
}

/// The layer that does nothing.
pub(super) fn no_layer() -> Arc<dyn Layer> {
    Arc::new(Nothing)
}

struct Nothing;

impl Layer for Nothing {
    fn permit(&self, _: Change, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn over(&self, file: FileBackend) -> Box<dyn StorageBackend> {
        Box::new(file)
    }
}

/// Lets redb, which wants a type, take any layer.
#[derive(Debug)]
pub(super) struct Boxed(pub(super) Box<dyn StorageBackend>);

impl StorageBackend for Boxed {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.0.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.query_lock_range(start, end)
    }
}
