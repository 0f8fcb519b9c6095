//! How one database is reached: held open, or opened for each read and write; and what is done when that fails.

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use redb::{ReadTransaction, ReadableDatabase, WriteTransaction};

use super::{
    Hold, LockError, LockFile, Notice, Patience, PrivateFileError,
    error::Trouble,
    file::{Check, DatabaseFile, Identity, OpenDatabase, contain},
    layer::Change,
};
use crate::system::Clock;

/// Which database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DatabaseName {
    /// What can be obtained again.
    Cache,
    /// What cannot.
    Kept,
}

impl DatabaseName {
    /// On disk and in the label of every record, so never changed.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Cache => "cache",
            Self::Kept => "kept",
        }
    }
}

/// What the store did on its own, the last of it.
pub(super) type Notices = Arc<Mutex<Vec<Notice>>>;

/// One database within reach.
pub(super) struct Connection {
    pub(super) name: DatabaseName,
    reach: Reach,
    /// Set once a call failed: the next opening looks at every page, and writes the file anew.
    suspect: AtomicBool,
    clock: Arc<dyn Clock>,
    notices: Notices,
}

enum Reach {
    /// In memory, gone with the process.
    Memory(OpenDatabase),
    /// In a file that this process has open all the time. The lock says so to everybody else.
    Held { file: DatabaseFile, open: RwLock<Option<Held>>, _lock: LockFile },
    /// In a file that is opened for each read and write. The mutex queues this process's own threads, which could only poll the lock.
    PerOperation { file: DatabaseFile, lock: PathBuf, patience: Patience, turn: Mutex<()> },
}

/// An open database and the file it was opened from.
struct Held {
    database: OpenDatabase,
    identity: Option<Identity>,
}

/// A write that has ended.
pub(super) struct Written<R> {
    /// What the caller gets.
    pub(super) result: R,
    /// Whether redb failed on the way, after which it takes no more calls.
    pub(super) failed: bool,
}

impl Connection {
    pub(super) fn to_memory(name: DatabaseName, database: OpenDatabase, clock: Arc<dyn Clock>, notices: Notices) -> Self {
        Self { name, reach: Reach::Memory(database), suspect: AtomicBool::new(false), clock, notices }
    }

    /// Takes the database's lock if it is to be held. What is wrong with the file itself shows at the first use.
    pub(super) fn to_file(
        name: DatabaseName,
        file: DatabaseFile,
        hold: Hold,
        clock: Arc<dyn Clock>,
        notices: Notices,
    ) -> Result<Self, Trouble> {
        let lock = file.path.with_extension("lock");
        let reach = match hold {
            Hold::Held(patience) => {
                file.layer.permit(Change::Lock, &lock)?;
                let lock = LockFile::lock_within(&lock, patience).map_err(Trouble::Lock)?;
                lock.say_kept();
                Reach::Held { file, open: RwLock::new(None), _lock: lock }
            }
            Hold::PerOperation(patience) => Reach::PerOperation { file, lock, patience, turn: Mutex::new(()) },
        };
        Ok(Self { name, reach, suspect: AtomicBool::new(false), clock, notices })
    }

    /// The file, unless the records are in memory.
    pub(super) fn file(&self) -> Option<&DatabaseFile> {
        match &self.reach {
            Reach::Memory(_) => None,
            Reach::Held { file, .. } | Reach::PerOperation { file, .. } => Some(file),
        }
    }

    /// Reads in one consistent view. None if there is no database yet.
    pub(super) fn read<T>(&self, work: impl Fn(&ReadTransaction) -> Result<T, redb::Error>) -> Result<Option<T>, Trouble> {
        let within = |database: &OpenDatabase| contain(|| work(&database.begin_read()?)).map(Some);
        match &self.reach {
            Reach::Memory(database) => within(database),
            Reach::Held { file, open, .. } => {
                // One that failed under another thread takes no more calls; opened anew it may. So there is a second try.
                let mut tried = false;
                loop {
                    match self.held(file, open).map(|held| held.as_ref().map_or(Ok(None), |held| within(&held.database))) {
                        Ok(Ok(value)) => return Ok(value),
                        Ok(Err(trouble)) => {
                            self.let_go(open);
                            if std::mem::replace(&mut tried, true) {
                                return Err(trouble);
                            }
                        }
                        // A full or read-only disk takes no write, but what is on it can still be read.
                        Err(Trouble::Io(_) | Trouble::File(PrivateFileError::Io { .. })) => return self.read_copy(file, within),
                        Err(trouble) => return Err(trouble),
                    }
                }
            }
            Reach::PerOperation { file, lock, patience, turn } => {
                let _turn = match take_turn(file, lock, *patience, turn) {
                    // Nobody writes to a read-only disk.
                    Err(LockError::File(PrivateFileError::Io { cause, .. })) if cause.kind() == io::ErrorKind::ReadOnlyFilesystem => None,
                    taken => Some(taken.map_err(Trouble::Lock)?),
                };
                self.read_copy(file, within)
            }
        }
    }

    /// Begins a write and hands it to `work`, which ends it.
    pub(super) fn write<R>(&self, work: impl FnOnce(WriteTransaction) -> Written<R>) -> Result<R, Trouble> {
        match &self.reach {
            Reach::Memory(database) => Ok(work(contain(|| database.begin_write())?).result),
            Reach::Held { file, open, .. } => {
                let mut tried = false;
                let (held, transaction) = loop {
                    let held = self.held(file, open)?;
                    let begun = held.as_ref().map(|held| contain(|| held.database.begin_write()));
                    match begun {
                        Some(Ok(transaction)) => break (held, transaction),
                        Some(Err(trouble)) if std::mem::replace(&mut tried, true) => return Err(trouble),
                        _ => {
                            drop(held);
                            self.let_go(open);
                        }
                    }
                };
                let Written { result, failed } = work(transaction);
                drop(held);
                if failed {
                    self.let_go(open);
                }
                Ok(result)
            }
            Reach::PerOperation { file, lock, patience, turn } => {
                let _turn = take_turn(file, lock, *patience, turn).map_err(Trouble::Lock)?;
                let database = self.open(file)?;
                let Written { result, failed } = work(contain(|| database.begin_write())?);
                self.suspect.fetch_or(failed, Ordering::Relaxed);
                Ok(result)
            }
        }
    }

