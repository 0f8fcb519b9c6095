//! What flytoken leaves on a disk, told apart from what somebody else put beside it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// A folder of flytoken's, and what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leavings {
    /// The folder.
    pub folder: PathBuf,
    /// Files and links that flytoken made, below it.
    pub ours: Vec<PathBuf>,
    /// What it did not make, or does not know; nothing of it is touched.
    pub others: Vec<PathBuf>,
    /// Folders that flytoken made, the innermost first; the last one is `folder` itself.
    folders: Vec<PathBuf>,
}

/// What a folder is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Databases, the key, locks, components that were added.
    State,
    /// Compiled code, all of which can be made again.
    Cache,
    /// The socket and its lock.
    Socket,
}

impl Leavings {
    /// Looks into a folder; none if it is not there. Links are not followed, but the one that may lead to the folder.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn look(folder: &Path, purpose: Purpose) -> io::Result<Option<Self>> {
        if !folder.is_dir() {
            return Ok(None);
        }
        let mut leavings = Self { folder: folder.to_owned(), ours: Vec::new(), others: Vec::new(), folders: Vec::new() };
        leavings.walk(folder, purpose)?;
        Ok(Some(leavings))
    }

    fn walk(&mut self, folder: &Path, purpose: Purpose) -> io::Result<()> {
        let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            let Ok(below) = path.strip_prefix(&self.folder) else { continue };
            // What is not text is no name of ours.
            let below = below.to_str().unwrap_or("?");
            match (entry.file_type()?.is_dir(), is_ours(below, purpose)) {
                (true, true) => self.walk(&path, purpose)?,
                (false, true) => self.ours.push(path),
                (_, false) => self.others.push(path),
            }
        }
        self.folders.push(folder.to_owned());
        Ok(())
    }

    /// Removes what is flytoken's, and each folder that is empty then.
    ///
    /// # Errors
    /// What could not be removed first, and why; the rest is gone all the same.
    pub fn remove(&self) -> Result<(), (PathBuf, io::Error)> {
        let mut failed = None;
        for path in &self.ours {
            match fs::remove_file(path) {
                Err(cause) if cause.kind() != io::ErrorKind::NotFound => failed = failed.or(Some((path.clone(), cause))),
                Ok(()) | Err(_) => {}
            }
        }
        for folder in &self.folders {
            match fs::remove_dir(folder) {
                // Something that is not ours is in it, or it is a link to a folder of the user's choice.
                Err(cause) if matches!(cause.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::NotADirectory) => {}
                Err(cause) if cause.kind() != io::ErrorKind::NotFound => failed = failed.or(Some((folder.clone(), cause))),
                Ok(()) | Err(_) => {}
            }
        }
        failed.map_or(Ok(()), Err)
    }
}

/// Whether flytoken gives this name, below a folder of this purpose, to a file or folder of its own.
fn is_ours(below: &str, purpose: Purpose) -> bool {
    // Half a file, left by a crash.
    let below = below.strip_suffix(".new").unwrap_or(below);
    match purpose {
        Purpose::Cache => below == "components" || below.starts_with("components/"),
        Purpose::Socket => is_of_socket(below),
        Purpose::State => match below.split_once('/') {
            None => {
                ["locks", "plugins", "run", "key", "key-place", "key.lock"].contains(&below)
                    || ["cache", "kept"].iter().any(|database| is_of_database(below, database))
            }
            Some(("locks", name)) => name.strip_suffix(".lock").is_some_and(|name| !name.contains('/')),
            Some(("plugins", name)) => name.strip_suffix(".wasm").is_some_and(is_digest),
            Some(("run", name)) => is_of_socket(name),
            Some(_) => false,
        },
    }
}

fn is_of_socket(name: &str) -> bool {
    ["agent.sock", "agent.sock.lock", "http.sock", "http.sock.lock", "http.bearer"].contains(&name)
}

/// The database itself, what locks it, or a damaged one that was set aside.
fn is_of_database(name: &str, database: &str) -> bool {
    let is_one = |rest: &str| rest == ".redb" || rest == ".lock" || rest.starts_with(".redb.damaged-");
    name.strip_prefix(database).is_some_and(is_one)
}

fn is_digest(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        folder
    }

    fn left(folder: &Path) -> Vec<String> {
        let Ok(Some(found)) = Leavings::look(folder, Purpose::State) else { return Vec::new() };
        found.ours.iter().chain(&found.others).map(|path| path.strip_prefix(folder).unwrap().display().to_string()).collect()
    }

    #[test]
    fn what_is_ours_goes_with_its_folders() {
        let digest = "0".repeat(64);
        let plugin = format!("plugins/{digest}.wasm");
        let files = [
            "kept.redb",
            "kept.lock",
            "kept.redb.damaged-1700000000",
            "cache.redb",
            "key",
            "key.new",
            "key-place",
            "run/agent.sock",
            "run/http.sock",
            "run/http.bearer",
            &plugin,
        ];
        let home = folder(&files);
        let state = Leavings::look(home.path(), Purpose::State).unwrap().unwrap();
        assert_eq!((state.ours.len(), state.others.len()), (files.len(), 0), "{state:?}");
        state.remove().unwrap();
        assert!(!home.path().exists());
        assert_eq!(Leavings::look(home.path(), Purpose::State).unwrap(), None);
    }

    #[test]
    fn what_is_not_stays_and_is_named() {
        let theirs = ["audit.jsonl", "locks/notes", "plugins/mine.wasm", "profiles/work/kept.redb", "run/keys", "run/agent.sock.d/x"];
        let home = folder(&[&["key", "locks/web.deploy.lock"][..], &theirs].concat());
        let state = Leavings::look(home.path(), Purpose::State).unwrap().unwrap();
        state.remove().unwrap();
        let left = left(home.path());
        assert_eq!(left, ["audit.jsonl", "locks/notes", "plugins/mine.wasm", "profiles", "run/agent.sock.d", "run/keys"], "{state:?}");
    }

    #[test]
    fn links_are_removed_and_not_followed() {
        let elsewhere = folder(&["components/code", "key"]);
        let home = folder(&["components/code"]);
        symlink(elsewhere.path(), home.path().join("components/link")).unwrap();
        Leavings::look(home.path(), Purpose::Cache).unwrap().unwrap().remove().unwrap();
        assert!(!home.path().exists() && elsewhere.path().join("key").exists() && elsewhere.path().join("components/code").exists());
    }
}
