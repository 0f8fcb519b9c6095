//! A running agent.

use std::{
    fs,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::{Home, Wire, canary, eventually};

/// A running agent. It is stopped at its end, and then its log and its processes' arguments and environments are searched for tokens.
pub(crate) struct Agent {
    child: Child,
    pub(crate) socket: PathBuf,
    log: PathBuf,
}

impl Agent {
    /// Starts the agent of `home` and waits until it listens.
    pub(crate) fn start(home: &Home) -> Self {
        Self::start_by(home, home.command(&["agent", "-v"]), &home.path(".local/state/flytoken/run/agent.sock"))
    }

    /// Starts an agent by this command and waits until it listens on `socket`.
    pub(crate) fn start_by(home: &Home, command: Command, socket: &Path) -> Self {
        Self::start_with(home, command, socket, Stdio::null())
    }

    /// The same, with something on its standard input.
    pub(crate) fn start_with(home: &Home, mut command: Command, socket: &Path, input: Stdio) -> Self {
        let log = home.outside("agent.log");
        let file = fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let mut child = command.stdin(input).stdout(Stdio::null()).stderr(file).spawn().unwrap();
        eventually("the agent", || {
            if let Some(status) = child.try_wait().unwrap() {
                panic!("the agent ended with {status}: {}", fs::read_to_string(&log).unwrap_or_default());
            }
            UnixStream::connect(socket).ok()
        });
        Self { child, socket: socket.to_owned(), log }
    }

    /// The process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it says it is, asked over its socket: quicker than by a command.
    pub(crate) fn status(&self) -> Value {
        Wire::connect(&self.socket).ask(&json!({ "op": "status" }))["reply"].take()
    }

    /// What the agent has logged so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// The processes below this one, whatever they are.
    pub(crate) fn descendants(&self) -> Vec<u32> {
        descendants(self.child.id())
    }

    /// Its memory in KiB.
    pub(crate) fn memory(&self) -> u64 {
        self.kibibytes("VmRSS:")
    }

    /// The most memory that it has had so far, in KiB.
    pub(crate) fn peak_memory(&self) -> u64 {
        self.kibibytes("VmHWM:")
    }

    fn kibibytes(&self, key: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// How many descriptors it has; none where nobody but root may look.
    pub(crate) fn descriptors(&self) -> Option<usize> {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).ok().map(Iterator::count)
    }

    /// How many descriptors it has, once connections that were closed are gone from it.
    pub(crate) fn settled_descriptors(&self) -> Option<usize> {
        let mut last = None;
        eventually("an idle agent", || {
            std::thread::sleep(Duration::from_millis(20));
            let now = self.descriptors();
            (last.replace(now) == Some(now)).then_some(now)
        })
    }

    /// Stops it as a service manager does; fails unless it ends well.
    pub(crate) fn stop(self) {
        self.stop_by(Signal::TERM);
    }

    /// Stops it by a signal; fails unless it ends well.
    pub(crate) fn stop_by(mut self, signal: Signal) {
        self.search_processes();
        kill_process(self.rustix_pid(), signal).unwrap();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "the agent ended with {status}: {}", self.log());
    }

    /// Waits until it ends of its own accord; fails unless it ends well.
    pub(crate) fn ends(mut self) {
        let status = eventually("the agent's end", || self.child.try_wait().unwrap());
        assert!(status.success(), "the agent ended with {status}: {}", self.log());
    }

    /// Kills it on the spot.
    pub(crate) fn kill(mut self) {
        kill_process(self.rustix_pid(), Signal::KILL).unwrap();
        self.child.wait().unwrap();
    }

    /// Fails if the arguments or the environment of the agent or of a process below it hold a token; the one child that needs one is
    /// the program that was granted it.
    pub(crate) fn search_processes(&self) {
        for pid in [self.child.id()].into_iter().chain(self.descendants()) {
            for what in ["cmdline", "environ"] {
                let bytes = fs::read(format!("/proc/{pid}/{what}")).unwrap_or_default();
                let program = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
                if what == "cmdline" || program.ends_with("flytoken") {
                    canary::assert_clean(&format!("{what} of process {pid}"), &bytes);
                }
            }
        }
    }

    fn rustix_pid(&self) -> Pid {
        Pid::from_raw(self.child.id().try_into().unwrap()).unwrap()
    }
}

impl Drop for Agent {
    #[expect(clippy::print_stdout, reason = "it is shown with what else the failed test has to say")]
    fn drop(&mut self) {
        if self.child.try_wait().unwrap().is_none() {
            let _ = kill_process(self.rustix_pid(), Signal::KILL);
            let _ = self.child.wait();
        }
        if let Ok(log) = fs::read(&self.log) {
            if std::thread::panicking() {
                println!("{}", String::from_utf8_lossy(&log));
            } else {
                canary::assert_clean("the agent's log", &log);
            }
        }
    }
}

fn descendants(pid: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let children = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let children: Vec<u32> =
        children.flat_map(|text| text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()).collect();
    children.iter().flat_map(|child| [vec![*child], descendants(*child)].concat()).collect()
}
