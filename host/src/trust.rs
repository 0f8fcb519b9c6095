//! Whether a file can be changed by anybody but its user and root.

use std::{
    collections::VecDeque,
    ffi::OsString,
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Component, Path, PathBuf},
};

/// Follows `path` to the real file or folder, and checks that nobody but root and the user `uid` can put something else in its place.
///
/// Every real component is looked at, from `/` on: each file, folder and link has to be owned by root or the user, and files and folders
/// must be writable by nobody else. A folder that others may write to passes if it is sticky, as `/tmp` is: what is in it can only be
/// replaced by its owner, and that owner is checked next. Returns the path without links.
///
/// # Errors
/// [`Untrusted`] names the first component that does not hold, and the command that mends it.
pub fn check(path: &Path, uid: u32) -> Result<PathBuf, Untrusted> {
    check_by(&Waiting, path, uid).map(|(real, _)| real)
}

/// The same, by what `files` say; and what the real file or folder was found to be.
///
/// # Errors
/// As [`check`].
pub(crate) fn check_by(files: &impl Files, path: &Path, uid: u32) -> Result<(PathBuf, Found), Untrusted> {
    if !path.is_absolute() {
        return Err(Untrusted::Relative(path.to_owned()));
    }
    let mut rest = VecDeque::new();
    put_in_front(&mut rest, path);
    let mut real = PathBuf::from("/");
    let mut at = look(files, &real, uid)?;
    let mut links = 0;
    while let Some(name) = rest.pop_front() {
        if name == ".." {
            real.pop();
            at = look(files, &real, uid)?;
            continue;
        }
        let next = real.join(&name);
        let found = look(files, &next, uid)?;
        if found.is_symlink() {
            links += 1;
            if links > MOST_LINKS {
                return Err(Untrusted::Loop(path.to_owned()));
            }
            let target = files.read_link(&next).map_err(|cause| Untrusted::unreadable(&next, cause))?;
            if target.is_absolute() {
                real = PathBuf::from("/");
                at = look(files, &real, uid)?;
            }
            put_in_front(&mut rest, &target);
            continue;
        }
        if !found.is_dir() && !rest.is_empty() {
            return Err(Untrusted::unreadable(&next, io::ErrorKind::NotADirectory.into()));
        }
        (real, at) = (next, found);
    }
    Ok((real, at))
}

/// What a file, folder or link is, as far as it matters here.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    /// Its owner.
    pub(crate) uid: u32,
    /// Its group.
    pub(crate) gid: u32,
    /// What kind it is, and who may do what.
    pub(crate) mode: u32,
    /// Its number on its device, which the two numbers before name.
    pub(crate) place: (u32, u32, u64),
}

impl Found {
    fn is(self, kind: rustix::fs::FileType) -> bool {
        rustix::fs::FileType::from_raw_mode(self.mode as rustix::fs::RawMode) == kind
    }

    fn is_symlink(self) -> bool {
        self.is(rustix::fs::FileType::Symlink)
    }

    fn is_dir(self) -> bool {
        self.is(rustix::fs::FileType::Directory)
    }
}

/// What tells about files.
pub(crate) trait Files {
    /// What lies at this path; of a link, the link itself.
    fn look(&self, path: &Path) -> io::Result<Found>;

    /// What a link says.
    fn read_link(&self, path: &Path) -> io::Result<PathBuf>;
}

/// The machine's files, for as long as they take.
pub(crate) struct Waiting;

impl Files for Waiting {
    fn look(&self, path: &Path) -> io::Result<Found> {
        let found = fs::symlink_metadata(path)?;
        let device = found.dev();
        let place = (rustix::fs::major(device), rustix::fs::minor(device), found.ino());
        Ok(Found { uid: found.uid(), gid: found.gid(), mode: found.mode(), place })
    }

    fn read_link(&self, path: &Path) -> io::Result<PathBuf> {
        fs::read_link(path)
    }
}

