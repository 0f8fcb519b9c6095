//! What can go wrong with what lies on disk, and what the store has to tell on its own.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{LockError, PrivateFileError, Table};
use crate::time::Timestamp;

/// Why a record could not be read or written. After an error nothing was acknowledged: what was there before is still there, and a write may
/// or may not have reached the disk.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The disk or the operating system failed: a full disk, a medium made read-only, an I/O error.
    #[error("cannot {doing} `{path}`", path = path.display())]
    Io {
        /// What was tried: `read`.
        doing: &'static str,
        /// The database.
        path: PathBuf,
        /// The operating system's answer.
        #[source]
        cause: io::Error,
    },
    /// A file or directory that cannot serve: somebody else's, or not to be opened.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    /// Another process holds the database, such as a running agent.
    #[error("another process holds `{path}`", path = path.display())]
    Busy {
        /// The database or its lock.
        path: PathBuf,
    },
    /// The database of what must not be lost is unreadable. It was left as it is.
    #[error("`{path}`, which holds manual tokens, is damaged: {why}", path = path.display())]
    KeptDamaged {
        /// The database.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The database of what must not be lost was written under another key.
    #[error("`{path}` was sealed with another key", path = path.display())]
    OtherKey {
        /// The database.
        path: PathBuf,
    },
    /// The database was written by a newer flytoken.
    #[error("`{path}` has version {found}, this flytoken knows {}", SCHEMA, path = path.display())]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// A record that must not be lost does not open: it was changed, or sealed with another key.
    #[error("the record `{name}` in `{table}` does not open: it was changed by somebody else", table = table.name())]
    Unreadable {
        /// Where it lies.
        table: Table,
        /// Its name.
        name: String,
    },
    /// A record or a name is longer than any that flytoken writes.
    #[error("a record of {length} bytes in `{table}` is too long: at most {most}", table = table.name())]
    TooLong {
        /// Where it was meant to lie.
        table: Table,
        /// Its length in bytes.
        length: usize,
        /// The most that is taken.
        most: usize,
    },
}

impl StoreError {
    /// Whether the database is there and cannot be understood, which no waiting mends.
    pub fn is_of_its_content(&self) -> bool {
        matches!(self, Self::KeptDamaged { .. } | Self::OtherKey { .. } | Self::Newer { .. })
    }

    /// What the user can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Io { path, .. } => format!("see that `{}` can be written and its disk has room", parent(path).display()),
            Self::File(error) => error.hint(),
            Self::Busy { .. } => "use the agent that is running, or stop it first: `flytoken status` names its process".into(),
            Self::KeptDamaged { path, .. } => {
                format!("restore it from a backup, or start anew with `{}`: manual tokens then have to be set again", mend(path))
            }
            Self::OtherKey { path } => format!("bring its key back, or start anew with `{}`", mend(path)),
            Self::Newer { .. } => "update flytoken: `flytoken --version` says which this is".into(),
            Self::Unreadable { .. } => "set it again: `flytoken set APP` writes over it, `flytoken unset APP` removes it".into(),
            Self::TooLong { .. } => "see that the token is one, and not a whole file: `flytoken inspect` says what it is".into(),
        }
    }
}

/// The command that moves a database aside. Quoted for a shell, since a home directory may hold a space.
fn mend(path: &Path) -> String {
    let quoted = |text: String| format!("'{}'", text.replace('\'', r"'\''"));
    format!("mv {} {}", quoted(path.display().to_string()), quoted(format!("{}.damaged", path.display())))
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

/// Something the store did on its own that the user should hear of.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// The cache was unreadable and a new one was started. Nothing is lost that cannot be obtained again.
    CacheSetAside {
        /// Where the unreadable one is now.
        moved_to: PathBuf,
        /// What was wrong with it.
        why: String,
        /// When it happened.
        at: Timestamp,
    },
}

impl std::fmt::Display for Notice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::CacheSetAside { moved_to, why, .. } => {
                write!(f, "the cache could not be read ({why}) and was started anew; the old one is now `{}`", moved_to.display())
            }
        }
    }
}

/// Why a database could not be used, before it is known which one it is and what that means.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Its bytes make no database.
    Damaged(String),
    /// It was sealed with another key.
    OtherKey,
    /// It has this newer version.
    Newer(u32),
    /// Somebody else holds it.
    Busy,
    /// The disk or the operating system failed.
    Io(io::Error),
    /// Its file cannot serve.
    File(PrivateFileError),
    /// Its lock was not to be had.
    Lock(LockError),
}

impl Trouble {
    pub(super) fn into_error(self, doing: &'static str, path: &Path) -> StoreError {
        let path = path.to_path_buf();
        match self {
            Self::Damaged(why) => StoreError::KeptDamaged { path, why },
            Self::OtherKey => StoreError::OtherKey { path },
            Self::Newer(found) => StoreError::Newer { path, found },
            Self::Busy | Self::Lock(LockError::Busy { .. }) => StoreError::Busy { path },
            Self::Io(cause) => StoreError::Io { doing, path, cause },
            Self::File(error) | Self::Lock(LockError::File(error)) => StoreError::File(error),
        }
    }
}

impl From<io::Error> for Trouble {
    fn from(cause: io::Error) -> Self {
        Self::Io(cause)
    }
}

impl From<PrivateFileError> for Trouble {
    fn from(error: PrivateFileError) -> Self {
        Self::File(error)
    }
}

impl From<redb::Error> for Trouble {
    fn from(error: redb::Error) -> Self {
        match error {
            // A file cut off ends before the pages that its header promises, and a copy of one in memory too; something else has no such
            // header.
            redb::Error::Io(cause)
                if matches!(cause.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput) =>
            {
                Self::Damaged(cause.to_string())
            }
            redb::Error::Io(cause) => Self::Io(cause),
            redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => Self::Busy,
            redb::Error::Corrupted(why) => Self::Damaged(why),
            error @ (redb::Error::UpgradeRequired(_)
            | redb::Error::TableTypeMismatch { .. }
            | redb::Error::TypeDefinitionChanged { .. }
            | redb::Error::TableIsMultimap(_)
            | redb::Error::TableDoesNotExist(_)) => Self::Damaged(error.to_string()),
            error => Self::Io(io::Error::other(error)),
        }
    }
}

/// The version of what the databases hold. A flytoken that meets a greater one stops, since it would misread it.
pub(super) const SCHEMA: u32 = 1;
