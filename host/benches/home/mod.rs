//! A throwaway home, and an agent in it as a process of its own: what the benchmarks share.

use std::{
    fs,
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// A throwaway home.
pub(crate) struct Home {
    folder: tempfile::TempDir,
    /// Where the socket is, and the private folders of commands: in memory, where the system has such a place.
    runtime: tempfile::TempDir,
}

impl Home {
    /// With somebody logged in, and a stand-in `fly` that does this.
    pub(crate) fn new(fly: &str) -> Self {
        let runtime = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let home = Self { folder: tempfile::tempdir().unwrap(), runtime };
        let login = home.path("home/.fly");
        fs::create_dir_all(&login).unwrap();
        fs::write(login.join("config.yml"), "access_token: fo1_bench\nlast_login: 2026-11-01T10:00:00Z\n").unwrap();
        fs::create_dir(home.path("bin")).unwrap();
        fs::write(home.fly(), fly).unwrap();
        fs::set_permissions(home.fly(), fs::Permissions::from_mode(0o755)).unwrap();
        home
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    /// The stand-in.
    pub(crate) fn fly(&self) -> PathBuf {
        self.path("bin/fly")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.runtime.path().join("flytoken/agent.sock")
    }

    /// The variables of a process in this home.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("HOME", self.path("home").display().to_string()),
            ("PATH", format!("{}:/usr/bin:/bin", self.path("bin").display())),
            ("XDG_RUNTIME_DIR", self.runtime.path().display().to_string()),
            ("XDG_CACHE_HOME", cache().display().to_string()),
        ]
    }

    /// A program in this home.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(self.variables()).current_dir(self.path("home"));
        command
    }
}

/// An agent or another process that listens, killed at its end.
pub(crate) struct Running(Child);

impl Running {
    /// An agent of this home, once it listens.
    pub(crate) fn agent(home: &Home) -> Self {
        // What a service manager starts.
        let mut command = home.command(env!("CARGO_BIN_EXE_flytokend"));
        command.arg("agent");
        Self::start(command, &home.socket())
    }

    /// Any process, once it listens.
    pub(crate) fn start(mut command: Command, socket: &Path) -> Self {
        let child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let running = Self(child);
        let deadline = Instant::now() + Duration::from_mins(1);
        while UnixStream::connect(socket).is_err() {
            assert!(Instant::now() < deadline, "nobody listens on {}", socket.display());
            thread::sleep(Duration::from_micros(200));
        }
        running
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Resident memory in KiB.
    pub(crate) fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Compiled code is shared by all homes of all benchmarks.
pub(crate) fn cache() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bench-cache")
}
