//! What the host lends to a source for one call, behind traits: the runtime knows neither the database nor how programs run.

use std::{pin::Pin, sync::Arc};

use zeroize::Zeroizing;

use crate::{command, granted_files::FileForm, lease::Lease};

/// A future on the heap, for traits that are used as objects.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The one record of a source that a call may touch. Which one it is was settled when this was made: no method takes an app.
pub trait RecordsAccess: Send + Sync {
    /// The lease that was saved last, if it still counts.
    fn load(&self) -> BoxFuture<'_, Result<Option<Lease>, RecordsFailure>>;

    /// Saves `lease` in place of the one before; it is on disk when this is done.
    fn save(&self, lease: Lease) -> BoxFuture<'_, Result<(), RecordsFailure>>;

    /// Removes the lease; there need not be one.
    fn remove(&self) -> BoxFuture<'_, Result<(), RecordsFailure>>;
}

/// Why a record could not be read or written. The texts reach the source and hold no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordsFailure {
    /// The disk or the database failed; nothing was written.
    #[error("{0}")]
    Unavailable(String),
    /// The host does not keep this lease.
    #[error("{0}")]
    Refused(String),
}

/// Reads the files that one call may have.
pub trait FilesAccess: Send + Sync {
    /// The content of the file that `name` stands for, in this form.
    fn read<'a>(&'a self, name: &'a str, form: FileForm) -> BoxFuture<'a, Result<Zeroizing<Vec<u8>>, FilesFailure>>;
}

/// Why a file was not read. The texts reach the source and hold no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilesFailure {
    /// It is not granted, or not in this form; the line to add.
    #[error("{0}")]
    Denied(String),
    /// It is not there.
    #[error("the file is not there")]
    Absent,
    /// It cannot be read, or may not be.
    #[error("{0}")]
    Failed(String),
}

/// Runs the programs that one call may run.
pub trait CommandAccess: Send + Sync {
    /// Runs `program` with `args`, placeholders unfilled, if they are granted. To drop the future ends the program.
    fn run<'a>(&'a self, program: &'a str, args: &'a [String]) -> BoxFuture<'a, Result<Arc<command::Output>, command::Failure>>;

    /// The same for an entry that holds `{id}`, with `id` in its place.
    fn run_on<'a>(
        &'a self,
        program: &'a str,
        args: &'a [String],
        id: &'a str,
    ) -> BoxFuture<'a, Result<Arc<command::Output>, command::Failure>>;
}
