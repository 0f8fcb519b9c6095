//! The agent's lock: whoever holds it is the agent of one socket, dead or alive sockets notwithstanding.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::store::{LockError, LockFile, Patience};

/// The right to be the agent of one socket, for as long as the value lives.
#[derive(Debug)]
pub struct AgentLock {
    _file: LockFile,
}

/// Who holds the lock of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// Nobody: no agent runs on it.
    Nobody,
    /// An agent, with its process id if that is on record.
    Agent(Option<u32>),
}

impl AgentLock {
    /// Takes the lock of `socket`, and notes this process's id in it. The inner error is the holder's id, if it is on record.
    ///
    /// # Errors
    /// [`LockError`] if the lock's file cannot be used.
    pub fn take(socket: &Path) -> Result<Result<Self, Option<u32>>, LockError> {
        let path = path_beside(socket);
        match LockFile::lock_within(&path, Patience::of(PROBES)) {
            Ok(file) => {
                // The id only makes messages better: a full disk must not keep the agent from running.
                if let Err(cause) = fs::write(&path, format!("{}\n", std::process::id())) {
                    tracing::debug!(%cause, "the process id is not on record");
                }
                Ok(Ok(Self { _file: file }))
            }
            Err(LockError::Busy { .. }) => Ok(Err(noted_id(&path))),
            Err(error) => Err(error),
        }
    }

    /// Tells who holds the lock of `socket`, without making anything.
    ///
    /// # Errors
    /// [`LockError`] if the lock's file cannot be used.
    pub fn holder(socket: &Path) -> Result<Holder, LockError> {
        let path = path_beside(socket);
        if !path.exists() {
            return Ok(Holder::Nobody);
        }
        Ok(match LockFile::try_lock(&path)? {
            Some(_free) => Holder::Nobody,
            None => Holder::Agent(noted_id(&path)),
        })
    }
}

/// The lock's file, beside the socket. It is never removed: another process may be about to lock it.
fn path_beside(socket: &Path) -> PathBuf {
    let mut name = socket.file_name().unwrap_or_default().to_os_string();
    name.push(".lock");
    socket.with_file_name(name)
}

fn noted_id(path: &Path) -> Option<u32> {
    let mut text = String::new();
    fs::File::open(path).ok()?.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// How long an agent that starts tries: a client that looks whether the lock is free holds it for some microseconds.
const PROBES: Duration = Duration::from_millis(100);
