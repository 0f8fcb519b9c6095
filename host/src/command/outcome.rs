//! What comes of running a command.

use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::trust::shown;

/// What a finished program left behind. Wiped when dropped: standard output usually holds a token.
pub struct Output {
    /// The exit code, or none if a signal ended it.
    pub code: Option<i32>,
    /// Standard output, at most 1 MiB, byte for byte.
    pub stdout: Zeroizing<Vec<u8>>,
    /// The first 64 KiB of standard error.
    pub stderr: Zeroizing<Vec<u8>>,
    /// The name that filled `{unique}`: of the run that was joined, where one was.
    pub unique: String,
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Output").field("code", &self.code).field("unique", &self.unique).finish_non_exhaustive()
    }
}

/// Why there is no output. Whatever the program started is gone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The program is not installed; the places looked at, in order.
    #[error("the program is not installed; looked at {}", .0.iter().map(|path| shown(path)).collect::<Vec<_>>().join(", "))]
    NotFound(Vec<PathBuf>),
    /// It did not finish in time and was ended.
    #[error("the program did not finish in time and was ended")]
    TimedOut,
    /// It wrote more than 1 MiB to standard output and was ended.
    #[error("the program wrote more than 1 MiB to standard output and was ended")]
    TooMuchOutput,
    /// It could not be started, or may not be: its file or folder is writable by others, say.
    #[error("{0}")]
    Failed(String),
    /// The program or these arguments are not granted; the text holds the line to add.
    #[error("{0}")]
    Denied(String),
}
