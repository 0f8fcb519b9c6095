//! Reads and writes that take effect together or not at all.

use redb::{ReadTransaction, ReadableTable, TableError, WriteTransaction};
use zeroize::Zeroizing;

use super::{StoreError, Table, connection::DatabaseName, error::Trouble, file::contain, seal::Sealer};

/// A record as it was saved. Wiped when dropped.
pub type Bytes = Zeroizing<Vec<u8>>;

/// What becomes of a record that was read to be changed.
#[derive(Debug)]
pub enum Change {
    /// It stays as it is.
    Keep,
    /// This takes its place.
    Put(Bytes),
    /// It goes.
    Remove,
}

/// Reads and writes of one database, all of which are on disk once the transaction has ended well, and none of which are otherwise.
pub struct Transaction<'a> {
    inner: &'a WriteTransaction,
    unsealing: Unsealing<'a>,
    changed: bool,
    /// Set once redb failed: whatever the caller makes of the error, nothing of this transaction may be kept then.
    failed: bool,
}

/// How the records of one database are opened, and what one that does not open means there.
#[derive(Clone, Copy)]
pub(super) struct Unsealing<'a> {
    pub(super) sealer: &'a Sealer,
    pub(super) name: DatabaseName,
    pub(super) path: &'a std::path::Path,
}

impl Unsealing<'_> {
    /// The record, or none if it is one of the cache that does not open.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`] if it is a kept one.
    pub(super) fn open(&self, table: Table, name: &str, sealed: &[u8]) -> Result<Option<Bytes>, StoreError> {
        match (self.sealer.open(table, name, sealed), self.name) {
            (None, DatabaseName::Kept) => Err(StoreError::Unreadable { table, name: name.into() }),
            (opened, _) => Ok(opened),
        }
    }
}

impl<'a> Transaction<'a> {
    pub(super) fn new(inner: &'a WriteTransaction, unsealing: Unsealing<'a>) -> Self {
        Self { inner, unsealing, changed: false, failed: false }
    }

    /// Whether anything changed, and whether redb failed.
    pub(super) fn end(self) -> (bool, bool) {
        (self.changed, self.failed)
    }

    /// Reads a record, as this transaction has left it so far.
    ///
    /// # Errors
    /// As [`Database::load`](super::Database::load).
    pub fn load(&mut self, table: Table, name: &str) -> Result<Option<Bytes>, StoreError> {
        let inner = self.inner;
        let sealed = contain(|| -> Result<_, redb::Error> {
            Ok(inner.open_table(table.definition())?.get(name)?.map(|sealed| sealed.value().to_vec()))
        });
        let Some(sealed) = self.noted("read", sealed)? else { return Ok(None) };
        let opened = self.unsealing.open(table, name, &sealed)?;
        if opened.is_none() {
            self.remove(table, name)?;
        }
        Ok(opened)
    }

    /// Writes a record in place of the one before.
    ///
    /// # Errors
    /// As [`Database::save`](super::Database::save).
    pub fn save(&mut self, table: Table, name: &str, plain: &[u8]) -> Result<(), StoreError> {
        check_lengths(table, name, plain)?;
        let sealed = self.unsealing.sealer.seal(table, name, plain);
        let inner = self.inner;
        let written = contain(|| -> Result<_, redb::Error> {
            inner.open_table(table.definition())?.insert(name, sealed.as_slice())?;
            Ok(())
        });
        self.noted("write", written)?;
        self.changed = true;
        Ok(())
    }

    /// Removes a record, and tells whether there was one. It need not open.
    ///
    /// # Errors
    /// As [`Database::remove`](super::Database::remove).
    pub fn remove(&mut self, table: Table, name: &str) -> Result<bool, StoreError> {
        let inner = self.inner;
        let removed = contain(|| -> Result<_, redb::Error> { Ok(inner.open_table(table.definition())?.remove(name)?.is_some()) });
        let removed = self.noted("write", removed)?;
        self.changed |= removed;
        Ok(removed)
    }

