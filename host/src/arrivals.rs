//! Folders in which something is to come to be: `/etc`, as long as there is no `/etc/flytoken`.
//!
//! Others read and write in such a folder all the time. Only what comes to be there wakes anybody, which the library for file events does not
//! offer: it tells of each file that somebody opens.

#[cfg(target_os = "linux")]
pub use linux::Arrivals;
#[cfg(not(target_os = "linux"))]
pub use others::Arrivals;

#[cfg(target_os = "linux")]
mod linux {
    use std::{collections::BTreeMap, path::PathBuf};

    use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init, remove_watch};
    use tokio::net::unix::pipe::Receiver;

    use crate::local_disk;

    /// Some folders, and what comes to be in them from now on.
    pub struct Arrivals {
        events: Receiver,
        watched: BTreeMap<PathBuf, i32>,
    }

    impl Arrivals {
        /// In no folder yet; none where the system offers nothing of the kind. Within a runtime.
        pub fn new() -> Option<Self> {
            let events = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok()?;
            // What is read like a pipe's end is waited for like one.
            let events = Receiver::from_owned_fd_unchecked(events).ok()?;
            Some(Self { events, watched: BTreeMap::new() })
        }

        /// Goes on with these folders and no others. Whether all that comes to be in them will be told.
        pub fn follow(&mut self, folders: impl IntoIterator<Item = PathBuf>) -> bool {
            let mut gone = std::mem::take(&mut self.watched);
            let mut sure = true;
            for folder in folders {
                gone.remove(&folder);
                // Anew each time: it is the same watch unless another folder is in its place.
                match add_watch(&self.events, &folder, WATCHED) {
                    Ok(watch) => drop(self.watched.insert(folder.clone(), watch)),
                    Err(_) => sure = false,
                }
                sure &= local_disk::holds(&folder);
            }
            for watch in gone.into_values().filter(|watch| !self.watched.values().any(|other| other == watch)) {
                // That of a folder that was removed is gone already.
                let _ = remove_watch(&self.events, watch);
            }
            sure
        }

        /// Completes once something came to be.
        pub async fn some(&mut self) {
            if self.events.readable().await.is_err() {
                return std::future::pending().await;
            }
            let mut buffer = [0; 4096];
            // What exactly is seen by whoever looks.
            while self.events.try_read(&mut buffer).is_ok_and(|read| read > 0) {}
        }
    }

    /// What is new, and that the folder itself is another.
    const WATCHED: WatchFlags = WatchFlags::CREATE
        .union(WatchFlags::MOVED_TO)
        .union(WatchFlags::DELETE_SELF)
        .union(WatchFlags::MOVE_SELF)
        .union(WatchFlags::ONLYDIR);
}

#[cfg(not(target_os = "linux"))]
mod others {
    use std::path::PathBuf;

    /// Nothing of the kind: who waits for a folder looks by the clock.
    pub struct Arrivals;

    impl Arrivals {
        /// None.
        pub fn new() -> Option<Self> {
            None
        }

        /// Nothing will be told.
        pub fn follow(&mut self, _: impl IntoIterator<Item = PathBuf>) -> bool {
            false
        }

        /// Never completes.
        pub async fn some(&mut self) {
            std::future::pending().await
        }
    }
}
