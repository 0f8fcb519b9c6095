//! The program that a process runs: the very file, where it lies, and whether only root can change it.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    path::Path,
};

use rustix::fs::{AtFlags, CWD, Statx, StatxFlags, statx};

use super::{Executable, process::Process};
use crate::trust;

/// The file that a process was found to run. It is held, so that no other gets its number while somebody compares.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) identity: Identity,
    pub(super) file: OwnedFd,
}

/// Which file it is: no two have the same while one of them is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    device: (u32, u32),
    inode: u64,
}

impl From<&Statx> for Identity {
    fn from(found: &Statx) -> Self {
        Self { device: (found.stx_dev_major, found.stx_dev_minor), inode: found.stx_ino }
    }
}

impl Running {
    /// What the process runs now. An error also where nobody may look, as at a process of another user.
    pub(super) fn of(process: &Process) -> io::Result<Self> {
        let file = process.executable()?;
        let found = statx(file.as_fd(), "", AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC, StatxFlags::INO)?;
        Ok(Self { identity: Identity::from(&found), file })
    }

    /// Where it lies. May wait for file systems.
    ///
    /// What the kernel calls a file need not be where it is: a process in mounts of its own has another file there, and a file that was
    /// replaced keeps its path. A path counts if it leads to this very file from here.
    pub(super) fn place(&self, process: &Process) -> Executable {
        let Ok(path) = process.executable_path() else { return Executable::default() };
        if !path.is_absolute() || path.to_str().is_none() || !self.lies_at(&path) {
            let elsewhere: String = path.to_string_lossy().chars().take(LONGEST_PATH).collect();
            return Executable { elsewhere: Some(elsewhere), ..Executable::default() };
        }
        // Looked for once more where the links end: what was checked has to be what it is.
        let root_owned = trust::check(&path, ROOT).is_ok_and(|real| self.lies_at(&real));
        Executable { path: Some(path), root_owned, ..Executable::default() }
    }

    /// Whether this path leads to it, seen from this process.
    pub(super) fn lies_at(&self, path: &Path) -> bool {
        statx(CWD, path, AtFlags::empty(), StatxFlags::INO).is_ok_and(|found| Identity::from(&found) == self.identity)
    }
}

const ROOT: u32 = 0;

/// Characters of a path that is told to people only: as many as the longest has that a process can name.
const LONGEST_PATH: usize = 4096;