    /// Reads a record and decides what becomes of it.
    ///
    /// # Errors
    /// As [`Database::update`](super::Database::update).
    pub fn update<E: From<StoreError>>(
        &mut self,
        table: Table,
        name: &str,
        decide: impl FnOnce(Option<&[u8]>) -> Result<Change, E>,
    ) -> Result<(), E> {
        let old = self.load(table, name)?;
        match decide(old.as_deref().map(Vec::as_slice))? {
            Change::Keep => {}
            Change::Put(plain) => self.save(table, name, &plain)?,
            Change::Remove => {
                self.remove(table, name)?;
            }
        }
        Ok(())
    }

    /// Reads every record whose name starts with `prefix`, in the order of their names.
    ///
    /// # Errors
    /// As [`Database::scan`](super::Database::scan).
    pub fn scan(&mut self, table: Table, prefix: &str) -> Result<Vec<(String, Bytes)>, StoreError> {
        let inner = self.inner;
        let sealed = contain(|| -> Result<_, redb::Error> { Ok(under(&inner.open_table(table.definition())?, prefix)?) });
        let mut found = Vec::new();
        for (name, sealed) in self.noted("read", sealed)? {
            match self.unsealing.open(table, &name, &sealed)? {
                Some(plain) => found.push((name, plain)),
                None => {
                    self.remove(table, &name)?;
                }
            }
        }
        Ok(found)
    }

    /// Removes the records that `unwanted` says, and tells how many.
    ///
    /// # Errors
    /// As [`Database::remove_where`](super::Database::remove_where).
    pub fn remove_where(&mut self, table: Table, mut unwanted: impl FnMut(&str, &[u8]) -> bool) -> Result<usize, StoreError> {
        let mut removed = 0;
        for (name, plain) in self.scan(table, "")? {
            if unwanted(&name, &plain) && self.remove(table, &name)? {
                removed += 1;
            }
        }
        Ok(removed)
    }

    fn noted<T>(&mut self, doing: &'static str, outcome: Result<T, Trouble>) -> Result<T, StoreError> {
        outcome.map_err(|trouble| {
            self.failed = true;
            trouble.into_error(doing, self.unsealing.path)
        })
    }
}

/// Reads one sealed record.
pub(super) fn find(transaction: &ReadTransaction, table: Table, name: &str) -> Result<Option<Vec<u8>>, redb::Error> {
    match transaction.open_table(table.definition()) {
        Ok(records) => Ok(records.get(name)?.map(|sealed| sealed.value().to_vec())),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Reads the sealed records whose names start with `prefix`.
pub(super) fn find_under(transaction: &ReadTransaction, table: Table, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, redb::Error> {
    match transaction.open_table(table.definition()) {
        Ok(records) => Ok(under(&records, prefix)?),
        Err(TableError::TableDoesNotExist(_)) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

fn under(records: &impl ReadableTable<&'static str, &'static [u8]>, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, redb::StorageError> {
    let mut found = Vec::new();
    for record in records.range(prefix..)? {
        let (name, sealed) = record?;
        if !name.value().starts_with(prefix) {
            break;
        }
        found.push((name.value().to_owned(), sealed.value().to_vec()));
    }
    Ok(found)
}

fn check_lengths(table: Table, name: &str, plain: &[u8]) -> Result<(), StoreError> {
    if plain.len() > LONGEST_RECORD {
        return Err(StoreError::TooLong { table, length: plain.len(), most: LONGEST_RECORD });
    }
    if name.len() > LONGEST_NAME {
        return Err(StoreError::TooLong { table, length: name.len(), most: LONGEST_NAME });
    }
    Ok(())
}

/// The longest record, in bytes: sixteen times the longest token. More would let one source fill the disk.
pub const LONGEST_RECORD: usize = 256 << 10;
/// The longest name, in bytes.
pub const LONGEST_NAME: usize = 1 << 10;
