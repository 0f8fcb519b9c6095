//! One redb file: making it, opening it, looking whether it is sound, setting it aside.
//!
//! redb may panic on a file that was damaged from outside, so every call into it goes through [`contain`].

use std::{
    any::Any,
    fs::{self, File},
    io::{self, Read},
    ops::Deref,
    os::unix::fs::MetadataExt,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::Arc,
};

use redb::{
    ReadableDatabase, StorageBackend, TableDefinition, TableError,
    backends::{FileBackend, InMemoryBackend},
};

use super::{
    connection::DatabaseName,
    error::{SCHEMA, Trouble},
    layer::{Boxed, Change, Layer},
    private::{self, Access, Exposure},
    seal::{Purpose, SealingKey},
};
use crate::time::Timestamp;

/// Proves that a database was written under a key, without telling the key.
pub(super) type KeyCheck = [u8; 8];

/// One redb file and how it is reached.
pub(super) struct DatabaseFile {
    pub(super) path: PathBuf,
    pub(super) layer: Arc<dyn Layer>,
    pub(super) key_check: KeyCheck,
}

/// Which file a name led to, so that one moved aside or removed meanwhile is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
}

impl DatabaseFile {
    /// The file of a database in a state directory.
    pub(super) fn new(directory: &Path, name: DatabaseName, key: &SealingKey, layer: &Arc<dyn Layer>) -> Self {
        let mut key_check = KeyCheck::default();
        key_check.copy_from_slice(&key.derive(Purpose::KeyCheck)[..KeyCheck::default().len()]);
        Self { path: directory.join(name.as_str()).with_extension("redb"), layer: Arc::clone(layer), key_check }
    }

    /// The file that has the name now.
    pub(super) fn identity(&self) -> Option<Identity> {
        let metadata = fs::symlink_metadata(&self.path).ok()?;
        Some(Identity { device: metadata.dev(), inode: metadata.ino() })
    }

    /// Whether there is anything: a file without a byte holds nothing and may be replaced.
    fn is_there(&self) -> Result<bool, Trouble> {
        match fs::symlink_metadata(&self.path) {
            Ok(metadata) => Ok(!metadata.is_file() || metadata.len() > 0),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(cause) => Err(cause.into()),
        }
    }

    /// Opens it for reading and writing, making it first if there is none.
    pub(super) fn open_or_create(&self, check: Check) -> Result<OpenDatabase, Trouble> {
        if !self.is_there()? {
            self.create()?;
        }
        if check == Check::CopyFirst {
            // Opening for writing changes the file, if only to say that it is open; a damaged one must stay as it was found.
            self.open_copy(Check::CopyFirst)?;
        }
        let file = self.change(Change::Open, || private::open(&self.path, Access::Write, Exposure::Tighten))?;
        let file = file.ok_or_else(|| Trouble::Io(io::ErrorKind::NotFound.into()))?;
        let database = redb_over(self.layer.over(backend(file)?), check == Check::Pages)?;
        self.verify(&database)?;
        Ok(database)
    }

    /// Opens a copy of it in memory: what was acknowledged last, without writing a byte to disk. None if there is no file.
    pub(super) fn open_copy(&self, check: Check) -> Result<Option<OpenDatabase>, Trouble> {
        if !self.is_there()? {
            return Ok(None);
        }
        let Some(file) = private::open(&self.path, Access::Read, Exposure::Tighten)? else { return Ok(None) };
        let backend = self.layer.over(backend(file)?);
        let copy = InMemoryBackend::new();
        let copied = backend.len().and_then(|length| {
            copy.set_len(length)?;
            let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
            backend.read(0, &mut bytes)?;
            copy.write(0, &bytes)
        });
        copied.and_then(|()| backend.close())?;
        let database = redb_over(Box::new(copy), check != Check::None)?;
        self.verify(&database)?;
        Ok(Some(database))
    }

    /// Makes an empty database beside the name and renames it, so that a crash on the way leaves no half of one.
    ///
    /// The caller holds the database's lock.
    fn create(&self) -> Result<(), Trouble> {
        let temporary = private::temporary_beside(&self.path);
        self.change(Change::Make, || private::remove_if_there(&temporary))?;
        let file = private::open(&temporary, Access::Create, Exposure::Tighten)?;
        let file = file.ok_or_else(|| Trouble::Io(io::ErrorKind::NotFound.into()))?;
        let database = redb_over(self.layer.over(backend(file)?), false)?;
        contain(|| -> Result<(), redb::Error> {
            let transaction = database.begin_write()?;
            {
                let mut facts = transaction.open_table(FACTS)?;
                facts.insert(SCHEMA_FACT, SCHEMA.to_le_bytes().as_slice())?;
                facts.insert(KEY_FACT, self.key_check.as_slice())?;
            }
            transaction.commit()?;
            Ok(())
        })?;
        database.close()?;
        self.change(Change::Rename, || fs::rename(&temporary, &self.path))?;
        private::sync_directory_of(&self.path)?;
        Ok(())
    }

