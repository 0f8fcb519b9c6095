//! What is kept on disk: two databases of sealed records, the key that seals them, and locks between processes.
//!
//! Records are bytes here; what they mean is their owners' business. Each is sealed with its database, table and name, so that none can be
//! read, changed or put in another's place by somebody without the key. Names are not secret.

mod connection;
mod database;
mod error;
mod file;
mod key_error;
mod key_place;
mod keyring;
mod layer;
mod lock;
mod private;
mod seal;
mod table;
mod transaction;

#[cfg(test)]
mod tests;

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use zeroize::Zeroizing;

use self::private::Exposure;
pub(crate) use self::private::{ensure_directory, replace};
use self::{
    connection::{Connection, DatabaseName, Notices},
    error::Trouble,
    file::{Check, DatabaseFile, OpenDatabase, in_memory},
    layer::{Layer, no_layer},
    seal::Sealer,
};
pub use self::{
    database::Database,
    error::{Notice, StoreError},
    key_error::KeyError,
    key_place::{FoundKey, KeySearch},
    keyring::{Keyring, SystemKeyring},
    lock::{LockError, LockFile, Patience},
    private::PrivateFileError,
    seal::{KEY_LENGTH, Purpose, SealingKey},
    table::Table,
    transaction::{Bytes, Change, LONGEST_NAME, LONGEST_RECORD, Transaction},
};
use crate::system::Clock;

/// The text of a small file of this user's that is itself a secret, or tells that there is none.
///
/// # Errors
/// [`PrivateFileError`] if it is not the user's own regular file, others may read it, or it has more than `most` bytes.
pub(crate) fn private_text(path: &Path, most: u64) -> Result<Option<zeroize::Zeroizing<Vec<u8>>>, PrivateFileError> {
    private::read(path, most, Exposure::Refuse)
}

pub(crate) use self::private::replace as replace_private;

/// The two databases of a state directory. `Send` and `Sync`; every call may block.
pub struct Store {
    cache: Database,
    kept: Database,
    key: Arc<SealingKey>,
    durable: bool,
    notices: Notices,
}

/// How long a process has the databases for itself. Each waits for another process's hold to end as long as its patience lasts.
#[derive(Debug, Clone, Copy)]
pub enum Hold {
    /// From opening to the end: the agent.
    Held(Patience),
    /// Around each read and each write: a command without an agent.
    PerOperation(Patience),
}

impl Store {
    /// Opens the databases in `directory`, which is made if it is missing.
    ///
    /// The files are made at their first use, and what is wrong with one of them shows then, so that a damaged `kept` does not keep anybody
    /// from using `cache`: ask [`Database::check`] to know at once. A damaged one that the user moves aside needs no new store.
    ///
    /// # Errors
    /// [`StoreError::Busy`] if the databases are to be held and somebody else has them; [`StoreError::File`] if the directory cannot serve.
    pub fn open(directory: &Path, key: impl Into<Arc<SealingKey>>, hold: Hold, clock: &Arc<dyn Clock>) -> Result<Self, StoreError> {
        Self::open_through(directory, key, hold, clock, &no_layer())
    }

    /// A store in memory that begins with what lies in `directory`: for a process that may read there and not write.
    ///
    /// # Errors
    /// What is wrong with a `kept` that can be read; one that cannot be read at all is none.
    pub fn copied(directory: &Path, key: impl Into<Arc<SealingKey>>, clock: &Arc<dyn Clock>) -> Result<Self, StoreError> {
        Self::copied_through(directory, key, clock, &no_layer())
    }

    /// [`Self::copied`] with a layer between the database code and the files.
    fn copied_through(
        directory: &Path,
        key: impl Into<Arc<SealingKey>>,
        clock: &Arc<dyn Clock>,
        layer: &Arc<dyn Layer>,
    ) -> Result<Self, StoreError> {
        let key = key.into();
        Self::in_memory(Arc::clone(&key), clock, |name| {
            let file = DatabaseFile::new(directory, name, &key, layer);
            match file.open_copy(Check::Pages) {
                Err(trouble) if name == DatabaseName::Kept && !matches!(trouble, Trouble::Io(_) | Trouble::File(_)) => {
                    Err(trouble.into_error("read", &file.path))
                }
                copied => Ok(copied.ok().flatten()),
            }
        })
    }

    /// A store in memory under a key nobody else has: for a process without a writable home.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the database code fails even there, which nobody has seen yet.
    pub fn memory(clock: &Arc<dyn Clock>) -> Result<Self, StoreError> {
        Self::in_memory(Arc::new(SealingKey::random()), clock, |_| Ok(None))
    }

    /// What may be thrown away, since it can be obtained again: leases of earlier runs.
    pub fn cache(&self) -> &Database {
        &self.cache
    }

    /// What may not: manual tokens, tombstones, who is logged in, the ledger of mints.
    pub fn kept(&self) -> &Database {
        &self.kept
    }

    /// Whether what is written outlives the process.
    pub fn is_durable(&self) -> bool {
        self.durable
    }

    /// The key for another purpose than sealing records, such as fingerprints. The same in every process that shares the state directory.
    pub fn derive(&self, purpose: Purpose) -> Zeroizing<[u8; KEY_LENGTH]> {
        self.key.derive(purpose)
    }

    /// What the store did on its own and the user should hear of; the log has it too.
    pub fn notices(&self) -> Vec<Notice> {
        self.notices.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A store in memory, of databases that `begin_with` has opened there; an empty one where it has none.
    fn in_memory(
        key: Arc<SealingKey>,
        clock: &Arc<dyn Clock>,
        begin_with: impl Fn(DatabaseName) -> Result<Option<OpenDatabase>, StoreError>,
    ) -> Result<Self, StoreError> {
        let notices = Notices::default();
        let database = |name: DatabaseName| {
            let opened = begin_with(name)?.map_or_else(in_memory, Ok);
            let opened = opened.map_err(|trouble| trouble.into_error("open", Path::new("memory")))?;
            let connection = Connection::to_memory(name, opened, Arc::clone(clock), Arc::clone(&notices));
            Ok::<_, StoreError>(Database::new(connection, Sealer::new(&key, name.as_str())))
        };
        Ok(Self { cache: database(DatabaseName::Cache)?, kept: database(DatabaseName::Kept)?, key, durable: false, notices })
    }

    /// [`Self::open`] with a layer between the database code and the files.
    fn open_through(
        directory: &Path,
        key: impl Into<Arc<SealingKey>>,
        hold: Hold,
        clock: &Arc<dyn Clock>,
        layer: &Arc<dyn Layer>,
    ) -> Result<Self, StoreError> {
        private::ensure_directory(directory)?;
        let key = key.into();
        let notices: Notices = Arc::new(Mutex::new(Vec::new()));
        let database = |name: DatabaseName| {
            let file = DatabaseFile::new(directory, name, &key, layer);
            let path = file.path.clone();
            let connection = Connection::to_file(name, file, hold, Arc::clone(clock), Arc::clone(&notices));
            let connection = connection.map_err(|trouble| trouble.into_error("lock", &path))?;
            Ok::<_, StoreError>(Database::new(connection, Sealer::new(&key, name.as_str())))
        };
        Ok(Self { cache: database(DatabaseName::Cache)?, kept: database(DatabaseName::Kept)?, key, durable: true, notices })
    }
}
