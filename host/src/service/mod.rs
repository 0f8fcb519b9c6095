//! The agent as a service of one user: which files say so to systemd or launchd, and which commands put them in force.

mod installed;
mod invoke;
pub mod launchd;
pub mod systemd;

use std::{
    ffi::{OsStr, OsString},
    fmt, fs, io,
    path::{Path, PathBuf},
};

pub use self::installed::Installed;
use crate::{
    config::ProfileName,
    paths::Paths,
    programs::{WHOLE, installed_path},
    system::Environment,
    trust,
};

/// What a service manager has to know of the agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// The program, where it is to be found after an upgrade as well.
    pub program: PathBuf,
    /// The profile that the agent is for.
    pub profile: Option<ProfileName>,
    /// The socket that clients look for.
    pub socket: PathBuf,
    /// Variables that say where things lie. A service manager starts what it starts without those of anybody's shell.
    pub variables: Vec<(&'static str, OsString)>,
}

impl Definition {
    /// The agent as it would run here and now: this program, which was started as `name`, with the places and the profile of `paths`.
    ///
    /// # Errors
    /// If there is no place for the socket, or the system does not say which program this is.
    pub fn here(name: &OsStr, environment: &Environment, paths: &Paths) -> Result<Self, DefinitionError> {
        let socket = paths.socket().map_err(|error| DefinitionError::Socket(error.to_string()))?;
        let socket = socket.ok_or_else(|| DefinitionError::Socket("there is no place for the agent's socket".into()))?;
        let absolute = |path: &OsStr| std::path::absolute(path).map_err(DefinitionError::Program);
        let profile = paths.profile().cloned();
        let mut variables = vec![("FLYTOKEN_SOCKET", absolute(socket.as_os_str())?.into_os_string())];
        if let Some(profile) = &profile {
            variables.push(("FLYTOKEN_PROFILE", profile.as_str().into()));
        }
        for name in PLACES {
            if let Some(value) = environment.var(name).filter(|value| !value.is_empty()) {
                variables.push((name, absolute(value)?.into_os_string()));
            }
        }
        if let Some(path) = environment.var("PATH") {
            // What is relative means another folder there.
            let folders = std::env::split_paths(path).filter(|folder| folder.is_absolute());
            variables.extend(std::env::join_paths(folders).ok().map(|path| ("PATH", path)));
        }
        Ok(Self {
            program: installed_path(WHOLE, name, environment.var("PATH")).map_err(DefinitionError::Program)?,
            profile,
            socket: absolute(socket.as_os_str())?,
            variables,
        })
    }
}

/// Why the agent cannot be made a service.
#[derive(Debug, thiserror::Error)]
pub enum DefinitionError {
    /// There is no place for its socket.
    #[error("{0}")]
    Socket(String),
    /// The system does not say which program this is, or where.
    #[error("the system does not say where this program lies: {0}")]
    Program(#[source] io::Error),
}

/// The files of a service, and what is run to have it begin and end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// The files.
    pub files: Vec<ServiceFile>,
    /// What fails where there is no service manager that would read them; none where there always is one.
    pub reach: Option<Invocation>,
    /// What has it begin, once they are written.
    pub begin: Vec<Invocation>,
    /// What has it end, while they are there.
    pub end: Vec<Invocation>,
    /// What makes it forgotten, once they are gone.
    pub ended: Vec<Invocation>,
}

impl Service {
    /// The service of this machine's kind.
    ///
    /// # Errors
    /// [`Unwritable`] if a value cannot stand in its files, or there is no home for them.
    pub fn of(definition: &Definition, environment: &Environment, paths: &Paths) -> Result<Self, Unwritable> {
        let home = paths.home().ok_or(Unwritable { what: "the home directory", why: "it is not known: HOME is not set" })?;
        if cfg!(target_os = "macos") {
            return launchd::service(definition, home, rustix::process::getuid().as_raw());
        }
        let config = environment.var("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        systemd::service(definition, &config.unwrap_or_else(|| home.join(".config")).join("systemd/user"))
    }
}

/// A file that is written for a service manager.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceFile {
    /// Where it lies.
    pub path: PathBuf,
    /// What it says.
    pub text: String,
}

/// What lies in the place of such a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Nothing,
    /// The file itself.
    Same,
    /// One that was written by us, for another program, place or version.
    Older,
    /// Something that somebody else wrote.
    Foreign,
}

impl ServiceFile {
    /// What lies in its place.
    ///
    /// # Errors
    /// If that cannot be read.
    pub fn found(&self) -> io::Result<Found> {
        // A link is somebody's own doing, whatever it leads to; and nothing else of ours is that long.
        match fs::symlink_metadata(&self.path) {
            Ok(found) if !found.is_file() || found.len() > LONGEST => return Ok(Found::Foreign),
            Ok(_) => {}
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
            Err(cause) => return Err(cause),
        }
        let text = fs::read(&self.path)?;
        Ok(match String::from_utf8(text) {
            Ok(text) if text == self.text => Found::Same,
            Ok(text) if text.contains(MARK) => Found::Older,
            _ => Found::Foreign,
        })
    }
}

/// A command that has a service manager do something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// The program, looked for in PATH.
    pub program: &'static str,
    /// Its arguments.
    pub args: Vec<String>,
    /// Whether it is no failure if it fails: what it ends may not be there.
    pub may_fail: bool,
}

impl Invocation {
    fn new(program: &'static str, args: &[&str]) -> Self {
        Self { program, args: args.iter().map(|&arg| arg.to_owned()).collect(), may_fail: false }
    }

    fn or_not(self) -> Self {
        Self { may_fail: true, ..self }
    }
}

/// As it is typed.
impl fmt::Display for Invocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.program)?;
        self.args.iter().try_for_each(|arg| write!(f, " {}", trust::shown(Path::new(arg))))
    }
}

/// A value that cannot stand in a service manager's file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} cannot stand in a service manager's file: {why}")]
pub struct Unwritable {
    what: &'static str,
    why: &'static str,
}

/// The text of a value, which must not begin a line of its own.
fn text<'a>(what: &'static str, value: &'a OsStr) -> Result<&'a str, Unwritable> {
    let text = value.to_str().ok_or(Unwritable { what, why: "it is not UTF-8" })?;
    if text.chars().any(char::is_control) { Err(Unwritable { what, why: "it holds control characters" }) } else { Ok(text) }
}

/// By this line a file is known as ours.
const MARK: &str = "Written by `flytoken agent install`, and removed by `flytoken agent uninstall`.";

/// Variables with which somebody moves files that the agent and its clients have to agree on.
const PLACES: [&str; 5] = ["FLYTOKEN_CONFIG", "FLY_CONFIG_DIR", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"];

/// Far more than such a file takes.
const LONGEST: u64 = 1 << 16;