    /// Puts a synced copy in the place of the file. To rewrite nothing is no failure.
    ///
    /// After a failed sync the kernel may count a page as written that never was, so no later sync of this file proves anything: reads show
    /// the page until the machine goes down. Only bytes written anew can be trusted again.
    ///
    /// The caller holds the database's lock, and nobody has the file open.
    pub(super) fn rewrite(&self) -> Result<(), Trouble> {
        let Some(mut file) = private::open(&self.path, Access::Read, Exposure::Tighten)? else { return Ok(()) };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        self.change(Change::Replace, || private::replace(&self.path, &bytes))
    }

    /// Moves it to a dated name, and says which.
    pub(super) fn set_aside(&self, now: Timestamp) -> Result<PathBuf, Trouble> {
        let dated = |suffix: String| {
            let mut name = self.path.file_name().unwrap_or_default().to_os_string();
            name.push(format!(".damaged-{}{suffix}", now.seconds()));
            self.path.with_file_name(name)
        };
        // Two in one second is the work of somebody who plays with the file; past ten, the last one is written over.
        let free = (1..10).map(|n| dated(format!("-{n}"))).find(|path| !path.exists());
        let first = dated(String::new());
        let target = if first.exists() { free.unwrap_or(first) } else { first };
        self.change(Change::Rename, || fs::rename(&self.path, &target))?;
        private::sync_directory_of(&self.path)?;
        Ok(target)
    }

    /// Changes something beside redb, if the layer lets it.
    fn change<T, E: Into<Trouble>>(&self, change: Change, work: impl FnOnce() -> Result<T, E>) -> Result<T, Trouble> {
        self.layer.permit(change, &self.path)?;
        work().map_err(Into::into)
    }

    /// Looks at the facts every database starts with.
    fn verify(&self, database: &OpenDatabase) -> Result<(), Trouble> {
        let (schema, key) = contain(|| -> Result<_, redb::Error> {
            let transaction = database.begin_read()?;
            let facts = match transaction.open_table(FACTS) {
                Ok(facts) => facts,
                Err(TableError::TableDoesNotExist(_)) => return Ok((None, None)),
                Err(error) => return Err(error.into()),
            };
            let schema = facts.get(SCHEMA_FACT)?.and_then(|bytes| bytes.value().try_into().ok().map(u32::from_le_bytes));
            let key = facts.get(KEY_FACT)?.and_then(|bytes| KeyCheck::try_from(bytes.value()).ok());
            Ok((schema, key))
        })?;
        match (schema, key) {
            (Some(SCHEMA), Some(key)) if key == self.key_check => Ok(()),
            (Some(SCHEMA), Some(_)) => Err(Trouble::OtherKey),
            (Some(newer), _) if newer > SCHEMA => Err(Trouble::Newer(newer)),
            _ => Err(Trouble::Damaged("it does not say which version it has".into())),
        }
    }
}

/// How closely a file is looked at before it is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    /// As redb does: the checksums of all pages after a crash, and of none after an orderly end.
    None,
    /// The checksums of all pages.
    Pages,
    /// The same on a copy, before the file itself is touched.
    CopyFirst,
}

fn redb_over(backend: Box<dyn StorageBackend>, check_pages: bool) -> Result<OpenDatabase, Trouble> {
    contain(|| {
        redb::Builder::new().set_cache_size(CACHE_BYTES).set_check_integrity_on_open(check_pages).create_with_backend(Boxed(backend))
    })
    .map(OpenDatabase::new)
}

/// An empty database in memory.
pub(super) fn in_memory() -> Result<OpenDatabase, Trouble> {
    redb_over(Box::new(InMemoryBackend::new()), false)
}

/// A database redb has open. Closing one writes to it, so closing is contained as well.
pub(super) struct OpenDatabase(Option<redb::Database>);

impl OpenDatabase {
    fn new(database: redb::Database) -> Self {
        Self(Some(database))
    }

    /// Closes it and tells whether that worked; dropping it closes it too.
    pub(super) fn close(mut self) -> Result<(), Trouble> {
        self.0.take().map_or(Ok(()), |database| contain(|| database.close()))
    }
}

impl Deref for OpenDatabase {
    type Target = redb::Database;

    fn deref(&self) -> &redb::Database {
        self.0.as_ref().expect("only closing takes the database out, and closing consumes this")
    }
}

impl Drop for OpenDatabase {
    fn drop(&mut self) {
        if let Some(database) = self.0.take() {
            // Every commit is on disk already. What fails here costs the next opening a look at all pages, nothing else.
            let _ = contain(|| database.close());
        }
    }
}

/// Calls into redb. A panic in there is damage that redb did not see coming; it ends here.
pub(super) fn contain<T, E: Into<redb::Error>>(work: impl FnOnce() -> Result<T, E>) -> Result<T, Trouble> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(error.into().into()),
        Err(panic) => Err(Trouble::Damaged(format!("the database code gave up: {}", text_of(panic.as_ref())))),
    }
}

fn text_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no reason given")
}

fn backend(file: File) -> Result<FileBackend, Trouble> {
    contain(|| FileBackend::new(file))
}

/// Facts about the database itself. They are not sealed: they are needed before the key is trusted.
const FACTS: TableDefinition<&str, &[u8]> = TableDefinition::new("flytoken");
const SCHEMA_FACT: &str = "schema";
const KEY_FACT: &str = "key";

/// What redb may keep of a file in memory: the pages of about five hundred leases. Its default is 1 GiB, and what is asked for often is in our
/// own cache anyway.
const CACHE_BYTES: usize = 2 << 20;
