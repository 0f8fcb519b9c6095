//! `flyctl`'s own files, written as it writes them.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};

/// When a login was, as flyctl writes it down.
pub(crate) const MONDAY: &str = "2026-11-02T10:00:00Z";
/// A day later.
pub(crate) const TUESDAY: &str = "2026-11-03T10:00:00Z";
/// When nobody is logged in.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// The directory that flyctl keeps its files in, and what it does there.
pub(crate) struct Flyctl(PathBuf);

impl Flyctl {
    /// With its files in this directory, which it makes when it first writes.
    pub(crate) fn at(directory: &Path) -> Self {
        Self(directory.to_owned())
    }

    /// The file with the login.
    pub(crate) fn file(&self) -> PathBuf {
        self.0.join("config.yml")
    }

    /// As `fly auth login` over whatever was there: it clears the old login, writes the token, then the time.
    pub(crate) fn logs_in(&self, token: &str, last_login: &str) {
        for text in [config("\"\"", NEVER), config(token, NEVER), config(token, last_login)] {
            self.writes(&text);
        }
    }

    /// As `fly auth logout`.
    pub(crate) fn logs_out(&self) {
        self.writes(&config("\"\"", NEVER));
    }

    /// Writes the whole file as any command of flyctl's does: under the exclusive lock, truncate, write.
    pub(crate) fn writes(&self, text: &str) {
        let lock = self.locks();
        File::create(self.file()).unwrap().write_all(text.as_bytes()).unwrap();
        lock.releases();
    }

    /// Takes the exclusive lock as flyctl does: it tries every 100 ms for a second.
    ///
    /// # Panics
    /// If somebody else has it for so long, as flyctl would fail.
    pub(crate) fn locks(&self) -> ConfigLock {
        fs::create_dir_all(&self.0).unwrap();
        let path = self.0.join("flyctl.config.lock");
        let descriptor = open(&path, OFlags::RDONLY | OFlags::CREATE | OFlags::CLOEXEC, Mode::RUSR | Mode::WUSR).unwrap();
        for _ in 0..10 {
            if flock(&descriptor, FlockOperation::NonBlockingLockExclusive).is_ok() {
                return ConfigLock(descriptor.into());
            }
            thread::sleep(Duration::from_millis(100));
        }
        panic!("flyctl could not lock its file for a second");
    }

    /// Everything in the directory, the directory included, with what would tell that somebody wrote to it.
    pub(crate) fn listing(&self) -> BTreeMap<PathBuf, (u64, u64, i64, i64)> {
        let entries = fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().path());
        let facts = |path: PathBuf| {
            let metadata = fs::symlink_metadata(&path).unwrap();
            (path, (metadata.ino(), metadata.size(), metadata.mtime(), metadata.mtime_nsec()))
        };
        entries.chain([self.0.clone()]).map(facts).collect()
    }
}

/// The exclusive lock of flyctl's file.
pub(crate) struct ConfigLock(File);

impl ConfigLock {
    /// Gives it back.
    pub(crate) fn releases(self) {
        // Not by closing alone: a child of a test that runs beside this one may hold the descriptor for a moment.
        flock(&self.0, FlockOperation::Unlock).unwrap();
    }
}

/// What flyctl's file holds: sorted keys, of which the token is the first, and other secrets.
pub(crate) fn config(token: &str, last_login: &str) -> String {
    let metrics = super::user_token();
    format!(
        "access_token: {token}\nlast_login: {last_login}\nmetrics_token: {metrics}\nwire_guard_state:\n    personal:\n        \
         localprivate: fo1_canaryOfWireGuard\n"
    )
}
