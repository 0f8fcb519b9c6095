//! The agent's own program on disk: whether a newer one has taken its place.
//!
//! A program that runs stays what it was, whatever is put where it lay. An agent that somebody starts again when it is asked for can end then,
//! so that the newer one answers.

use std::{
    ffi::OsStr,
    fs::{self, Metadata},
    io,
    os::unix::fs::MetadataExt,
    path::PathBuf,
    time::Duration,
};

use crate::{
    programs::{self, WHOLE, installed_path},
    system::Clock,
    time::Timestamp,
};

/// The program of this process, and where whoever starts it finds it.
#[derive(Debug)]
pub struct Executable {
    path: PathBuf,
    runs: Identity,
}

/// Which file it is, whatever it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    number: u64,
}

impl Executable {
    /// The one of this process, which was started as `name`.
    ///
    /// # Errors
    /// If the system does not tell.
    pub fn of_this_process(name: &OsStr) -> io::Result<Self> {
        let path = installed_path(WHOLE, name, None)?;
        // On Linux the file itself, even if it has no name any more.
        let own = if cfg!(target_os = "linux") { "/proc/self/exe".into() } else { programs::own()? };
        let runs = fs::metadata(own)?;
        Ok(Self { path, runs: Identity::of(&runs) })
    }

    /// Whether another file lies there by now, whole: one that was changed just now may not be.
    pub fn is_replaced(&self, clock: &dyn Clock) -> bool {
        // Nothing there: it is being replaced, or was removed and would not start.
        let Ok(found) = fs::metadata(&self.path) else { return false };
        Identity::of(&found) != self.runs && has_settled(&found, clock.now())
    }
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), number: metadata.ino() }
    }
}

/// Whether nobody has changed the file for a while. A clock that was set back says so at once.
fn has_settled(metadata: &Metadata, now: Timestamp) -> bool {
    let changed = u64::try_from(metadata.ctime().max(metadata.mtime())).unwrap_or(0);
    let age = now.seconds().checked_sub(changed).map(Duration::from_secs);
    age.is_none_or(|age| age >= SETTLED)
}

/// Longer than installing a program of some megabytes takes between two of its writes.
const SETTLED: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    struct At(u64);

    impl Clock for At {
        fn now(&self) -> Timestamp {
            Timestamp::from_seconds(self.0)
        }
    }

    #[test]
    fn a_newer_file_in_its_place_counts_once_nobody_changes_it_any_more() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("1.0"), folder.path().join(WHOLE));
        fs::write(&path, "old").unwrap();
        symlink(&path, &link).unwrap();
        let executable = Executable { path: link.clone(), runs: Identity::of(&fs::metadata(&path).unwrap()) };
        let written = fs::metadata(&path).unwrap().ctime().unsigned_abs();
        let (at_once, later) = (At(written), At(written + 60));
        assert!(!executable.is_replaced(&later), "it is the one that runs");

        // By another version beside it, to which the link leads from then on.
        fs::write(folder.path().join("1.1"), "new").unwrap();
        fs::remove_file(&link).unwrap();
        assert!(!executable.is_replaced(&later), "nothing is there");
        symlink(folder.path().join("1.1"), &link).unwrap();
        assert!(!executable.is_replaced(&at_once), "it may be written still");
        assert!(executable.is_replaced(&later));
    }
}
