//! A disk that fails when a test says so.

use std::{
    io,
    ops::Bound,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use redb::{BackendError, StorageBackend, backends::FileBackend};

use super::super::file::Layer;

/// How the disk fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Neither a write nor a longer file is taken: the disk is full.
    Full,
    /// Half of a write arrives, then the disk is full.
    ShortWrite,
    /// A sync fails.
    Sync,
    /// Nothing can be changed, and nothing can be read.
    Gone,
}

/// Counts down to a fault. One for all files that a layer was put under.
#[derive(Debug)]
pub(super) struct Disk {
    fault: Fault,
    /// Calls that still work before the fault; negative once it has struck.
    left: AtomicI64,
    /// Whether it stays broken until it is mended.
    stays: bool,
}

impl Disk {
    /// A disk that works.
    pub(super) fn new(fault: Fault, stays: bool) -> Arc<Self> {
        Arc::new(Self { fault, left: AtomicI64::new(i64::MAX), stays })
    }

    /// Lets `calls` more calls of the kind that fails work.
    pub(super) fn fail_after(&self, calls: i64) {
        self.left.store(calls, Ordering::SeqCst);
    }

    /// Makes it work again.
    pub(super) fn mend(&self) {
        self.left.store(i64::MAX, Ordering::SeqCst);
    }

    /// Whether the fault has struck.
    pub(super) fn has_failed(&self) -> bool {
        self.left.load(Ordering::SeqCst) < 0
    }

    /// The layer to put under a store.
    pub(super) fn layer(self: &Arc<Self>) -> Layer {
        let disk = Arc::clone(self);
        Arc::new(move |file| Box::new(Faulty { disk: Arc::clone(&disk), file }))
    }

    fn strikes(&self) -> bool {
        let before = self.left.fetch_sub(1, Ordering::SeqCst);
        before == 0 || (self.stays && before < 0)
    }
}

#[derive(Debug)]
struct Faulty {
    disk: Arc<Disk>,
    file: FileBackend,
}

impl Faulty {
    fn fails(&self, faults: &[Fault]) -> bool {
        faults.contains(&self.disk.fault) && self.disk.strikes()
    }
}

fn full() -> io::Error {
    io::ErrorKind::StorageFull.into()
}

impl StorageBackend for Faulty {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if self.fails(&[Fault::Gone]) {
            return Err(io::Error::other("the disk is gone"));
        }
        self.file.read(offset, out)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        if self.fails(&[Fault::Full, Fault::ShortWrite, Fault::Gone]) {
            return Err(full());
        }
        self.file.set_len(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        if self.fails(&[Fault::Sync, Fault::Gone]) {
            return Err(io::Error::other("the sync failed"));
        }
        // A real sync would add nothing that a test can see, and take most of its time.
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        if self.fails(&[Fault::Full, Fault::ShortWrite, Fault::Gone]) {
            if self.disk.fault == Fault::ShortWrite {
                self.file.write(offset, &data[..data.len() / 2])?;
            }
            return Err(full());
        }
        self.file.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }
}
