//! One database of sealed records.

use std::path::Path;

use redb::WriteTransaction;

use super::{
    StoreError, Table,
    connection::{Connection, Written},
    error::Trouble,
    file::contain,
    seal::Sealer,
    transaction::{Bytes, Change, Transaction, Unsealing, find, find_under},
};

/// One database of sealed records. Every call may block on the disk, so asynchronous callers use `spawn_blocking`.
///
/// A write that returned is on disk. A write that failed was not acknowledged: it may or may not be there later, and what was acknowledged
/// before is. After a failure the file is opened anew at the next use, so a disk that recovers needs no restart.
///
/// Inside [`transaction`](Self::transaction) and [`update`](Self::update) use what the closure is handed, never this database: it would wait
/// for itself.
pub struct Database {
    connection: Connection,
    sealer: Sealer,
}

impl Database {
    pub(super) fn new(connection: Connection, sealer: Sealer) -> Self {
        Self { connection, sealer }
    }

    /// Reads a record.
    ///
    /// A record of the cache that does not open counts as absent and is removed.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`] if a kept record does not open; the others as their names say.
    pub fn load(&self, table: Table, name: &str) -> Result<Option<Bytes>, StoreError> {
        let found = self.connection.read(|transaction| find(transaction, table, name));
        let Some(sealed) = found.map_err(|trouble| self.error("read", trouble))?.flatten() else { return Ok(None) };
        let opened = self.unsealing().open(table, name, &sealed)?;
        if opened.is_none() {
            self.forget(table, name);
        }
        Ok(opened)
    }

    /// Writes a record in place of the one before. On disk when it returns.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the disk is full or fails, [`StoreError::TooLong`]; the others as their names say.
    pub fn save(&self, table: Table, name: &str, plain: &[u8]) -> Result<(), StoreError> {
        self.transaction(|transaction| transaction.save(table, name, plain))
    }

    /// Removes a record, and tells whether there was one. It need not open: this is how an unreadable one is got rid of.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the disk fails; the others as their names say.
    pub fn remove(&self, table: Table, name: &str) -> Result<bool, StoreError> {
        self.transaction(|transaction| transaction.remove(table, name))
    }

    /// Reads a record and decides what becomes of it, with no other write in between.
    ///
    /// # Errors
    /// What `decide` says, and then nothing is changed; else as [`load`](Self::load) and [`save`](Self::save).
    pub fn update<E: From<StoreError>>(
        &self,
        table: Table,
        name: &str,
        decide: impl FnOnce(Option<&[u8]>) -> Result<Change, E>,
    ) -> Result<(), E> {
        self.transaction(|transaction| transaction.update(table, name, decide))
    }

    /// Reads every record whose name starts with `prefix`, in the order of their names; an empty prefix means all.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn scan(&self, table: Table, prefix: &str) -> Result<Vec<(String, Bytes)>, StoreError> {
        let sealed = self.connection.read(|transaction| find_under(transaction, table, prefix));
        let mut found = Vec::new();
        for (name, sealed) in sealed.map_err(|trouble| self.error("read", trouble))?.unwrap_or_default() {
            match self.unsealing().open(table, &name, &sealed)? {
                Some(plain) => found.push((name, plain)),
                None => self.forget(table, &name),
            }
        }
        Ok(found)
    }

    /// Removes the records that `unwanted` says, all at once, and tells how many.
    ///
    /// # Errors
    /// As [`load`](Self::load) and [`remove`](Self::remove).
    pub fn remove_where(&self, table: Table, unwanted: impl FnMut(&str, &[u8]) -> bool) -> Result<usize, StoreError> {
        self.transaction(|transaction| transaction.remove_where(table, unwanted))
    }

    /// Reads and writes that take effect together or not at all. On disk when it returns; the disk is left alone if nothing changed.
    ///
    /// # Errors
    /// What `work` says, and then nothing is changed; else as [`save`](Self::save).
    pub fn transaction<T, E: From<StoreError>>(&self, work: impl FnOnce(&mut Transaction<'_>) -> Result<T, E>) -> Result<T, E> {
        let outcome = self.connection.write(|transaction| self.run(transaction, work));
        outcome.map_err(|trouble| self.error("write", trouble))?
    }

    /// Looks whether the database can be used; one that is not there yet can.
    ///
    /// # Errors
    /// What every other call would fail with.
    pub fn check(&self) -> Result<(), StoreError> {
        self.connection.read(|_| Ok(())).map(|_| ()).map_err(|trouble| self.error("read", trouble))
    }

    /// Where the file is; none if the records are in memory.
    pub fn path(&self) -> Option<&Path> {
        self.connection.file().map(|file| file.path.as_path())
    }

    /// Runs the caller's work and commits it, unless it failed or changed nothing.
    fn run<T, E: From<StoreError>>(
        &self,
        inner: WriteTransaction,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T, E>,
    ) -> Written<Result<T, E>> {
        let mut transaction = Transaction::new(&inner, self.unsealing());
        let result = work(&mut transaction);
        let (changed, failed) = transaction.end();
        match result {
            // The caller made light of an error of ours; that must not pass for success.
            Ok(_) if failed => {
                abort(inner);
                let cause = std::io::Error::other("an earlier step of the same transaction failed");
                Written { result: Err(self.error("write", Trouble::Io(cause)).into()), failed }
            }
            Ok(value) if changed => match contain(|| inner.commit()) {
                Ok(()) => Written { result: Ok(value), failed: false },
                Err(trouble) => Written { result: Err(self.error("write", trouble).into()), failed: true },
            },
            result => {
                let aborted = abort(inner);
                Written { result, failed: failed || !aborted }
            }
        }
    }

    /// Removes a record of the cache that does not open. If that fails it is tried again at the next look.
    fn forget(&self, table: Table, name: &str) {
        // It may have been replaced by a good one since it was read, so it is read again.
        let _ = self.transaction(|transaction| transaction.load(table, name).map(|_| ()));
    }

    fn unsealing(&self) -> Unsealing<'_> {
        Unsealing { sealer: &self.sealer, name: self.connection.name, path: self.path().unwrap_or(Path::new("memory")) }
    }

    fn error(&self, doing: &'static str, trouble: Trouble) -> StoreError {
        trouble.into_error(doing, self.unsealing().path)
    }
}

/// Drops what a transaction would have changed; false if redb failed at that.
fn abort(transaction: WriteTransaction) -> bool {
    contain(|| transaction.abort()).is_ok()
}
