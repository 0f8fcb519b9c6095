//! A process, held by its folder in `/proc`.
//!
//! The folder's descriptor stands for one process: once that is gone everything below it is, also when its number is another's by then. So
//! whatever is read through the same descriptor is of the same process.

use std::{
    fs::File,
    io::{self, Read},
    os::fd::{AsFd, OwnedFd},
    path::PathBuf,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{AtFlags, CWD, Mode, OFlags, StatxFlags, openat, readlinkat, statx},
};

use super::executable::Identity;

/// A process, or what is left of one.
#[derive(Debug)]
pub(super) struct Process {
    folder: OwnedFd,
}

impl Process {
    /// Whoever has this number now.
    pub(super) fn open(pid: u32) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self { folder: openat(CWD, format!("/proc/{pid}"), flags, Mode::empty())? })
    }

    /// The file that it runs, opened so that it stays what it is.
    pub(super) fn executable(&self) -> io::Result<OwnedFd> {
        Ok(openat(&self.folder, "exe", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?)
    }

    /// The same, to be read.
    pub(super) fn executable_to_read(&self) -> io::Result<File> {
        // Never a device or a pipe: the kernel runs regular files alone.
        Ok(openat(&self.folder, "exe", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?.into())
    }

    /// What the kernel calls that file.
    pub(super) fn executable_path(&self) -> io::Result<PathBuf> {
        use std::os::unix::ffi::OsStringExt;

        let path = readlinkat(&self.folder, "exe", Vec::new())?;
        Ok(PathBuf::from(std::ffi::OsString::from_vec(path.into_bytes())))
    }

    /// Whether it still is there and runs this file. One system call, which waits for no file system.
    pub(super) fn runs(&self, identity: Identity) -> bool {
        let found = statx(&self.folder, "exe", AtFlags::STATX_DONT_SYNC, StatxFlags::INO);
        found.is_ok_and(|found| Identity::from(&found) == identity)
    }

    /// Whether it still is there.
    pub(super) fn is_there(&self) -> bool {
        statx(&self.folder, "stat", AtFlags::STATX_DONT_SYNC, StatxFlags::INO).is_ok()
    }

    /// Whose child it is.
    pub(super) fn parent(&self) -> io::Result<u32> {
        let stat = self.read("stat")?;
        // Its name comes first, in parentheses, and may hold anything.
        let rest = stat.rsplit_once(") ").map(|(_, rest)| rest);
        rest.and_then(|rest| rest.split(' ').nth(1)?.parse().ok()).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// Whose process it is now, by the effective user.
    pub(super) fn user(&self) -> io::Result<Option<u32>> {
        let status = self.read("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("Uid:"));
        Ok(line.and_then(|line| line.split_ascii_whitespace().nth(1)?.parse().ok()))
    }

    /// The control groups that it is in, as the kernel lists them.
    pub(super) fn cgroups(&self) -> io::Result<String> {
        self.read("cgroup")
    }

    fn read(&self, name: &str) -> io::Result<String> {
        let mut file = File::from(openat(&self.folder, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?);
        let mut bytes = vec![0; 4096];
        let length = file.read(&mut bytes)?;
        bytes.truncate(length);
        // The kernel hands out all there is as far as there is room: most are short.
        if length == 4096 {
            file.take(LONGEST).read_to_end(&mut bytes)?;
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// Whether the process of a descriptor still runs.
pub(super) fn lives(pidfd: impl AsFd) -> bool {
    let mut polled = [PollFd::new(&pidfd, PollFlags::IN)];
    // It becomes readable when the process has ended.
    poll(&mut polled, Some(&Timespec::default())).is_ok_and(|ended| ended == 0)
}

/// Longer than a list of all the groups that Linux lets a process be in.
const LONGEST: u64 = 1024 * 1024;