/// Why a path cannot be trusted.
#[derive(Debug, thiserror::Error)]
pub enum Untrusted {
    /// It does not start at `/`.
    #[error("{} is not an absolute path", shown(.0))]
    Relative(PathBuf),
    /// A component is not there.
    #[error("{} does not exist", shown(.0))]
    Missing(PathBuf),
    /// A component cannot be looked at.
    #[error("cannot look at {}", shown(path))]
    Unreadable {
        /// The component.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// A component belongs to somebody else.
    #[error("{} belongs to user {owner}, who could put something else there; type `sudo chown {uid} {}`", shown(path), shown(path))]
    Owner {
        /// The component.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// The user who should own it; root may as well.
        uid: u32,
    },
    /// A component can be written by others.
    #[error("{} can be changed by {}; type `chmod {} {}`", shown(path), writers.who(), writers.mend(), shown(path))]
    Writable {
        /// The component.
        path: PathBuf,
        /// Who else may write to it.
        writers: Writers,
    },
    /// Its links lead in a circle.
    #[error("{} leads through too many links", shown(.0))]
    Loop(PathBuf),
}

impl Untrusted {
    /// Whether the path, or something on the way to it, simply is not there.
    pub fn is_missing(&self) -> bool {
        match self {
            Self::Missing(_) => true,
            Self::Unreadable { cause, .. } => cause.kind() == io::ErrorKind::NotADirectory,
            _ => false,
        }
    }

    fn unreadable(path: &Path, cause: io::Error) -> Self {
        match cause.kind() {
            io::ErrorKind::NotFound => Self::Missing(path.to_owned()),
            _ => Self::Unreadable { path: path.to_owned(), cause },
        }
    }
}

/// Who besides its owner may write to a file or folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writers {
    /// Its group.
    Group,
    /// Everybody.
    Everybody,
}

impl Writers {
    fn of(mode: u32, gid: u32) -> Option<Self> {
        if mode & 0o002 != 0 {
            Some(Self::Everybody)
        } else if mode & 0o020 != 0 && !is_like_root(gid) {
            Some(Self::Group)
        } else {
            None
        }
    }

    fn who(self) -> &'static str {
        match self {
            Self::Group => "its group",
            Self::Everybody => "everybody",
        }
    }

    fn mend(self) -> &'static str {
        match self {
            Self::Group => "g-w",
            Self::Everybody => "go-w",
        }
    }
}

