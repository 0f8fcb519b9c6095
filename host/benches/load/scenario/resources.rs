//! What an agent holds: counted by itself, by the system, and in its folders.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use flytoken::{
    client::Client,
    protocol::{self, Reply, Request},
};
use tokio::time::Instant;

/// What an agent holds at one moment, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Resources(pub(crate) BTreeMap<String, usize>);

impl Resources {
    /// Counts what the agent `pid` holds, and the entries of these folders.
    pub(crate) fn of(pid: u32, socket: &Path, folders: &[(&str, PathBuf)]) -> Self {
        let mut client = Client::connect(socket).unwrap();
        let Ok(Reply::Status(status)) = client.ask(&Request::Status).unwrap() else { panic!("no status") };
        let protocol::Resources { leases, owners, tombstones, tasks, connections, supervisors } = status.resources;
        let own = [
            ("cached leases", leases),
            ("owners", owners),
            ("tombstones", tombstones),
            ("tasks", tasks),
            ("connections", connections),
            ("supervisors", supervisors),
        ];
        let mut counts: BTreeMap<String, usize> = own.map(|(name, count)| (name.to_owned(), usize::try_from(count).unwrap())).into();
        counts.insert("child processes".into(), children(pid));
        // Nobody but root may look at those of a process that is not dumpable.
        if let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) {
            counts.insert("file descriptors".into(), descriptors.count());
        }
        for (name, folder) in folders {
            counts.insert(format!("entries of {name}"), entries(folder));
        }
        Self(counts)
    }

    /// What the agent holds once that stays the same: the connection of a look is not closed the moment that the look is over.
    pub(crate) fn steady(look: impl Fn() -> Self) -> Self {
        let mut last = look();
        for _ in 0..50 {
            std::thread::sleep(PAUSE);
            let now = look();
            if now == last {
                return now;
            }
            last = now;
        }
        panic!("the agent does not come to rest: {last:?}");
    }

    /// Waits until the agent holds what it held `before`, plus `more` of some things, and tells what is different if it never does.
    pub(crate) fn settle(before: &Self, more: &[(&str, usize)], patience: Duration, look: impl Fn() -> Self) -> (Self, Vec<String>) {
        let mut expected = before.clone();
        for (name, count) in more {
            *expected.0.entry((*name).to_owned()).or_default() += count;
        }
        let begun = Instant::now();
        loop {
            let now = look();
            let differ = expected.0.iter().filter(|(name, count)| now.0.get(*name) != Some(*count));
            let told: Vec<_> = differ.map(|(name, count)| format!("{name}: {count} expected, {:?} there", now.0.get(name))).collect();
            if told.is_empty() || begun.elapsed() > patience {
                return (now, told);
            }
            std::thread::sleep(PAUSE);
        }
    }
}

/// The processes that this one started and that are still there.
fn children(pid: u32) -> usize {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let children = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    children.map(|text| text.split_whitespace().count()).sum()
}

fn entries(folder: &Path) -> usize {
    let below = |entry: fs::DirEntry| 1 + entry.file_type().map_or(0, |kind| if kind.is_dir() { entries(&entry.path()) } else { 0 });
    fs::read_dir(folder).into_iter().flatten().flatten().map(below).sum()
}

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(200);
