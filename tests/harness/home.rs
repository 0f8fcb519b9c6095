//! A home directory for one behaviour, and the real binary in it.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{OnceLock, mpsc},
    thread,
    time::Duration,
};

use flytoken::system::{Clock, Environment, SystemClock};
use rustix::process::{Pid, Signal, kill_process};

use super::{Agent, Fly, canary, user_token};

/// A home directory, empty at first. At its end every file in it is searched for leaked tokens.
pub(crate) struct Home {
    folder: tempfile::TempDir,
    variables: BTreeMap<String, String>,
}

impl Home {
    /// An empty home: nobody is logged in, nothing is installed or configured.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        for name in ["home", "bin", "tmp"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let variables = [
            ("HOME", path("home")),
            ("PATH", format!("{}:/usr/bin:/bin", path("bin"))),
            ("TMPDIR", path("tmp")),
            ("FLYTOKEN_TEST_CLOCK", path("clock")),
            ("FLYTOKEN_TEST_PANIC", path("secrets/panic")),
            // The administrator's files are not this machine's.
            ("FLYTOKEN_TEST_SYSTEM", path("system")),
            // Where the stand-in `fly` keeps what it knows.
            ("FLYTOKEN_TEST_WRITES", path("fly")),
            // Shared by all behaviours: compiled code depends on nothing but the components.
            ("XDG_CACHE_HOME", shared_cache().display().to_string()),
        ];
        let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self { folder, variables }
    }

    /// A home with a stand-in `fly` and somebody logged in with `token`.
    pub(crate) fn logged_in(token: &str) -> (Self, Fly) {
        let home = Self::new();
        home.log_in(token);
        let fly = home.install_fly();
        (home, fly)
    }

    /// A path in the home directory.
    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join("home").join(below)
    }

    /// The folder around the home directory.
    pub(crate) fn outside(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    /// Sets a variable for what is run from now on.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.variables.insert(name.to_owned(), value.to_owned());
    }

    /// Removes a variable.
    pub(crate) fn unset(&mut self, name: &str) {
        self.variables.remove(name);
    }

    /// Puts a stand-in `fly` on the path.
    pub(crate) fn install_fly(&self) -> Fly {
        Fly::install(&self.outside("bin"), &self.outside("fly"))
    }

    /// Writes the login as flyctl does after `fly auth login`.
    pub(crate) fn log_in(&self, token: &str) {
        self.write_login(&format!("access_token: {token}\nlast_login: 2026-11-01T10:00:00Z\nwire_guard_state: {{}}\n"));
    }

    /// Writes the whole of flyctl's file as flyctl does: truncate, write.
    pub(crate) fn write_login(&self, text: &str) {
        fs::create_dir_all(self.path(".fly")).unwrap();
        fs::write(self.path(".fly/config.yml"), text).unwrap();
    }

    /// Writes the user's configuration.
    pub(crate) fn configure(&self, yaml: &str) {
        self.write(".config/flytoken/config.yaml", yaml);
    }

    /// Writes the administrator's policy.
    pub(crate) fn govern(&self, yaml: &str) {
        self.write(self.outside("system/policy.yaml"), yaml);
    }

    /// Writes a file in the home directory, or wherever an absolute path leads, in one step: it may be in use.
    pub(crate) fn write(&self, path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) {
        let path = self.folder.path().join("home").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let new = path.with_extension("new");
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new).unwrap();
        file.write_all(bytes.as_ref()).unwrap();
        fs::rename(new, path).unwrap();
    }

    /// Moves the clock of every process of this home, also of running ones; seconds from the machine's own time.
    pub(crate) fn set_clock(&self, offset: i64) {
        let new = self.outside("clock.new");
        fs::write(&new, offset.to_string()).unwrap();
        fs::rename(new, self.outside("clock")).unwrap();
    }

    /// Orders one panic, in the next `run` for this app or in its `owner`. A token is in its message: none may show.
    pub(crate) fn break_at(&self, app: &str, place: &str) {
        self.write(self.outside("secrets/panic"), format!("{app} {place} {}", user_token()));
    }

    /// Whether the panic that was ordered is still to come.
    pub(crate) fn panic_is_pending(&self) -> bool {
        self.outside("secrets/panic").exists()
    }

    /// Moves the clock so that it is this moment now, in unix seconds.
    pub(crate) fn live_at(&self, seconds: i64) {
        let now = SystemClock::new(&Environment::default()).now().seconds();
        self.set_clock(seconds - i64::try_from(now).unwrap());
    }

    /// The binary, with this home's variables and no others.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.command_of(env!("CARGO_BIN_EXE_flytoken"), arguments)
    }

    /// Another program, with the same.
    pub(crate) fn command_of(&self, program: impl AsRef<OsStr>, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).env_clear().envs(&self.variables).current_dir(self.folder.path().join("home"));
        command
    }

    /// Runs the binary to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(arguments, "")
    }

    /// Runs the binary to its end with something on its standard input.
    pub(crate) fn run_with(&self, arguments: &[&str], input: &str) -> Ran {
        self.run_with_bytes(arguments, input.as_bytes())
    }

    /// Runs the binary to its end with any bytes on its standard input.
    pub(crate) fn run_with_bytes(&self, arguments: &[&str], input: &[u8]) -> Ran {
        Ran::of(self.command(arguments), input)
    }

    /// Runs a line of shell in this folder with the binary on its path, and answers with what it printed, both streams in one.
    pub(crate) fn shell(&self, folder: &Path, line: &str) -> String {
        let program = Path::new(env!("CARGO_BIN_EXE_flytoken"));
        let mut command = Command::new("sh");
        command.args(["-c", &format!("exec 2>&1\n{line}")]).env_clear().envs(&self.variables).current_dir(folder);
        command.env("PATH", format!("{}:{}", program.parent().unwrap().display(), self.variables["PATH"]));
        String::from_utf8(command.stdin(Stdio::null()).output().unwrap().stdout).unwrap()
    }

    /// What `get` with these arguments answers as JSON; fails unless there is a token.
    pub(crate) fn get(&self, arguments: &[&str]) -> serde_json::Value {
        let ran = self.run(&[&["get", "--json"], arguments].concat());
        ran.ends_with(0);
        ran.json()
    }

    /// How `app` was resolved last, by the agent.
    pub(crate) fn explained(&self, app: &str) -> serde_json::Value {
        self.run(&["explain", app, "--json"]).json()["resolution"].take()
    }

    /// Starts the agent and waits until it listens.
    pub(crate) fn agent(&self) -> Agent {
        Agent::start(self)
    }

    /// Fails if a file of this home holds a token that does not belong there.
    pub(crate) fn assert_no_leaks(&self) {
        // Where tokens come from, and the one file that is flyctl's own.
        let sources = [self.outside("fly"), self.path(".fly/config.yml"), self.outside("secrets")];
        canary::search(self.folder.path(), &sources);
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.assert_no_leaks();
        }
    }
}

