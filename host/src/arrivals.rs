//! Folders above those that matter: `/etc`, as long as there is no `/etc/flytoken`, and `~` above `~/.config`.
//!
//! Others read and write in such a folder all the time. Only what comes to be there, or takes its place, wakes anybody, which the library for
//! file events does not offer: it tells of each file that somebody opens.

/// What is waited for in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Awaited {
    /// What matters is there, and may be replaced.
    Another,
    /// It is not there yet.
    Anything,
}

#[cfg(target_os = "linux")]
pub use linux::Arrivals;
#[cfg(not(target_os = "linux"))]
pub use others::Arrivals;

#[cfg(target_os = "linux")]
mod linux {
    use std::{collections::BTreeMap, path::PathBuf};

    use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init, remove_watch};
    use tokio::net::unix::pipe::Receiver;

    use super::Awaited;
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

        /// Goes on with these folders and no others. Whether all that is waited for will be told.
        pub fn follow(&mut self, folders: &BTreeMap<PathBuf, Awaited>) -> bool {
            let mut gone = std::mem::take(&mut self.watched);
            let mut sure = true;
            for (folder, awaited) in folders {
                gone.remove(folder);
                let more = if *awaited == Awaited::Anything { WatchFlags::CREATE } else { WatchFlags::empty() };
                // Anew each time: it is the same watch unless another folder is in its place.
                match add_watch(&self.events, folder, WATCHED | more) {
                    Ok(watch) => drop(self.watched.insert(folder.clone(), watch)),
                    Err(_) => sure = false,
                }
                sure &= local_disk::holds(folder);
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

    /// What takes the place of something, and that the folder itself is another. One folder may have two paths, and is watched for both.
    const WATCHED: WatchFlags = WatchFlags::MOVED_TO
        .union(WatchFlags::DELETE_SELF)
        .union(WatchFlags::MOVE_SELF)
        .union(WatchFlags::ONLYDIR)
        .union(WatchFlags::MASK_ADD);
}

#[cfg(not(target_os = "linux"))]
mod others {
    use std::{collections::BTreeMap, path::PathBuf};

    use super::Awaited;

    /// Nothing of the kind: who waits for a folder looks by the clock.
    pub struct Arrivals;

    impl Arrivals {
        /// None.
        pub fn new() -> Option<Self> {
            None
        }

        /// Nothing will be told.
        pub fn follow(&mut self, _: &BTreeMap<PathBuf, Awaited>) -> bool {
            false
        }

        /// Never completes.
        pub async fn some(&mut self) {
            std::future::pending().await
        }
    }
}
