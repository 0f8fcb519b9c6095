//! Following a path with or without waiting for a file system.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags, StatxFlags, openat2, readlinkat, statx};

use super::executable::Identity;
use crate::trust::{self, Found};

/// How a path is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lookup {
    /// For as long as the file systems on the way need.
    Waiting,
    /// By what the kernel has in memory, which it has of a program that runs: what would have to be waited for is
    /// [`io::ErrorKind::WouldBlock`], and so is all else where the kernel knows no such lookup (before 5.12).
    AtOnce,
}

impl Lookup {
    /// Which file a path leads to.
    pub(super) fn identity(self, path: &Path) -> io::Result<Identity> {
        let found = match self {
            Self::Waiting => statx(CWD, path, AtFlags::empty(), StatxFlags::INO)?,
            Self::AtOnce => statx(cached(path, OFlags::empty())?, "", OF_ITSELF, StatxFlags::INO)?,
        };
        Ok(Identity::from(&found))
    }
}

impl trust::Files for Lookup {
    fn look(&self, path: &Path) -> io::Result<Found> {
        match self {
            Self::Waiting => trust::Waiting.look(path),
            Self::AtOnce => {
                let wanted = StatxFlags::TYPE | StatxFlags::MODE | StatxFlags::UID | StatxFlags::GID | StatxFlags::INO;
                let found = statx(cached(path, OFlags::NOFOLLOW)?, "", OF_ITSELF, wanted)?;
                let place = (found.stx_dev_major, found.stx_dev_minor, found.stx_ino);
                Ok(Found { uid: found.stx_uid, gid: found.stx_gid, mode: found.stx_mode.into(), place })
            }
        }
    }

    fn read_link(&self, path: &Path) -> io::Result<PathBuf> {
        use std::os::unix::ffi::OsStringExt;

        match self {
            Self::Waiting => trust::Waiting.read_link(path),
            Self::AtOnce => {
                let target = readlinkat(cached(path, OFlags::NOFOLLOW)?, "", Vec::new())?;
                Ok(PathBuf::from(std::ffi::OsString::from_vec(target.into_bytes())))
            }
        }
    }
}

fn cached(path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    let opened = openat2(CWD.as_fd(), path, OFlags::PATH | OFlags::CLOEXEC | flags, Mode::empty(), ResolveFlags::CACHED);
    opened.map_err(|error| match error {
        rustix::io::Errno::NOSYS | rustix::io::Errno::INVAL | rustix::io::Errno::PERM => io::ErrorKind::WouldBlock.into(),
        error => error.into(),
    })
}

/// Of the descriptor, as it is known: a server's files are not asked for anew.
const OF_ITSELF: AtFlags = AtFlags::EMPTY_PATH.union(AtFlags::STATX_DONT_SYNC);

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn both_find_the_same_or_one_does_not_say() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "").unwrap();
        std::os::unix::fs::symlink("file", &link).unwrap();
        let would_block = |error: &io::Error| error.kind() == io::ErrorKind::WouldBlock;
        for path in [&file, &link, &folder.path().join("nothing")] {
            let kind = |error: io::Error| error.kind();
            match Lookup::AtOnce.identity(path) {
                Err(error) if would_block(&error) => {}
                found => assert_eq!(found.map_err(kind), Lookup::Waiting.identity(path).map_err(kind)),
            }
            match trust::check_by(&Lookup::AtOnce, path, rustix::process::geteuid().as_raw()) {
                Err(trust::Untrusted::Unreadable { cause, .. }) if would_block(&cause) => {}
                found => {
                    let waiting = trust::check_by(&trust::Waiting, path, rustix::process::geteuid().as_raw());
                    assert_eq!(found.ok().map(|(real, found)| (real, found.place)), waiting.ok().map(|(real, found)| (real, found.place)));
                }
            }
        }
    }
}