    /// The database that is held open, opened if it is not or if its file has been moved away from under it.
    fn held<'a>(&self, file: &DatabaseFile, open: &'a RwLock<Option<Held>>) -> Result<RwLockReadGuard<'a, Option<Held>>, Trouble> {
        let is_current = |held: &Option<Held>| held.as_ref().is_some_and(|held| held.identity == file.identity());
        let held = open.read().unwrap_or_else(PoisonError::into_inner);
        if is_current(&held) {
            return Ok(held);
        }
        drop(held);
        let mut held = open.write().unwrap_or_else(PoisonError::into_inner);
        if !is_current(&held) {
            // First closed, then opened: redb takes a lock of its own.
            *held = None;
            *held = Some(Held { database: self.open(file)?, identity: file.identity() });
        }
        Ok(RwLockWriteGuard::downgrade(held))
    }

    /// Closes the database that is held open, so that the next use opens it anew: redb takes no more calls after it failed.
    fn let_go(&self, open: &RwLock<Option<Held>>) {
        self.suspect.store(true, Ordering::Relaxed);
        *open.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Opens the file for reading and writing. An unreadable cache is set aside and started anew; anything else unreadable stays as it is.
    fn open(&self, file: &DatabaseFile) -> Result<OpenDatabase, Trouble> {
        let suspect = self.suspect.load(Ordering::Relaxed);
        let opened = match self.name {
            DatabaseName::Kept => Self::open_kept(file, suspect),
            DatabaseName::Cache => self.open_cache(file, suspect),
        }?;
        self.suspect.store(false, Ordering::Relaxed);
        Ok(opened)
    }

    fn open_kept(file: &DatabaseFile, suspect: bool) -> Result<OpenDatabase, Trouble> {
        if suspect && file.open_copy(Check::Pages)?.is_some() {
            file.rewrite()?;
        }
        file.open_or_create(Check::CopyFirst)
    }

    fn open_cache(&self, file: &DatabaseFile, suspect: bool) -> Result<OpenDatabase, Trouble> {
        if suspect {
            file.rewrite()?;
        }
        let check = if suspect { Check::Pages } else { Check::None };
        let trouble = match file.open_or_create(check) {
            // A closer look can mend what an opening in good faith trips over.
            Err(Trouble::Damaged(_)) if check == Check::None => match file.open_or_create(Check::Pages) {
                Err(trouble) => trouble,
                opened => return opened,
            },
            Err(trouble) => trouble,
            opened => return opened,
        };
        self.set_aside(file, trouble)?;
        file.open_or_create(Check::None)
    }

    fn read_copy<T>(
        &self,
        file: &DatabaseFile,
        within: impl Fn(&OpenDatabase) -> Result<Option<T>, Trouble>,
    ) -> Result<Option<T>, Trouble> {
        let check = if self.name == DatabaseName::Kept { Check::Pages } else { Check::None };
        let read = file.open_copy(check).and_then(|copy| copy.map_or(Ok(None), |copy| within(&copy)));
        match read {
            Err(trouble @ (Trouble::Damaged(_) | Trouble::OtherKey)) if self.name == DatabaseName::Cache => {
                self.set_aside(file, trouble).map(|()| None)
            }
            read => read,
        }
    }

    /// Moves an unreadable cache away, or passes the trouble on if that is not what it is.
    fn set_aside(&self, file: &DatabaseFile, trouble: Trouble) -> Result<(), Trouble> {
        let why = match trouble {
            Trouble::Damaged(why) => why,
            Trouble::OtherKey => "it was sealed with another key".into(),
            trouble => return Err(trouble),
        };
        let at = self.clock.now();
        let moved_to = file.set_aside(at)?;
        let notice = Notice::CacheSetAside { moved_to, why, at };
        tracing::warn!("{notice}");
        let mut notices = self.notices.lock().unwrap_or_else(PoisonError::into_inner);
        // A disk that damages a file every second must not fill the memory.
        if notices.len() == MOST_NOTICES {
            notices.remove(0);
        }
        notices.push(notice);
        Ok(())
    }
}

/// Waits until no other thread and no other process is at the database; not for a process that holds it for as long as it lives.
fn take_turn<'a>(
    file: &DatabaseFile,
    lock: &std::path::Path,
    patience: Patience,
    turn: &'a Mutex<()>,
) -> Result<(MutexGuard<'a, ()>, LockFile), LockError> {
    let turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
    file.layer.permit(Change::Lock, lock).map_err(PrivateFileError::io("open", lock))?;
    let lock = match LockFile::lock_within(lock, patience.at_most(GLANCE)) {
        Err(LockError::Busy { .. }) if !LockFile::is_kept(lock) => LockFile::lock_within(lock, patience),
        taken => taken,
    }?;
    lock.say_brief();
    Ok((turn, lock))
}

/// How long a lock has to be found taken before it is believed to be kept: what its last but one holder said may still be there while
/// the next one takes it back.
const GLANCE: Duration = Duration::from_millis(250);

/// How many notices are remembered.
const MOST_NOTICES: usize = 16;
