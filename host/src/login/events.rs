//! File events around the login: a hint to look sooner than the clock says, never a source of truth.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    ffi::{OsStr, OsString},
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher,
    event::{AccessKind, AccessMode},
};
use tokio::sync::Notify;

use crate::local_disk;

/// Wakes somebody when something happens to one file, or to the directories on the way to it.
pub(super) struct Events {
    file: PathBuf,
    /// None if the system gives no events: looking by the clock must do then.
    watcher: Option<RecommendedWatcher>,
    /// The watched directories, by what they were when the watch began: a replaced directory is watched anew.
    watched: BTreeMap<PathBuf, FileId>,
    names: Names,
}

/// Device and inode.
type FileId = (u64, u64);

/// The names whose events count, shared with the thread that receives them.
type Names = Arc<Mutex<BTreeSet<OsString>>>;

impl Events {
    /// Prepares to watch `file`; nothing is watched before [`Events::arm`].
    pub(super) fn new(file: &Path, wake: Arc<Notify>) -> Self {
        let names = Names::default();
        let relevant = Arc::clone(&names);
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if counts(event.as_ref(), &relevant) {
                wake.notify_one();
            }
        });
        let watcher = watcher.inspect_err(|error| tracing::debug!(%error, "no file events for the login")).ok();
        Self { file: file.to_owned(), watcher, watched: BTreeMap::new(), names }
    }

    /// Brings the watches up to date with the directories there are now. To be called before each look, so that what happens after the
    /// look is not missed. Whether events will tell of every change.
    pub(super) fn arm(&mut self) -> bool {
        let Some(watcher) = &mut self.watcher else { return false };
        let (mut wanted, mut names) = around(&self.file);
        // A link in the file's place is rewritten where it points to.
        if let Ok(target) = fs::canonicalize(&self.file)
            && target != self.file
        {
            let (directories, more) = around(&target);
            wanted.extend(directories);
            names.extend(more);
        }
        *self.names.lock().unwrap_or_else(PoisonError::into_inner) = names;
        self.watched.retain(|directory, id| {
            let stays = wanted.get(directory) == Some(id);
            if !stays {
                // The watch of a removed directory is gone already, which is an error here and no trouble.
                let _ = watcher.unwatch(directory);
            }
            stays
        });
        let mut sure = true;
        for (directory, id) in wanted {
            let Entry::Vacant(free) = self.watched.entry(directory) else { continue };
            match watcher.watch(free.key(), RecursiveMode::NonRecursive) {
                Ok(()) => drop(free.insert(id)),
                Err(error) => {
                    tracing::debug!(directory = %free.key().display(), %error, "cannot watch for changes of the login");
                    sure = false;
                }
            }
        }
        // A directory that came while its parent was not watched yet.
        sure && self.watched.keys().all(|directory| local_disk::holds(directory)) && self.is_around()
    }

    /// Whether the directories around the file are still those that are watched.
    fn is_around(&self) -> bool {
        around(&self.file).0.into_iter().all(|(directory, id)| self.watched.get(&directory) == Some(&id))
    }
}

/// The nearest existing directories above `file`, and the names in them that lead to it.
fn around(file: &Path) -> (BTreeMap<PathBuf, FileId>, BTreeSet<OsString>) {
    let (mut directories, mut names) = (BTreeMap::new(), BTreeSet::new());
    for path in file.ancestors() {
        let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else { break };
        names.insert(name.to_owned());
        if let Ok(metadata) = fs::metadata(directory)
            && metadata.is_dir()
        {
            directories.insert(directory.to_owned(), (metadata.dev(), metadata.ino()));
        }
        if directories.len() == LEVELS || cfg!(target_os = "macos") {
            break;
        }
    }
    (directories, names)
}

/// The file's directory, and the one that holds it, where a replaced or late directory shows. macOS reports whole trees: watching the
/// home directory would mean hearing of every file the user has, so a late directory is found by the clock there.
const LEVELS: usize = 2;

/// Whether an event may mean a change. `flyctl` makes and removes files of its own beside the login on every run, and our own reading
/// is an event too.
fn counts(event: Result<&Event, &notify::Error>, names: &Names) -> bool {
    let Ok(event) = event else { return true };
    if event.need_rescan() {
        return true;
    }
    if matches!(event.kind, EventKind::Access(kind) if kind != AccessKind::Close(AccessMode::Write)) {
        return false;
    }
    let names = names.lock().unwrap_or_else(PoisonError::into_inner);
    event.paths.iter().filter_map(|path| path.file_name()).any(|name: &OsStr| names.contains(name))
}

#[cfg(test)]
mod tests {
    use notify::event::{CreateKind, DataChange, ModifyKind};

    use super::*;

    #[test]
    fn only_changes_under_a_name_that_matters_count() {
        let names: Names = Arc::new(Mutex::new(["config.yml", ".fly"].into_iter().map(OsString::from).collect()));
        let write = EventKind::Modify(ModifyKind::Data(DataChange::Any));
        let cases = [
            (write, "/home/ada/.fly/config.yml", true),
            (EventKind::Create(CreateKind::Folder), "/home/ada/.fly", true),
            (EventKind::Access(AccessKind::Close(AccessMode::Write)), "/home/ada/.fly/config.yml", true),
            (EventKind::Access(AccessKind::Open(AccessMode::Any)), "/home/ada/.fly/config.yml", false),
            (EventKind::Access(AccessKind::Close(AccessMode::Read)), "/home/ada/.fly/config.yml", false),
            (write, "/home/ada/.fly/perms.1234", false),
            (write, "/home/ada/.fly/state.yml", false),
        ];
        for (kind, path, expected) in cases {
            assert_eq!(counts(Ok(&Event::new(kind).add_path(path.into())), &names), expected, "{kind:?} {path}");
        }
        assert!(counts(Err(&notify::Error::generic("lost")), &names), "a lost event may have been any");
    }

    #[test]
    fn the_nearest_existing_directories_are_watched() {
        let home = tempfile::tempdir().unwrap();
        let watched = |file: &Path| around(file).0.into_keys().collect::<Vec<_>>();
        let file = home.path().join("a/b/config.yml");
        if cfg!(target_os = "macos") {
            return assert!(watched(&file).is_empty());
        }
        assert!(watched(&file).contains(&home.path().to_owned()));
        fs::create_dir_all(home.path().join("a/b")).unwrap();
        assert_eq!(watched(&file), [home.path().join("a"), home.path().join("a/b")]);
    }
}
