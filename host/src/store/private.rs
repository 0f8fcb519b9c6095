//! Files and directories that belong to the user alone.
//!
//! What is found with the wrong owner, or as a link, a device or a pipe, is refused: somebody else made it. What the user owns but others may
//! read is tightened to 0600 or 0700, but for a file whose text is itself the secret ([`Exposure::Refuse`]): others may have read it already,
//! and only the user can judge that.

use std::{
    fs::{self, DirBuilder, File, Permissions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::{Mode, OFlags};
use zeroize::Zeroizing;

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// To read what is there.
    Read,
    /// To read and write what is there.
    Write,
    /// To read and write, made if it is missing.
    WriteOrCreate,
    /// To write a file that must not be there yet.
    Create,
}

/// What happens to the user's own file if others may read or write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exposure {
    /// Its mode is set to 0600.
    Tighten,
    /// It is refused.
    Refuse,
}

/// Opens a private file, or tells that there is none.
///
/// # Errors
/// [`PrivateFileError`] if the file is not the user's own regular file, is exposed and that is refused, or cannot be opened.
pub(super) fn open(path: &Path, access: Access, exposure: Exposure) -> Result<Option<File>, PrivateFileError> {
    // Without NOFOLLOW a planted link would lead a write elsewhere; without NONBLOCK a planted pipe would hang the start.
    let always = OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let flags = always
        | match access {
            Access::Read => OFlags::RDONLY,
            Access::Write => OFlags::RDWR,
            Access::WriteOrCreate => OFlags::RDWR | OFlags::CREATE,
            Access::Create => OFlags::RDWR | OFlags::CREATE | OFlags::EXCL,
        };
    let file = match rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR) {
        Ok(descriptor) => File::from(descriptor),
        Err(rustix::io::Errno::NOENT) if matches!(access, Access::Read | Access::Write) => return Ok(None),
        Err(rustix::io::Errno::LOOP) => return Err(PrivateFileError::Kind { path: path.into() }),
        Err(cause) => return Err(PrivateFileError::io("open", path)(cause.into())),
    };
    let metadata = file.metadata().map_err(PrivateFileError::io("look at", path))?;
    if !metadata.is_file() {
        return Err(PrivateFileError::Kind { path: path.into() });
    }
    check_owner(path, &metadata)?;
    if metadata.mode() & OTHERS != 0 && exposure == Exposure::Refuse {
        return Err(PrivateFileError::Exposed { path: path.into() });
    }
    // A umask can take the owner's own bits away from a new file.
    let made = matches!(access, Access::Create | Access::WriteOrCreate);
    if metadata.mode() & OTHERS != 0 || (made && metadata.mode() & OWNER != OWNER) {
        file.set_permissions(Permissions::from_mode(OWNER)).map_err(PrivateFileError::io("set the mode of", path))?;
    }
    Ok(Some(file))
}

/// Makes a directory with mode 0700, and its parents, or tightens the one that is there.
///
/// # Errors
/// [`PrivateFileError`] if it is not the user's own directory or cannot be made.
pub(crate) fn ensure_directory(path: &Path) -> Result<(), PrivateFileError> {
    DirBuilder::new().recursive(true).mode(OWNER_DIRECTORY).create(path).map_err(PrivateFileError::io("make the directory", path))?;
    let metadata = fs::metadata(path).map_err(PrivateFileError::io("look at", path))?;
    check_owner(path, &metadata)?;
    if metadata.mode() & OTHERS != 0 {
        fs::set_permissions(path, Permissions::from_mode(OWNER_DIRECTORY)).map_err(PrivateFileError::io("set the mode of", path))?;
    }
    Ok(())
}

/// Reads a small private file whole, or tells that there is none.
///
/// # Errors
/// As [`open`]; a file of more than `most` bytes is an error as well.
pub(super) fn read(path: &Path, most: u64, exposure: Exposure) -> Result<Option<Zeroizing<Vec<u8>>>, PrivateFileError> {
    let Some(file) = open(path, Access::Read, exposure)? else { return Ok(None) };
    read_bounded(file, most).map(Some).map_err(PrivateFileError::io("read", path))
}

/// Reads to the end, which must come within `most` bytes.
pub(super) fn read_bounded(file: File, most: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    // With all the room at hand, reading never moves the bytes and leaves a copy behind.
    let room = usize::try_from(most.saturating_add(1)).unwrap_or(usize::MAX);
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it holds more than {most} bytes")));
    }
    Ok(bytes)
}

