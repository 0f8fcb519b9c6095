//! The throwaway home: its files, its agent, and the end of both.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write},
    os::unix::{
        fs::{DirBuilderExt, OpenOptionsExt},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::Instant;

use super::{configuration::FOLDERS, failed};
use crate::{
    client::{self, Client},
    command::supervisor,
    paths,
    protocol::{Failure, Reply, Request},
    system::{self, Environment},
};

/// A home in which nothing belongs to anybody. What is left of it at the end goes with it, the agent first.
pub(super) struct Stage {
    folder: PathBuf,
    agent: Mutex<Agent>,
}

#[derive(Default)]
struct Agent {
    child: Option<Child>,
    /// Nothing more is started.
    interrupted: bool,
}

impl Stage {
    /// Makes the home below `TMPDIR`, or `/tmp`, under a name that nobody can guess, and for this user alone.
    pub(super) fn set(environment: &Environment) -> io::Result<Self> {
        let name = format!("flytoken-demo-{:08x}", u32::from_le_bytes(system::random()));
        let below = |parent: &Path| std::path::absolute(parent).map(|parent| parent.join(&name));
        let named = environment.var("TMPDIR").filter(|path| !path.is_empty()).map(|path| below(Path::new(path))).transpose()?;
        // Too deep a folder takes files, and no socket.
        let folder = match named.filter(|folder| paths::fits_a_socket(&folder.join(SOCKET))) {
            Some(folder) => folder,
            None => below(Path::new("/tmp"))?,
        };
        let private = |path: &Path| DirBuilder::new().mode(0o700).create(path);
        private(&folder).map_err(|cause| io::Error::new(cause.kind(), format!("{} cannot be made: {cause}", folder.display())))?;
        let stage = Self { folder, agent: Mutex::default() };
        for name in ["home", "home/.fly", "bin", "tmp"].iter().chain(&FOLDERS) {
            private(&stage.path(name))?;
        }
        Ok(stage)
    }

    /// Where all of it is.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A path in it.
    pub(super) fn path(&self, below: &str) -> PathBuf {
        self.folder.join(below)
    }

    /// Writes a file in one step: it may be in use.
    pub(super) fn write(&self, below: &str, bytes: impl AsRef<[u8]>, mode: u32) -> Result<(), Failure> {
        let (path, new) = (self.path(below), self.path("tmp/new"));
        let write = || {
            OpenOptions::new().write(true).create_new(true).mode(mode).open(&new)?.write_all(bytes.as_ref())?;
            fs::rename(&new, &path)
        };
        write().map_err(|cause| failed(format!("{} cannot be written: {cause}", path.display())))
    }

    /// Writes a file as flyctl writes its own: empties it, then writes.
    pub(super) fn write_in_place(&self, below: &str, text: &str) -> Result<(), Failure> {
        let path = self.path(below);
        fs::write(&path, text).map_err(|cause| failed(format!("{} cannot be written: {cause}", path.display())))
    }

    /// Starts the agent, and returns how long it took until it answered.
    pub(super) fn start_agent(&self) -> Result<Duration, Failure> {
        let begun = Instant::now();
        {
            let mut agent = self.agent.lock().unwrap_or_else(PoisonError::into_inner);
            if agent.interrupted {
                return Err(failed("it was interrupted"));
            }
            let start = || {
                let log = OpenOptions::new().create(true).append(true).mode(0o600).open(self.path("agent.log"))?;
                self.command(&["agent", "-v"])?.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn()
            };
            agent.child = Some(start().map_err(|cause| failed(format!("the agent cannot be started: {cause}")))?);
        }
        // It listens before it is ready, and answers once it is.
        let socket = self.socket();
        self.wait_for("the agent", || Client::connect(&socket).ok().map(drop))?;
        self.ask(Request::Status).map(|_| begun.elapsed())
    }

    /// Stops the agent as a service manager does.
    pub(super) fn stop_agent(&self) -> Result<(), Failure> {
        let child = self.agent.lock().unwrap_or_else(PoisonError::into_inner).child.take();
        let Some(mut child) = child else { return Err(failed("the agent is gone")) };
        match end(&mut child) {
            Ok(true) => Ok(()),
            Ok(false) => Err(failed("the agent did not stop as it should")),
            Err(cause) => Err(failed(format!("the agent cannot be stopped: {cause}"))),
        }
    }

    /// Ends the agent, for good.
    pub(super) fn interrupt(&self) {
        let child = {
            let mut agent = self.agent.lock().unwrap_or_else(PoisonError::into_inner);
            agent.interrupted = true;
            agent.child.take()
        };
        // It may be gone by now: Ctrl-C reaches every process of the terminal.
        let _ = child.map(|mut child| end(&mut child));
    }

    /// The agent's answer.
    #[expect(clippy::needless_pass_by_value, reason = "a request is made for this one question")]
    pub(super) fn ask(&self, request: Request) -> Result<Reply, Failure> {
        match client::ask(&self.socket(), &request)? {
            Some(answer) => answer,
            None => Err(failed("the agent is gone")),
        }
    }

    /// What a command prints when it goes well, with something on its standard input.
    pub(super) fn run(&self, arguments: &[&str], input: &str) -> Result<String, Failure> {
        let run = || {
            let mut command = self.command(arguments)?;
            let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
            if let Some(mut stdin) = child.stdin.take() {
                stdin.write_all(input.as_bytes())?;
            }
            child.wait_with_output()
        };
        let words = arguments.join(" ");
        let output = run().map_err(|cause| failed(format!("`flytoken {words}` cannot be run: {cause}")))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(failed(format!("`flytoken {words}` ended with {}\n{}", output.status, String::from_utf8_lossy(&output.stderr))))
    }

    /// Looks again and again until `look` finds something, for ten seconds at most.
    pub(super) fn wait_for<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> Result<T, Failure> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look() {
                return Ok(found);
            }
            let gone = match &mut self.agent.lock().unwrap_or_else(PoisonError::into_inner).child {
                Some(child) => child.try_wait().is_ok_and(|status| status.is_some()),
                None => true,
            };
            if gone || Instant::now() > deadline {
                let why = if gone { "the agent is gone".into() } else { format!("for {} s", PATIENCE.as_secs()) };
                return Err(failed(format!("waited for {what} in vain: {why}")));
            }
            thread::sleep(PAUSE);
        }
    }

    /// What the agents have logged so far.
    pub(super) fn log(&self) -> String {
        fs::read(self.path("agent.log")).map(|log| String::from_utf8_lossy(&log).into_owned()).unwrap_or_default()
    }

    /// The agent's socket: right in the home, since a socket's path must be short.
    pub(super) fn socket(&self) -> PathBuf {
        self.path(SOCKET)
    }

    /// Removes everything, and returns how many files it was.
    pub(super) fn remove(&self) -> io::Result<usize> {
        let files = count(&self.folder)?;
        fs::remove_dir_all(&self.folder)?;
        Ok(files)
    }

    /// This very binary, in the throwaway home and with no other variables.
    fn command(&self, arguments: &[&str]) -> io::Result<Command> {
        let path = format!("{}:/usr/bin:/bin", self.path("bin").display());
        let mut command = Command::new(supervisor::this_program()?);
        command.arg0("flytoken").args(arguments).current_dir(self.path("home")).env_clear();
        command.env("HOME", self.path("home")).env("TMPDIR", self.path("tmp")).env("PATH", path).env("FLYTOKEN_SOCKET", self.socket());
        Ok(command)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.interrupt();
        // Removed by now, if all went well. Otherwise there is nobody left to be told.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Ends a process gently, then not. Whether it ended by itself, and well.
fn end(child: &mut Child) -> io::Result<bool> {
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // It may have ended.
        let _ = kill_process(pid, Signal::TERM);
    }
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait()? {
            return Ok(status.success());
        }
        thread::sleep(PAUSE);
    }
    child.kill()?;
    child.wait().map(|_| false)
}

fn count(folder: &Path) -> io::Result<usize> {
    fs::read_dir(folder)?.try_fold(0, |files, entry| {
        let entry = entry?;
        Ok(files + if entry.file_type()?.is_dir() { count(&entry.path())? } else { 1 })
    })
}

/// The socket's name.
const SOCKET: &str = "agent.sock";

/// Everything here takes milliseconds; a loaded machine takes a while longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(1);
