//! A disk that fails when a test says so.

use std::{
    fs, io,
    ops::Bound,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use redb::{BackendError, StorageBackend, backends::FileBackend};

use super::super::{
    layer::{Change, Layer},
    private::temporary_beside,
};

/// How the disk fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Neither a write nor a longer file is taken: the disk is full.
    Full,
    /// Half of a write arrives, then the disk is full.
    ShortWrite,
    /// A sync fails.
    Sync,
    /// The system has mounted it anew, to be read only: nothing can be changed or opened for writing, files open already included.
    ReadOnly,
    /// Nothing can be changed, and nothing can be read.
    Gone,
}

impl Fault {
    /// Whether this call is one that fails.
    fn concerns(self, call: Call) -> bool {
        match self {
            Self::Gone => true,
            Self::ReadOnly => call != Call::Read,
            Self::Full | Self::ShortWrite => {
                matches!(call, Call::Write | Call::Longer | Call::Store(Change::Make | Change::Replace))
            }
            Self::Sync => matches!(call, Call::Sync | Call::Store(Change::Replace)),
        }
    }

    fn error(self) -> io::Error {
        match self {
            Self::Full | Self::ShortWrite => io::ErrorKind::StorageFull.into(),
            Self::Sync => io::Error::other("the sync failed"),
            Self::ReadOnly => rustix::io::Errno::ROFS.into(),
            Self::Gone => io::Error::other("the disk is gone"),
        }
    }
}

/// What is asked of the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    Read,
    Write,
    Longer,
    Sync,
    Store(Change),
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
    pub(super) fn layer(self: &Arc<Self>) -> Arc<dyn Layer> {
        Arc::new(OnDisk(Arc::clone(self)))
    }

    fn call(&self, call: Call) -> io::Result<()> {
        if !self.fault.concerns(call) {
            return Ok(());
        }
        let before = self.left.fetch_sub(1, Ordering::SeqCst);
        if before == 0 || (self.stays && before < 0) { Err(self.fault.error()) } else { Ok(()) }
    }
}

struct OnDisk(Arc<Disk>);

impl Layer for OnDisk {
    fn permit(&self, change: Change, path: &Path) -> io::Result<()> {
        let permitted = self.0.call(Call::Store(change));
        if permitted.is_err() && self.0.fault == Fault::ShortWrite {
            fs::write(temporary_beside(path), "half a database")?;
        }
        permitted
    }

    fn over(&self, file: FileBackend) -> Box<dyn StorageBackend> {
        Box::new(Faulty { disk: Arc::clone(&self.0), file })
    }
}

#[derive(Debug)]
struct Faulty {
    disk: Arc<Disk>,
    file: FileBackend,
}

impl StorageBackend for Faulty {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.disk.call(Call::Read)?;
        self.file.read(offset, out)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.disk.call(Call::Longer)?;
        self.file.set_len(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        // A real sync would add nothing that a test can see, and take most of its time.
        self.disk.call(Call::Sync)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let taken = self.disk.call(Call::Write);
        if taken.is_err() && self.disk.fault == Fault::ShortWrite {
            self.file.write(offset, &data[..data.len() / 2])?;
        }
        taken.and_then(|()| self.file.write(offset, data))
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