/// Puts a private file in place, whole or not at all: after a crash there is the old one, the new one, but never half a file.
///
/// Two writers at once spoil each other's temporary file, so the caller holds a lock.
///
/// # Errors
/// [`PrivateFileError::Io`]; then the old file, if there was one, is still there.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), PrivateFileError> {
    let temporary = temporary_beside(path);
    remove_if_there(&temporary).map_err(PrivateFileError::io("remove", &temporary))?;
    let Some(mut file) = open(&temporary, Access::Create, Exposure::Tighten)? else {
        return Err(PrivateFileError::io("make", &temporary)(io::ErrorKind::NotFound.into()));
    };
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    let placed = written.and_then(|()| fs::rename(&temporary, path)).and_then(|()| sync_directory_of(path));
    placed.map_err(PrivateFileError::io("write", path))
}

/// The name under which a file is made before it gets its own. Always the same, so that crashes leave one leftover at most.
pub(super) fn temporary_beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".new");
    path.with_file_name(name)
}

/// Makes a rename or a removal beside `path` survive a crash.
pub(super) fn sync_directory_of(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}

/// Removes a file; to remove nothing is no failure.
pub(super) fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(cause),
        _ => Ok(()),
    }
}

fn check_owner(path: &Path, metadata: &fs::Metadata) -> Result<(), PrivateFileError> {
    if metadata.uid() == rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    Err(PrivateFileError::Foreign { path: path.into(), owner: metadata.uid() })
}

/// Why a file or directory cannot serve as a private one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrivateFileError {
    /// It belongs to somebody else.
    #[error("`{path}` belongs to user {owner}, not to you", path = path.display())]
    Foreign {
        /// The file or directory.
        path: PathBuf,
        /// The numeric id of the user who owns it.
        owner: u32,
    },
    /// It is a link, a directory, a device or a pipe.
    #[error("`{path}` is not a regular file", path = path.display())]
    Kind {
        /// What is in the file's place.
        path: PathBuf,
    },
    /// Others may read or write it.
    #[error("others may read `{path}`", path = path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot {doing} `{path}`", path = path.display())]
    Io {
        /// What was tried: `open`.
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The operating system's answer.
        #[source]
        cause: io::Error,
    },
}

impl PrivateFileError {
    /// Wraps the operating system's answer.
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |cause| Self::Io { doing, path: path.into(), cause }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Foreign { path, .. } => format!("run as the user who owns `{0}`, or move `{0}` aside", path.display()),
            Self::Kind { path } => format!("move `{}` aside", path.display()),
            Self::Exposed { path } => format!("if nobody else has read it, run `chmod 600 '{}'`", path.display()),
            Self::Io { path, .. } => format!("see that `{}` can be written and its disk has room", path.parent().unwrap_or(path).display()),
        }
    }
}

/// The permission bits of anybody but the owner.
const OTHERS: u32 = 0o077;
/// Read and write for the owner.
const OWNER: u32 = 0o600;
/// All of a directory for the owner.
const OWNER_DIRECTORY: u32 = 0o700;

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn directories_and_files_are_made_for_the_owner_alone_and_tightened() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("a/b");
        ensure_directory(&directory).unwrap();
        assert_eq!(mode(&directory), 0o700);
        fs::set_permissions(&directory, Permissions::from_mode(0o755)).unwrap();
        ensure_directory(&directory).unwrap();
        assert_eq!(mode(&directory), 0o700);

        let file = directory.join("file");
        open(&file, Access::WriteOrCreate, Exposure::Tighten).unwrap().unwrap();
        assert_eq!(mode(&file), 0o600);
        fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(open(&file, Access::Read, Exposure::Refuse), Err(PrivateFileError::Exposed { .. })));
        open(&file, Access::Read, Exposure::Tighten).unwrap().unwrap();
        assert_eq!(mode(&file), 0o600);
    }

    #[test]
    fn what_is_no_regular_file_is_refused_at_once() {
        let home = tempfile::tempdir().unwrap();
        let target = home.path().join("target");
        fs::write(&target, "").unwrap();
        let link = home.path().join("link");
        std::os::unix::fs::symlink(&target, &link).unwrap();
        let pipe = home.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        for odd in [link, pipe, home.path().to_path_buf()] {
            let answer = open(&odd, Access::Read, Exposure::Tighten);
            assert!(matches!(answer, Err(PrivateFileError::Kind { .. })), "{}: {answer:?}", odd.display());
        }
    }

    #[test]
    fn a_replaced_file_is_whole_and_leaves_nothing_beside_it() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("file");
        assert!(read(&path, 8, Exposure::Refuse).unwrap().is_none());
        fs::write(temporary_beside(&path), "left by a crash").unwrap();
        replace(&path, b"one").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(read(&path, 8, Exposure::Refuse).unwrap().unwrap().as_slice(), b"two");
        assert!(read(&path, 2, Exposure::Refuse).is_err(), "more than the most");
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
        assert_eq!(mode(&path), 0o600);
    }
}
