//! Reaching the agent of the whole system, and nobody in its place.
//!
//! A client is somebody else than the agent, and knows of it only where it is: below folders that root alone may change. Whoever owns the
//! socket's own folder was given it by root, and nobody but that user may put anything there; the socket has to be theirs, and so has the
//! process that answers. A folder that others may write to, a link, or anybody else's socket or process ends it before a byte is sent.

use std::{
    fs::{self, Metadata},
    io,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::Path,
};

use super::{Client, ClientError, owner};
use crate::{
    paths::SystemAgent,
    trust::{self, shown},
};

/// Connects, and makes sure that the other end is the account that root gave the folder to.
pub(super) fn connect(agent: SystemAgent<'_>) -> Result<Client, ClientError> {
    let SystemAgent { socket, administrator } = agent;
    let unreachable = || ClientError::Unreachable { socket: socket.into() };
    let (Some(folder), Some(name)) = (socket.parent(), socket.file_name()) else { return Err(unreachable()) };
    if !cfg!(target_os = "linux") || !exists(folder)? {
        return Err(unreachable());
    }
    let account = account_of(folder, administrator)?;
    let Some(found) = look(&folder.join(name))? else { return Err(unreachable()) };
    if !found.file_type().is_socket() || found.uid() != account {
        let problem = format!("{} is no socket of user {account}, who owns its folder", shown(socket));
        return Err(ClientError::Untrusted { problem });
    }
    let stream = Client::reach(socket)?;
    let uid = owner(&stream, socket).map_err(|cause| ClientError::Io { doing: "look who listens on", socket: socket.into(), cause })?;
    if uid != account {
        let problem = format!("user {uid} listens on {}, and its folder belongs to user {account}", shown(socket));
        return Err(ClientError::Untrusted { problem });
    }
    Client::over(stream, socket)
}

/// The user whom root gave the socket's folder to: the agent's account.
fn account_of(folder: &Path, administrator: u32) -> Result<u32, ClientError> {
    let untrusted = |problem: String| ClientError::Untrusted { problem };
    // Links on the way may be root's, as `/var/run` is; what they lead to is looked at too.
    let above = folder.parent().unwrap_or(Path::new("/"));
    trust::check(above, administrator).map_err(|error| untrusted(error.to_string()))?;
    let Some(found) = look(folder)? else { return Err(ClientError::Unreachable { socket: folder.into() }) };
    if !found.is_dir() {
        return Err(untrusted(format!("{} is no folder", shown(folder))));
    }
    // Not even a sticky one: who comes first has the name.
    if found.mode() & 0o022 != 0 {
        return Err(untrusted(format!("{} can be written by others than user {}", shown(folder), found.uid())));
    }
    Ok(found.uid())
}

fn exists(folder: &Path) -> Result<bool, ClientError> {
    look(folder).map(|found| found.is_some())
}

/// What is at this very path, without following a link there.
fn look(path: &Path) -> Result<Option<Metadata>, ClientError> {
    match fs::symlink_metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(cause) if matches!(cause.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(cause) => Err(ClientError::Io { doing: "look at", socket: path.into(), cause }),
    }
}
