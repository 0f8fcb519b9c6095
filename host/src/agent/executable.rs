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
    programs::{self, CLIENT, WHOLE, beside, installed_path},
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
        let Ok(found) = self.would_run().and_then(fs::metadata) else { return false };
        Identity::of(&found) != self.runs && has_settled(&found, clock.now())
    }

    /// What is started there becomes the agent.
    fn would_run(&self) -> io::Result<PathBuf> {
        let found = fs::canonicalize(&self.path)?;
        Ok(if found.file_name() == Some(OsStr::new(CLIENT)) { beside(&found, WHOLE) } else { found })
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
        // By the link that leads to it, or by one to the client that becomes it.
        for name in [WHOLE, CLIENT] {
            let folder = tempfile::tempdir().unwrap();
            let link = folder.path().join("link");
            let install = |version: &str| {
                let place = folder.path().join(version);
                fs::create_dir(&place).unwrap();
                for name in [WHOLE, CLIENT] {
                    fs::write(place.join(name), version).unwrap();
                }
                place
            };
            let older = install("1.0");
            symlink(older.join(name), &link).unwrap();
            let runs = fs::metadata(older.join(WHOLE)).unwrap();
            let executable = Executable { path: link.clone(), runs: Identity::of(&runs) };
            let written = runs.ctime().unsigned_abs();
            let (at_once, later) = (At(written), At(written + 60));
            assert!(!executable.is_replaced(&later), "it is the one that runs");

            // By another version beside it, to which the link leads from then on.
            let newer = install("1.1");
            fs::remove_file(&link).unwrap();
            assert!(!executable.is_replaced(&later), "nothing is there");
            symlink(newer.join(name), &link).unwrap();
            assert!(!executable.is_replaced(&at_once), "it may be written still");
            assert!(executable.is_replaced(&later), "{name}");
            fs::remove_file(newer.join(WHOLE)).unwrap();
            assert!(!executable.is_replaced(&later), "nothing would start");
        }
    }
}
