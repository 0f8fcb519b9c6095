//! The program that a process runs: the very file, where it lies, and whether only root can change it.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
};

use rustix::fs::{AtFlags, Statx, StatxFlags, statx};

use super::{Executable, lookup::Lookup, process::Process};
use crate::trust::{self, Untrusted};

/// The file that a process was found to run. It is held, so that no other gets its number while somebody compares.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) identity: Identity,
    /// The user whose file it is.
    pub(super) owner: u32,
    pub(super) file: OwnedFd,
}

/// Which file it is: no two have the same while one of them is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    device: (u32, u32),
    inode: u64,
}

impl Identity {
    /// Whether it is the file at this place: the two numbers of a device, and the file's own.
    fn is(self, (major, minor, inode): (u32, u32, u64)) -> bool {
        self.device == (major, minor) && self.inode == inode
    }
}

impl From<&Statx> for Identity {
    fn from(found: &Statx) -> Self {
        Self { device: (found.stx_dev_major, found.stx_dev_minor), inode: found.stx_ino }
    }
}

impl Running {
    /// What the process runs now. An error also where nobody may look, as at a process of another user.
    pub(super) fn of(process: &Process) -> io::Result<Self> {
        Self::held(process.executable()?)
    }

    fn held(file: OwnedFd) -> io::Result<Self> {
        let found = statx(file.as_fd(), "", AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC, StatxFlags::INO | StatxFlags::UID)?;
        Ok(Self { identity: Identity::from(&found), owner: found.stx_uid, file })
    }

    /// What a process runs that is started by this path now.
    #[cfg(test)]
    pub(super) fn at(path: &Path) -> io::Result<Self> {
        Self::held(std::fs::File::open(path)?.into())
    }

    /// Where it lies, by the kernel's name for it.
    ///
    /// What the kernel calls a file need not be where it is: a process in mounts of its own has another file there, and a file that was
    /// replaced keeps its path. A path counts if it leads to this very file from here.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if that has to be waited for.
    pub(super) fn place(&self, name: PathBuf, lookup: Lookup) -> io::Result<Executable> {
        let (lies_there, root_owned) = if !name.is_absolute() || name.to_str().is_none() {
            (false, false)
        } else {
            match trust::check_by(&lookup, &name, ROOT) {
                // Where the links end is what was checked last: that it is this very file needs no other look.
                Ok((_, found)) => [self.identity.is(found.place); 2].into(),
                Err(Untrusted::Unreadable { cause, .. }) if cause.kind() == io::ErrorKind::WouldBlock => return Err(cause),
                Err(_) => (self.lies_at(&name, lookup)?, false),
            }
        };
        if !lies_there {
            let elsewhere: String = name.to_string_lossy().chars().take(LONGEST_PATH).collect();
            return Ok(Executable { elsewhere: Some(elsewhere), ..Executable::default() });
        }
        Ok(Executable { path: Some(name), root_owned, ..Executable::default() })
    }

    /// Whether this path leads to it, seen from this process.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if that has to be waited for.
    pub(super) fn lies_at(&self, path: &Path, lookup: Lookup) -> io::Result<bool> {
        match lookup.identity(path) {
            Ok(found) => Ok(found == self.identity),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(error),
            Err(_) => Ok(false),
        }
    }
}

pub(super) const ROOT: u32 = 0;

/// Characters of a path that is told to people only: as many as the longest has that a process can name.
const LONGEST_PATH: usize = 4096;