/// A path as a command line takes it, without control characters.
pub(crate) fn shown(path: &Path) -> String {
    let text: String = path.to_string_lossy().chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect();
    if text.chars().all(|c| c.is_alphanumeric() || "/._-+@:,".contains(c)) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

fn look(files: &impl Files, path: &Path, uid: u32) -> Result<Found, Untrusted> {
    let found = files.look(path).map_err(|cause| Untrusted::unreadable(path, cause))?;
    let owner = found.uid;
    if owner != ROOT && owner != uid {
        return Err(Untrusted::Owner { path: path.to_owned(), owner, uid });
    }
    // A link's own mode says nothing, and what is in a sticky folder can be replaced by its owner alone.
    let exempt = found.is_symlink() || (found.is_dir() && found.mode & STICKY != 0);
    match Writers::of(found.mode, found.gid) {
        Some(writers) if !exempt => Err(Untrusted::Writable { path: path.to_owned(), writers }),
        _ => Ok(found),
    }
}

/// Whether members of the group can become root anyway. On macOS those of `admin` can, and Homebrew leaves its folders writable by them.
fn is_like_root(gid: u32) -> bool {
    const MACOS_ADMIN: u32 = 80;
    gid == ROOT || (cfg!(target_os = "macos") && gid == MACOS_ADMIN)
}

fn put_in_front(rest: &mut VecDeque<OsString>, path: &Path) {
    for component in path.components().rev() {
        match component {
            Component::Normal(name) => rest.push_front(name.to_owned()),
            Component::ParentDir => rest.push_front("..".into()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
}

const ROOT: u32 = 0;
const STICKY: u32 = 0o1000;

/// As many as Linux follows; more is a circle.
const MOST_LINKS: u32 = 40;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn me() -> u32 {
        rustix::process::geteuid().as_raw()
    }

    fn home() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    fn file(path: &Path, mode: u32) {
        fs::write(path, "").unwrap();
        allow(path, mode);
    }

    fn folder(path: &Path, mode: u32) {
        fs::create_dir(path).unwrap();
        allow(path, mode);
    }

    fn allow(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn what_only_its_user_can_change_is_trusted_under_its_real_name() {
        let home = home();
        let real = home.path().canonicalize().unwrap();
        folder(&real.join("bin"), 0o755);
        file(&real.join("bin/fly"), 0o755);
        symlink("bin/fly", real.join("short")).unwrap();
        symlink(real.join("bin"), real.join("absolute")).unwrap();
        symlink("bin/../short", real.join("twice")).unwrap();
        for path in ["bin/fly", "short", "absolute/fly", "twice", "./bin/../bin/./fly"] {
            assert_eq!(check(&real.join(path), me()).unwrap(), real.join("bin/fly"), "{path}");
        }
    }

    #[test]
    fn what_others_can_change_is_refused_with_the_command_that_mends_it() {
        // The test may run as root, whose group counts as root; a group of its own stands for anybody's.
        let cases = [(0o777, Some("chmod go-w")), (0o757, Some("chmod go-w")), (0o755, None), (0o1777, None), (0o700, None)];
        for (mode, mend) in cases {
            let home = home();
            folder(&home.path().join("bin"), mode);
            file(&home.path().join("bin/fly"), 0o755);
            match (check(&home.path().join("bin/fly"), me()), mend) {
                (Ok(_), None) => {}
                (Err(error), Some(mend)) => assert!(error.to_string().contains(mend) && error.to_string().contains("bin"), "{error}"),
                (result, _) => panic!("{mode:o}: {result:?}"),
            }
        }
        let home = home();
        file(&home.path().join("fly"), 0o1777);
        assert!(matches!(check(&home.path().join("fly"), me()), Err(Untrusted::Writable { .. })), "a sticky file is no sticky folder");
    }

    #[test]
    fn a_group_may_write_only_if_its_members_are_root_anyway() {
        assert_eq!(Writers::of(0o775, 1000), Some(Writers::Group));
        assert_eq!(Writers::of(0o775, 0), None);
        assert_eq!(Writers::of(0o777, 0), Some(Writers::Everybody));
        assert_eq!(Writers::of(0o755, 1000), None);
        assert_eq!(Writers::of(0o775, 80), if cfg!(target_os = "macos") { None } else { Some(Writers::Group) });
    }

    #[test]
    fn what_belongs_to_somebody_else_is_refused() {
        let home = home();
        file(&home.path().join("fly"), 0o755);
        if me() == ROOT {
            std::os::unix::fs::chown(home.path().join("fly"), Some(4242), None).unwrap();
            let error = check(&home.path().join("fly"), ROOT).unwrap_err();
            assert!(matches!(error, Untrusted::Owner { owner: 4242, .. }), "{error}");
        } else {
            assert!(matches!(check(&home.path().join("fly"), me() + 1), Err(Untrusted::Owner { .. })));
        }
    }

    #[test]
    fn a_foreign_link_is_refused_wherever_it_leads() {
        if me() != ROOT {
            return; // Nobody else can give a link away.
        }
        let home = home();
        file(&home.path().join("fly"), 0o755);
        symlink("fly", home.path().join("link")).unwrap();
        std::os::unix::fs::lchown(home.path().join("link"), Some(4242), None).unwrap();
        assert!(matches!(check(&home.path().join("link"), ROOT), Err(Untrusted::Owner { .. })));
    }

    #[test]
    fn circles_gaps_and_relative_paths_are_refused() {
        let home = home();
        symlink("b", home.path().join("a")).unwrap();
        symlink("a", home.path().join("b")).unwrap();
        file(&home.path().join("file"), 0o600);
        assert!(matches!(check(&home.path().join("a"), me()), Err(Untrusted::Loop(_))));
        assert!(check(&home.path().join("none/x"), me()).unwrap_err().is_missing());
        assert!(check(&home.path().join("file/x"), me()).unwrap_err().is_missing());
        assert!(matches!(check(Path::new("fly"), me()), Err(Untrusted::Relative(_))));
    }

    #[test]
    fn a_path_is_shown_as_a_shell_takes_it() {
        for (path, expected) in [("/a/b-1", "/a/b-1"), ("/a b", "'/a b'"), ("/it's", r"'/it'\''s'"), ("/a\x1b[2J", "'/a\u{fffd}[2J'")] {
            assert_eq!(shown(Path::new(path)), expected);
        }
    }
}
