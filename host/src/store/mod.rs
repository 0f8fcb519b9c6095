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

use self::{
    connection::{Connection, DatabaseName, Notices},
    file::{DatabaseFile, Layer, no_layer},
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

/// The two databases of a state directory. `Send` and `Sync`; every call may block.
pub struct Store {
    cache: Database,
    kept: Database,
    key: SealingKey,
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
    pub fn open(directory: &Path, key: SealingKey, hold: Hold, clock: &Arc<dyn Clock>) -> Result<Self, StoreError> {
        Self::open_through(directory, key, hold, clock, &no_layer())
    }

    /// A store in memory under a key nobody else has: for a process without a writable home.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the database code fails even there, which nobody has seen yet.
    pub fn memory(clock: &Arc<dyn Clock>) -> Result<Self, StoreError> {
        let key = SealingKey::random();
        let notices = Notices::default();
        let database = |name: DatabaseName| {
            let connection = Connection::to_memory(name, Arc::clone(clock), Arc::clone(&notices));
            let connection = connection.map_err(|trouble| trouble.into_error("open", Path::new("memory")))?;
            Ok::<_, StoreError>(Database::new(connection, Sealer::new(&key, name.as_str())))
        };
        Ok(Self { cache: database(DatabaseName::Cache)?, kept: database(DatabaseName::Kept)?, key, durable: false, notices })
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

    /// Takes what the store did on its own since the last call and the user should hear of.
    pub fn take_notices(&self) -> Vec<Notice> {
        std::mem::take(&mut *self.notices.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// [`Self::open`] with a layer between the database code and the files.
    fn open_through(directory: &Path, key: SealingKey, hold: Hold, clock: &Arc<dyn Clock>, layer: &Layer) -> Result<Self, StoreError> {
        private::ensure_directory(directory)?;
        let notices: Notices = Arc::new(Mutex::new(Vec::new()));
        let database = |name: DatabaseName| {
            let path = directory.join(name.as_str()).with_extension("redb");
            let mut key_check = [0; 8];
            key_check.copy_from_slice(&key.derive(Purpose::KeyCheck)[..8]);
            let file = DatabaseFile { path: path.clone(), layer: Arc::clone(layer), key_check };
            let connection = Connection::to_file(name, file, hold, Arc::clone(clock), Arc::clone(&notices));
            let connection = connection.map_err(|trouble| trouble.into_error("lock", &path))?;
            Ok::<_, StoreError>(Database::new(connection, Sealer::new(&key, name.as_str())))
        };
        Ok(Self { cache: database(DatabaseName::Cache)?, kept: database(DatabaseName::Kept)?, key, durable: true, notices })
    }
}
