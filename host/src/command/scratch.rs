//! The empty private folder that a program runs in.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    system::{self, Environment},
    trust,
};

/// The best folder to make private ones in: one in memory, so that what a program writes, such as a log with a token in it, reaches no
/// disk, and costs none of its time. First `XDG_RUNTIME_DIR`, then `/dev/shm`; without either what is there of `XDG_RUNTIME_DIR`,
/// `TMPDIR` and `/tmp`.
pub fn place(environment: &Environment) -> PathBuf {
    let uid = rustix::process::geteuid().as_raw();
    let own = |name| environment.var(name).map(PathBuf::from);
    let places = [own("XDG_RUNTIME_DIR"), Some("/dev/shm".into()), own("TMPDIR"), Some(LAST_RESORT.into())];
    let usable: Vec<PathBuf> =
        places.into_iter().flatten().filter_map(|place| trust::check(&place, uid).ok()).filter(|place| is_writable(place)).collect();
    let shared_memory = Path::new("/dev/shm");
    let in_memory = usable.iter().find(|place| is_in_memory(place));
    in_memory.or_else(|| usable.iter().find(|place| *place != shared_memory)).cloned().unwrap_or_else(|| LAST_RESORT.into())
}

fn is_writable(folder: &Path) -> bool {
    use rustix::fs::Access;
    folder.is_dir() && rustix::fs::access(folder, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK).is_ok()
}

#[cfg(target_os = "linux")]
fn is_in_memory(folder: &Path) -> bool {
    /// `TMPFS_MAGIC` of [`statfs(2)`](https://man7.org/linux/man-pages/man2/statfs.2.html).
    const TMPFS: rustix::fs::FsWord = 0x0102_1994;
    rustix::fs::statfs(folder).is_ok_and(|found| found.f_type == TMPFS)
}

#[cfg(not(target_os = "linux"))]
fn is_in_memory(_: &Path) -> bool {
    false
}

/// An empty folder that only its owner may enter. Removed with all that is in it when dropped, unless it was handed over.
#[derive(Debug)]
pub(super) struct Scratch {
    path: PathBuf,
    ours: bool,
}

impl Scratch {
    /// Makes one in `parent`. Its name cannot be guessed, and making it fails rather than take what is already there.
    pub(super) fn create(parent: &Path) -> io::Result<Self> {
        let name = format!("{PREFIX}{:032x}", u128::from_le_bytes(system::random()));
        let path = parent.join(name);
        fs::DirBuilder::new().mode(PRIVATE).create(&path)?;
        Ok(Self { path, ours: true })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves the removal to the supervisor: it ends what runs in the folder first.
    pub(super) fn hand_over(mut self) -> PathBuf {
        self.ours = false;
        std::mem::take(&mut self.path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.ours {
            remove(&self.path);
        }
    }
}

/// Removes what is left in `place` of agents that were killed in the moment between making a folder and handing it over: empty folders of
/// this user's that are older than any run.
pub fn sweep(place: &Path) {
    // By the clock that dates them all: by any other, one that was made just now might look old.
    let newest = Scratch::create(place).and_then(|scratch| fs::metadata(scratch.path())?.modified());
    let Ok(now) = newest else { return };
    let uid = rustix::process::geteuid().as_raw();
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        let is_named = entry.file_name().to_str().and_then(|name| name.strip_prefix(PREFIX)).is_some_and(|rest| rest.len() == 32);
        let Ok(metadata) = entry.metadata() else { continue };
        let age = metadata.modified().ok().and_then(|made| now.duration_since(made).ok()).unwrap_or_default();
        if is_named && metadata.is_dir() && metadata.uid() == uid && age > ABANDONED {
            // One that is not empty stays: a supervisor is about to remove it.
            let _ = fs::remove_dir(entry.path());
        }
    }
}

/// Removes a folder and all that is in it, as far as that is possible; nothing there is as good. Links are not followed.
pub(super) fn remove(path: &Path) {
    let gone = |result: &io::Result<()>| result.as_ref().map_or_else(|error| error.kind() == io::ErrorKind::NotFound, |()| true);
    // Most programs leave nothing behind.
    if !gone(&fs::remove_dir(path)) && !gone(&fs::remove_dir_all(path)) {
        // A program may take the right to list or write its folders away, even from their owner.
        open_up(path);
        let _ = fs::remove_dir_all(path);
    }
}

fn open_up(path: &Path) {
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        let _ = fs::set_permissions(&folder, fs::Permissions::from_mode(PRIVATE));
        let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
        folders.extend(entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()));
    }
}

/// How the folders' names begin.
const PREFIX: &str = "flytoken-";

/// No run takes as long, by far.
const ABANDONED: Duration = Duration::from_hours(1);

const PRIVATE: u32 = 0o700;

const LAST_RESORT: &str = "/tmp";

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn the_folder_is_private_and_goes_with_its_owner() {
        let parent = tempfile::tempdir().unwrap();
        let scratch = Scratch::create(parent.path()).unwrap();
        let path = scratch.path().to_owned();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o700);
        fs::create_dir_all(path.join("logs/deep")).unwrap();
        fs::write(path.join("logs/deep/secret"), "x").unwrap();
        fs::set_permissions(path.join("logs"), fs::Permissions::from_mode(0o000)).unwrap();
        drop(scratch);
        assert!(!path.exists());
    }

    #[test]
    fn the_place_is_one_that_can_be_used() {
        let own = tempfile::tempdir().unwrap();
        for runtime in ["relative", "/no/such/folder", own.path().to_str().unwrap()] {
            let place = place(&Environment::from_iter([("XDG_RUNTIME_DIR", runtime)]));
            assert!(place.is_absolute() && Scratch::create(&place).is_ok(), "{runtime}: {}", place.display());
        }
    }

    #[test]
    fn only_empty_folders_that_nobody_can_want_any_more_are_swept_up() {
        let parent = tempfile::tempdir().unwrap();
        let now = fs::metadata(parent.path()).unwrap().modified().unwrap();
        let make = |name: &str, age: Duration| {
            let path = parent.path().join(name);
            fs::create_dir(&path).unwrap();
            fs::File::open(&path).unwrap().set_modified(now - age).unwrap();
            path
        };
        let name = |digit: char| format!("flytoken-{}", digit.to_string().repeat(32));
        let day = Duration::from_hours(24);
        let left = make(&name('0'), day);
        let kept = [make(&name('1'), Duration::from_mins(59)), make("flytoken-mine", day), make("other", day)];
        let full = make(&name('2'), day);
        fs::write(full.join("log"), "x").unwrap();
        fs::File::open(&full).unwrap().set_modified(UNIX_EPOCH).unwrap();
        sweep(parent.path());
        assert!(!left.exists());
        assert!(kept.iter().all(|path| path.exists()) && full.exists());
    }

    #[test]
    fn removing_follows_no_link() {
        let parent = tempfile::tempdir().unwrap();
        fs::write(parent.path().join("kept"), "x").unwrap();
        let scratch = Scratch::create(parent.path()).unwrap();
        std::os::unix::fs::symlink(parent.path(), scratch.path().join("out")).unwrap();
        remove(&scratch.hand_over());
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1);
    }
}
