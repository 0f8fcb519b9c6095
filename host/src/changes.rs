//! Waiting until some files are other than they were: the configuration's and the components'.
//!
//! File events only say when to look sooner than the clock does; whether something changed is told by the files themselves.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    fs,
    future::pending,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::{sync::Notify, time::sleep};

use crate::{
    arrivals::{Arrivals, Awaited},
    local_disk,
};

/// Some files and folders, as they were at the last look.
pub struct Changes {
    places: Places,
    seen: Seen,
    wake: Arc<Notify>,
    /// None if the system gives no events: looking by the clock must do then.
    watcher: Option<RecommendedWatcher>,
    /// The watched folders, by what they were when the watch began: a replaced folder is watched anew.
    watched: BTreeMap<PathBuf, FolderId>,
    /// The folders above: others may come to be there, or take the place of one.
    arrivals: Option<Arrivals>,
    /// Whether events tell of every change.
    sure: bool,
}

/// Device and inode.
type FolderId = (u64, u64);

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
        let (arrivals, seen) = (Arrivals::new(), Seen::new());
        let mut changes = Self { places, seen, wake, watcher, watched: BTreeMap::new(), arrivals, sure: false };
        // In this order: what happens after the look is not missed.
        changes.arm();
        changes.seen = look(&changes.places);
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

    /// Waits for a change; returns once a burst of them is over. Files of which no event tells are looked at each `often`.
    pub async fn wait(&mut self, often: Duration) {
        loop {
            let pause = if self.sure { SELDOM.max(often) } else { often };
            let arrived = async {
                match &mut self.arrivals {
                    Some(arrivals) => arrivals.some().await,
                    None => pending().await,
                }
            };
            tokio::select! {
                () = self.wake.notified() => sleep(DEBOUNCE).await,
                () = arrived => sleep(DEBOUNCE).await,
                () = sleep(pause) => {}
            }
            self.arm();
            let now = look(&self.places);
            if now != self.seen {
                self.seen = now;
                return;
            }
        }
    }

    /// Brings the watches up to date with the folders there are now.
    fn arm(&mut self) {
        let folders = self.places.to_watch();
        self.sure = (0..MOST_ROUNDS).any(|_| {
            let (there, above) = sighted(&folders);
            let watches_all = self.watch(&there);
            let waits_for_all = self.arrivals.as_mut().is_some_and(|arrivals| arrivals.follow(&above));
            // A folder that came meanwhile came before anybody watched for it.
            watches_all && waits_for_all && sighted(&folders) == (there, above)
        });
    }

    /// Whether events will tell of every change in these folders.
    fn watch(&mut self, there: &BTreeMap<PathBuf, FolderId>) -> bool {
        let Some(watcher) = &mut self.watcher else { return false };
        self.watched.retain(|folder, id| {
            let stays = there.get(folder) == Some(id);
            if !stays {
                // The watch of a removed folder is gone already.
                let _ = watcher.unwatch(folder);
            }
            stays
        });
        for (folder, id) in there {
            if let Entry::Vacant(free) = self.watched.entry(folder.clone())
                && watcher.watch(folder, RecursiveMode::NonRecursive).is_ok()
            {
                free.insert(*id);
            }
        }
        there.keys().all(|folder| self.watched.contains_key(folder) && local_disk::holds(folder))
    }
}

impl Places {
    /// The folders in which something may change, existing or not: also those that links lead to.
    fn to_watch(&self) -> BTreeSet<PathBuf> {
        let targets = self.files.iter().filter_map(|file| fs::canonicalize(file).ok());
        let parents = self.files.iter().cloned().chain(targets).filter_map(|file| file.parent().map(Path::to_owned));
        parents.chain(self.folders.iter().cloned()).filter(|folder| folder.is_absolute()).collect()
    }
}

/// The folders that are there, and what they are; and those above all of them, with what is waited for there.
fn sighted(folders: &BTreeSet<PathBuf>) -> (BTreeMap<PathBuf, FolderId>, BTreeMap<PathBuf, Awaited>) {
    let (mut there, mut above) = (BTreeMap::new(), BTreeMap::new());
    for folder in folders {
        let mut awaited = match fs::metadata(folder) {
            Ok(metadata) if metadata.is_dir() => {
                there.insert(folder.clone(), (metadata.dev(), metadata.ino()));
                Awaited::Another
            }
            _ => Awaited::Anything,
        };
        for folder in folder.ancestors().skip(1).filter(|above| above.is_dir()) {
            let known = above.entry(folder.to_owned()).or_insert(awaited);
            *known = awaited.max(*known);
            awaited = Awaited::Another;
        }
    }
    (there, above)
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

/// How often files are looked at all the same where events tell of every change: what is mounted over a folder is no event.
const SELDOM: Duration = Duration::from_mins(2);

/// Folders that come and go all the time are looked at by the clock.
const MOST_ROUNDS: usize = 3;

/// An editor writes a file in several steps; they are looked at as one.
const DEBOUNCE: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

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

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn no_clock_is_needed_for_folders_that_come_are_replaced_or_are_linked_to() {
        let home = tempfile::tempdir().unwrap();
        if !local_disk::holds(home.path()) {
            return;
        }
        let (folder, elsewhere) = (home.path().join("a/b"), home.path().join("elsewhere"));
        let file = folder.join("config.yaml");
        let mut changes = Changes::of(Places { files: vec![file.clone()], folders: vec![folder.join("config.d")] });
        let steps: [(&str, &dyn Fn()); 6] = [
            ("a folder that came, and a file in it", &|| {
                fs::create_dir_all(&folder).unwrap();
                fs::write(&file, "one").unwrap();
            }),
            ("a folder in the folder", &|| {
                fs::create_dir(folder.join("config.d")).unwrap();
                fs::write(folder.join("config.d/x.yaml"), "one").unwrap();
            }),
            ("a file in that", &|| fs::write(folder.join("config.d/x.yaml"), "another").unwrap()),
            ("another folder in its place", &|| {
                fs::rename(home.path().join("a"), home.path().join("old")).unwrap();
                fs::create_dir_all(&folder).unwrap();
                fs::write(&file, "three").unwrap();
            }),
            ("a link in the file's place", &|| {
                fs::create_dir(&elsewhere).unwrap();
                fs::write(elsewhere.join("config.yaml"), "four, elsewhere").unwrap();
                fs::remove_file(&file).unwrap();
                std::os::unix::fs::symlink(elsewhere.join("config.yaml"), &file).unwrap();
            }),
            ("what it leads to", &|| fs::write(elsewhere.join("config.yaml"), "five").unwrap()),
        ];
        for (what, change) in steps {
            change();
            // What is made step by step may be told step by step.
            let told = timeout(Duration::from_secs(10), changes.wait(Duration::from_hours(1))).await;
            assert!(told.is_ok(), "{what}");
            while timeout(Duration::from_millis(200), changes.wait(Duration::from_hours(1))).await.is_ok() {}
        }
    }
}
