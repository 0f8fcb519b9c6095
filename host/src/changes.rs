//! Waiting until some files are other than they were: the configuration's and the components'.
//!
//! File events only say when to look sooner than the clock does; whether something changed is told by the files themselves.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

/// Some files and folders, as they were at the last look.
pub struct Changes {
    places: Places,
    seen: Seen,
    wake: Arc<Notify>,
    /// None if the system gives no events: looking by the clock must do then.
    watcher: Option<RecommendedWatcher>,
    watched: BTreeSet<PathBuf>,
}

/// What is watched.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// Files, existing or not.
    pub files: Vec<PathBuf>,
    /// Folders whose YAML files all count.
    pub folders: Vec<PathBuf>,
}

/// What a look at all files saw; nothing where there is no file.
type Seen = BTreeMap<PathBuf, Option<Mark>>;

/// Tells one content of a file from another without reading it: device, inode, size, and the times of the last change in nanoseconds.
type Mark = (u64, u64, u64, i128, i128);

impl Changes {
    /// Begins with what is there now.
    pub fn of(places: Places) -> Self {
        let wake = Arc::new(Notify::new());
        let waker = Arc::clone(&wake);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| event.kind.is_access()) {
                return;
            }
            waker.notify_one();
        });
        let watcher = watcher.inspect_err(|error| tracing::debug!(%error, "no file events for the configuration")).ok();
        let mut changes = Self { seen: look(&places), places, wake, watcher, watched: BTreeSet::new() };
        changes.arm();
        changes
    }

    /// Goes on with other places. What the last look saw stays what a change is told by: it may be older than what was read since, never
    /// newer. Files named for the first time are looked at now, so they have to be read after this.
    pub fn follow(&mut self, places: Places) {
        self.places = places;
        self.arm();
        let before = std::mem::take(&mut self.seen);
        // A YAML file that is new in its folder may have come after the folder was read: not seen yet.
        let is_new_in_folder =
            |path: &Path| is_yaml(path) && path.parent().is_some_and(|parent| self.places.folders.iter().any(|folder| folder == parent));
        let now = look(&self.places).into_iter();
        self.seen = now
            .filter_map(|(path, mark)| match before.get(&path) {
                Some(seen) => Some((path, *seen)),
                None if is_new_in_folder(&path) && mark.is_some() => None,
                None => Some((path, mark)),
            })
            .collect();
    }

    /// Waits for a change; returns once a burst of them is over.
    pub async fn wait(&mut self, interval: Duration) {
        loop {
            // The interval bounds how long a lost event, or a folder that came to be, goes unnoticed.
            let woken = timeout(interval, self.wake.notified()).await.is_ok();
            if woken {
                sleep(DEBOUNCE).await;
            }
            self.arm();
            let now = look(&self.places);
            if now != self.seen {
                self.seen = now;
                return;
            }
        }
    }

    fn arm(&mut self) {
        let Some(watcher) = &mut self.watcher else { return };
        let parents = self.places.files.iter().filter_map(|file| file.parent());
        let wanted: BTreeSet<PathBuf> =
            parents.chain(self.places.folders.iter().map(PathBuf::as_path)).filter(|folder| folder.is_dir()).map(Path::to_owned).collect();
        for gone in self.watched.difference(&wanted) {
            // The watch of a removed folder is gone already.
            let _ = watcher.unwatch(gone);
        }
        let new: Vec<_> = wanted.difference(&self.watched).cloned().collect();
        self.watched.retain(|folder| wanted.contains(folder));
        for folder in new {
            if watcher.watch(&folder, RecursiveMode::NonRecursive).is_ok() {
                self.watched.insert(folder);
            }
        }
    }
}

fn look(places: &Places) -> Seen {
    let listed =
        places.folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let yaml = listed.filter(|path| is_yaml(path));
    places.files.iter().cloned().chain(yaml).map(|path| (mark(&path), path)).map(|(mark, path)| (path, mark)).collect()
}

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "yaml")
}

fn mark(path: &Path) -> Option<Mark> {
    let metadata = fs::metadata(path).ok()?;
    let nanos = |seconds: i64, nanos: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    Some((
        metadata.dev(),
        metadata.ino(),
        metadata.len(),
        nanos(metadata.mtime(), metadata.mtime_nsec()),
        nanos(metadata.ctime(), metadata.ctime_nsec()),
    ))
}

/// An editor writes a file in several steps; they are looked at as one.
const DEBOUNCE: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_that_appears_in_a_folder_is_a_change_and_an_access_is_none() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("config.d");
        fs::create_dir(&folder).unwrap();
        let mut changes = Changes::of(Places { files: vec![home.path().join("config.yaml")], folders: vec![folder.clone()] });
        let quiet = timeout(Duration::from_millis(200), changes.wait(Duration::from_millis(20))).await;
        assert!(quiet.is_err(), "nothing changed");
        fs::write(folder.join("notes.txt"), "").unwrap();
        assert!(timeout(Duration::from_millis(200), changes.wait(Duration::from_millis(20))).await.is_err(), "not a YAML file");
        fs::write(folder.join("more.yaml"), "").unwrap();
        timeout(Duration::from_secs(10), changes.wait(Duration::from_millis(20))).await.unwrap();
        fs::write(home.path().join("config.yaml"), "").unwrap();
        timeout(Duration::from_secs(10), changes.wait(Duration::from_millis(20))).await.unwrap();
    }
    /// Whether a change is told within a moment.
    async fn is_told(changes: &mut Changes) -> bool {
        timeout(Duration::from_millis(500), changes.wait(Duration::from_millis(20))).await.is_ok()
    }

    #[tokio::test]
    async fn what_changes_between_the_first_look_and_other_places_is_told() {
        let home = tempfile::tempdir().unwrap();
        let (folder, file, component) = (home.path().to_owned(), home.path().join("config.yaml"), home.path().join("corp.wasm"));
        let folders = || vec![home.path().to_owned()];
        fs::write(&file, "one").unwrap();
        fs::write(&component, "one").unwrap();
        let others = || Places { files: vec![file.clone(), component.clone()], folders: folders() };

        let mut changes = Changes::of(Places { files: Vec::new(), folders: folders() });
        changes.follow(others());
        assert!(!is_told(&mut changes).await, "nothing changed");
        fs::write(&component, "another").unwrap();
        assert!(is_told(&mut changes).await, "a component that was named later");

        let steps: [(&str, &dyn Fn()); 3] = [
            ("a file that was there", &|| fs::write(&file, "another").unwrap()),
            ("a file that came", &|| fs::write(folder.join("more.yaml"), "").unwrap()),
            ("a file that went", &|| fs::remove_file(&file).unwrap()),
        ];
        for (what, change) in steps {
            let mut changes = Changes::of(Places { files: Vec::new(), folders: folders() });
            change();
            changes.follow(others());
            assert!(is_told(&mut changes).await, "{what}");
            assert!(!is_told(&mut changes).await, "{what}, once more");
        }
    }
}
