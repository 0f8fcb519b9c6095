//! Ending everything a process started, however it tried to get away.

use std::time::Duration;

use rustix::{io::Errno, process::WaitOptions};
use tokio::time::Instant;

/// Ends every process below this one and returns whether all are gone.
///
/// This process has to inherit its descendants' orphans (Linux: a child subreaper): then whoever left its process group, its session or
/// its parent is still found below it, and having no child means having no descendant. Waits at most `patience`.
pub(super) fn end_all(patience: Duration) -> bool {
    let give_up = Instant::now() + patience;
    let mut pause = Duration::from_micros(50);
    // In most runs nothing is left, and one system call says so.
    while reap() == Left::Some {
        if Instant::now() >= give_up {
            return false;
        }
        kill_below(rustix::process::getpid());
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(5));
    }
    true
}

#[derive(PartialEq, Eq)]
enum Left {
    None,
    Some,
}

/// Takes note of every child that has ended.
fn reap() -> Left {
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) => return Left::Some,
            Err(_) => return Left::None,
        }
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) use elsewhere::kill_below;
#[cfg(target_os = "linux")]
pub(super) use linux::kill_below;

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use rustix::process::Pid;

    /// Does nothing: orphans go to process 1 here, where nobody can tell them apart. Killing the process group has to do.
    pub(in super::super) fn kill_below(_: Pid) {}
}

#[cfg(target_os = "linux")]
mod linux {
    use std::{collections::HashSet, fs};

    use rustix::{
        io::Errno,
        process::{Pid, PidfdFlags, Signal},
    };

    /// Sends SIGKILL to every process below `root`, but not to `root`.
    ///
    /// All are stopped first, until a look finds no new one: a process that keeps forking would outrun a plain sweep.
    pub(in super::super) fn kill_below(root: Pid) {
        let mut stopped = HashSet::new();
        for _ in 0..MOST_LOOKS {
            let fresh: Vec<Process> = below(root).into_iter().filter(|process| !stopped.contains(process)).collect();
            if fresh.is_empty() {
                break;
            }
            for process in fresh {
                process.signal(Signal::STOP);
                stopped.insert(process);
            }
        }
        for process in stopped {
            process.signal(Signal::KILL);
        }
    }

    /// One process: numbers are given out again, but not with the same start.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    struct Process {
        pid: Pid,
        /// Clock ticks since boot.
        started: u64,
    }

    impl Process {
        /// Signals this very process; one that took over its number in the meantime is left alone.
        fn signal(self, signal: Signal) {
            match rustix::process::pidfd_open(self.pid, PidfdFlags::empty()) {
                Ok(handle) if stat(self.pid).is_some_and(|(now, _)| now == self) => {
                    let _ = rustix::process::pidfd_send_signal(handle, signal);
                }
                // Linux before 5.3, and sandboxes that do not have it: a stray process is worse than the tiny gap here.
                Err(Errno::NOSYS | Errno::PERM) if stat(self.pid).is_some_and(|(now, _)| now == self) => {
                    let _ = rustix::process::kill_process(self.pid, signal);
                }
                Ok(_) | Err(_) => {}
            }
        }
    }

    /// Every process below `root`, parents first.
    fn below(root: Pid) -> Vec<Process> {
        let mut others: Vec<(Process, Pid)> = all().collect();
        let mut found: Vec<Process> = Vec::new();
        let mut parents = vec![root];
        while let Some(parent) = parents.pop() {
            others.retain(|(process, its_parent)| {
                let is_child = *its_parent == parent;
                if is_child {
                    found.push(*process);
                    parents.push(process.pid);
                }
                !is_child
            });
        }
        found
    }

    fn all() -> impl Iterator<Item = (Process, Pid)> {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok().and_then(Pid::from_raw));
        pids.filter_map(stat)
    }

    /// A process and its parent.
    fn stat(pid: Pid) -> Option<(Process, Pid)> {
        let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
        parse(pid, &stat)
    }

    /// Reads one line of [`proc_pid_stat(5)`](https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html).
    fn parse(pid: Pid, stat: &[u8]) -> Option<(Process, Pid)> {
        // The name comes second, in parentheses, and may hold anything: spaces, parentheses, a whole line like this one.
        let after_name = &stat[stat.iter().rposition(|byte| *byte == b')')? + 1..];
        let mut fields = std::str::from_utf8(after_name).ok()?.split_ascii_whitespace();
        let parent = Pid::from_raw(fields.nth(PARENT)?.parse().ok()?)?;
        let started = fields.nth(STARTED - PARENT - 1)?.parse().ok()?;
        Some((Process { pid, started }, parent))
    }

    /// Places of the fields behind the name, from 0.
    const PARENT: usize = 1;
    const STARTED: usize = 19;

    /// Stopping ends when a look finds nothing new; what still got away is found when the caller looks again.
    const MOST_LOOKS: usize = 64;

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_name_cannot_fake_the_fields_behind_it() {
            let line = b"7 (a) Z 1 2 (x) S 42 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 9001 1 2 3\n";
            let (process, parent) = parse(Pid::from_raw(7).unwrap(), line).unwrap();
            assert_eq!((process.started, parent), (9001, Pid::from_raw(42).unwrap()));
            for bad in [&b""[..], b"7 (x", b"7 (x) S", b"7 (x) S 0 1", b"7 (x) S 1 2 3", b"7 (\xff) \xff 1"] {
                assert!(parse(Pid::from_raw(7).unwrap(), bad).is_none());
            }
        }

        #[test]
        fn this_process_is_found_below_its_parent() {
            let parent = rustix::process::getppid().unwrap();
            assert!(below(parent).iter().any(|process| process.pid == rustix::process::getpid()));
        }
    }
}