/// What a run of the binary came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// Runs a command to its end with something on its standard input.
    pub(crate) fn of(mut command: Command, input: &[u8]) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // A command that does not read its input may be gone by now.
        let _ = child.stdin.take().unwrap().write_all(input);
        let (ended, ends) = mpsc::channel::<()>();
        let id = Pid::from_child(&child);
        // An agent that starts although it should not would be waited for without end.
        let watch = thread::spawn(move || {
            let is_stuck = ends.recv_timeout(LONGEST_RUN) == Err(mpsc::RecvTimeoutError::Timeout);
            is_stuck.then(|| kill_process(id, Signal::KILL))
        });
        let output = child.wait_with_output().unwrap();
        drop(ended);
        assert!(watch.join().unwrap().is_none(), "{:?} did not end within {LONGEST_RUN:?}", command.get_args());
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let ran = Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) };
        canary::assert_clean(&format!("standard error of {:?}", command.get_args()), ran.stderr.as_bytes());
        ran
    }

    /// The token on standard output.
    pub(crate) fn token(&self) -> String {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        self.stdout.trim_end().to_owned()
    }

    /// Standard output as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {} {}", self.stdout, self.stderr))
    }

    /// Fails unless it ended with this exit code; the text it wrote to standard error otherwise.
    pub(crate) fn ends_with(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
        &self.stderr
    }
}

/// Longer than any command takes on a machine that compiles something else meanwhile.
const LONGEST_RUN: Duration = Duration::from_mins(5);

fn shared_cache() -> &'static Path {
    static CACHE: OnceLock<PathBuf> = OnceLock::new();
    CACHE.get_or_init(|| {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("cache");
        fs::create_dir_all(&folder).unwrap();
        folder
    })
}
