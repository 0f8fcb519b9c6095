//! The socket's place: a directory that only its owner can write to, one agent at a time, and no stale sockets in the way.

use std::{
    fs::{self, DirBuilder, Permissions},
    io,
    os::unix::{
        fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt},
        net::UnixListener,
    },
    path::{Path, PathBuf},
};

use super::lock::AgentLock;
use crate::{
    audience::Audience,
    causes::with_causes,
    protocol::{Failure, FailureCode},
    store::LockError,
    trust,
};

/// The place of a socket of which this process is the only agent. Dropping it removes the socket, then gives up the lock.
#[derive(Debug)]
pub struct Endpoint {
    socket: PathBuf,
    _lock: AgentLock,
}

impl Endpoint {
    /// Makes the directory if it is missing, checks it, takes the lock, and listens. A socket left behind by an agent that is gone is
    /// taken over. Nobody but its owner reaches it, unless it is for everybody. The listener does not block, and is ready for a runtime.
    ///
    /// # Errors
    /// [`EndpointError`] says what is in the way.
    pub fn claim(socket: &Path, audience: Audience) -> Result<(Self, UnixListener), EndpointError> {
        check_length(socket)?;
        let directory = directory_of(socket);
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(EndpointError::io("make the directory", directory))?;
        check_directory(directory)?;
        let mode = match audience {
            Audience::Owner => 0o600,
            Audience::Everybody => {
                // Whoever may reach the socket may write to it. Nothing else in the folder is anybody's to read, the lock least of all: who may
                // open that may hold it.
                let everybody = Permissions::from_mode(0o755);
                fs::set_permissions(directory, everybody).map_err(EndpointError::io("set the mode of", directory))?;
                0o666
            }
        };
        let lock = AgentLock::take(socket)?.map_err(|pid| EndpointError::Running { socket: socket.into(), pid: Pid(pid) })?;
        remove_stale(socket)?;
        let listener = UnixListener::bind(socket).map_err(EndpointError::io("listen on", socket))?;
        // Nobody else can reach it in between: the directory is the owner's.
        fs::set_permissions(socket, Permissions::from_mode(mode)).map_err(EndpointError::io("set the mode of", socket))?;
        listener.set_nonblocking(true).map_err(EndpointError::io("listen on", socket))?;
        Ok((Self { socket: socket.into(), _lock: lock }, listener))
    }

    /// The socket's path.
    pub fn socket(&self) -> &Path {
        &self.socket
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        // If it cannot be removed, the next agent takes it over.
        let _ = fs::remove_file(&self.socket);
    }
}

/// Why this process cannot be the agent of a socket.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// An agent runs on it.
    #[error("an agent{pid} already listens on `{socket}`", socket = socket.display())]
    Running {
        /// The socket.
        socket: PathBuf,
        /// Its process id.
        pid: Pid,
    },
    /// The system's socket addresses are shorter.
    #[error("the socket's path `{socket}` is {length} bytes long, and at most {MAX_PATH} fit", socket = socket.display())]
    TooLong {
        /// The socket.
        socket: PathBuf,
        /// The length of its path, in bytes.
        length: usize,
    },
    /// Others could put their own socket there.
    #[error("the socket cannot be in `{directory}`: {problem}", directory = directory.display())]
    Directory {
        /// The directory, or one that it is in.
        directory: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Something else is where the socket should be.
    #[error("`{socket}` is not a socket", socket = socket.display())]
    Occupied {
        /// The socket.
        socket: PathBuf,
    },
    /// The lock's file cannot be used.
    #[error("the agent's lock cannot be used")]
    Lock(#[from] LockError),
    /// The system says no.
    #[error("cannot {doing} `{path}`", path = path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system says.
        #[source]
        cause: io::Error,
    },
}

/// A process id that may be unknown; reads ` (process 123)`, or nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pid(pub Option<u32>);

impl std::fmt::Display for Pid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.map_or(Ok(()), |pid| write!(f, " (process {pid})"))
    }
}

impl EndpointError {
    /// The error of a path that is too long for a socket.
    pub fn too_long(socket: &Path) -> Self {
        Self::TooLong { socket: socket.into(), length: socket.as_os_str().len() }
    }

    fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |cause| Self::Io { doing, path: path.into(), cause }
    }

    /// What to do.
    pub fn hint(&self) -> String {
        match self {
            Self::Running { pid: Pid(Some(pid)), .. } => format!("use that one (`flytoken status`), or stop it: `kill {pid}`"),
            Self::Running { .. } => "use that one: `flytoken status`".into(),
            Self::TooLong { .. } => "name a shorter one: `export FLYTOKEN_SOCKET=/run/user/$(id -u)/flytoken.sock`, or set XDG_RUNTIME_DIR to a shorter directory".into(),
            Self::Directory { .. } => "name one in a directory of your own with mode 0700: `export FLYTOKEN_SOCKET=~/.flytoken/agent.sock`".into(),
            Self::Occupied { socket } => format!("move `{}` aside, or set FLYTOKEN_SOCKET to another path", socket.display()),
            Self::Lock(_) | Self::Io { .. } => "see that the directory can be written, or name another: `export FLYTOKEN_SOCKET=~/.flytoken/agent.sock`".into(),
        }
    }
}

impl From<EndpointError> for Failure {
    fn from(error: EndpointError) -> Self {
        let code = match error {
            EndpointError::Running { .. } | EndpointError::Lock(_) | EndpointError::Io { .. } => FailureCode::Agent,
            EndpointError::TooLong { .. } | EndpointError::Directory { .. } | EndpointError::Occupied { .. } => FailureCode::Misconfigured,
        };
        let message = with_causes(&error);
        Self { code, message, hint: error.hint(), steps: Vec::new() }
    }
}

fn check_length(socket: &Path) -> Result<(), EndpointError> {
    if socket.as_os_str().len() > MAX_PATH { Err(EndpointError::too_long(socket)) } else { Ok(()) }
}

/// Checks that nobody else can put a socket of theirs in the place of this one.
///
/// # Errors
/// [`EndpointError::Directory`] names the directory and what is wrong with it.
#[cfg(not(target_os = "linux"))]
pub fn check_directory_of(socket: &Path) -> Result<(), EndpointError> {
    check_directory(directory_of(socket))
}

fn directory_of(socket: &Path) -> &Path {
    socket.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Checks what the path really leads to: the directory is this user's, and nobody else can replace it or anything above it.
fn check_directory(directory: &Path) -> Result<(), EndpointError> {
    let uid = rustix::process::geteuid().as_raw();
    let refused = |problem: String| EndpointError::Directory { directory: directory.into(), problem };
    let path = std::path::absolute(directory).map_err(EndpointError::io("look at", directory))?;
    let real = trust::check(&path, uid).map_err(|untrusted| refused(untrusted.to_string()))?;
    let metadata = fs::metadata(&real).map_err(EndpointError::io("look at", &real))?;
    match (metadata.uid(), metadata.mode() & 0o7777) {
        (owner, _) if owner != uid => Err(refused(format!("it belongs to user {owner}"))),
        // Even a sticky one: others could take the names of the socket and its lock first.
        (_, mode) if mode & 0o022 != 0 => Err(refused(format!("its mode {mode:04o} lets others write to it"))),
        _ => Ok(()),
    }
}

/// Removes the socket of an agent that is gone. The lock is held, so no living agent has it.
fn remove_stale(socket: &Path) -> Result<(), EndpointError> {
    match fs::symlink_metadata(socket) {
        Ok(metadata) if metadata.file_type().is_socket() => {
            tracing::info!(socket = %socket.display(), "taking over from an agent that is gone");
            fs::remove_file(socket).map_err(EndpointError::io("remove", socket))
        }
        Ok(_) => Err(EndpointError::Occupied { socket: socket.into() }),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(cause) => Err(EndpointError::io("look at", socket)(cause)),
    }
}

/// The longest path that fits a socket's address, one byte of which ends it.
const MAX_PATH: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(socket: &Path) -> Result<(Endpoint, UnixListener), EndpointError> {
        Endpoint::claim(socket, Audience::Owner)
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn the_socket_and_its_directory_are_for_the_owner_alone() {
        let home = tempfile::tempdir().unwrap();
        let socket = home.path().join("run/agent.sock");
        let endpoint = claim(&socket).unwrap();
        assert_eq!((mode(socket.parent().unwrap()), mode(&socket)), (0o700, 0o600));
        drop(endpoint);
        assert!(!socket.exists());
    }

    #[test]
    fn a_second_agent_is_refused_and_told_who_runs() {
        let home = tempfile::tempdir().unwrap();
        let socket = home.path().join("agent.sock");
        assert_eq!(AgentLock::holder(&socket).unwrap(), crate::agent::Holder::Nobody);
        let first = claim(&socket).unwrap();
        assert_eq!(AgentLock::holder(&socket).unwrap(), crate::agent::Holder::Agent(Some(std::process::id())));
        let failure = Failure::from(claim(&socket).unwrap_err());
        assert_eq!(failure.code, FailureCode::Agent);
        assert!(failure.message.contains(&format!("process {}", std::process::id())), "{failure:?}");
        assert!(socket.exists(), "the first one's socket stays");
        drop(first);
        claim(&socket).unwrap();
    }

    #[test]
    fn a_stale_socket_is_taken_over_and_anything_else_is_left_alone() {
        let home = tempfile::tempdir().unwrap();
        let socket = home.path().join("agent.sock");
        drop(UnixListener::bind(&socket).unwrap());
        assert!(socket.exists());
        drop(claim(&socket).unwrap());

        fs::write(&socket, "a letter").unwrap();
        assert!(matches!(claim(&socket), Err(EndpointError::Occupied { .. })));
        assert_eq!(fs::read_to_string(&socket).unwrap(), "a letter");
    }

    #[test]
    fn a_directory_that_others_can_change_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let (open, inside) = (home.path().join("open"), home.path().join("open/inside"));
        fs::create_dir_all(&inside).unwrap();
        fs::set_permissions(&open, Permissions::from_mode(0o777)).unwrap();
        let link = home.path().join("link");
        std::os::unix::fs::symlink(&open, &link).unwrap();
        for directory in [&open, &inside, &link] {
            let refused = claim(&directory.join("agent.sock"));
            assert!(matches!(refused, Err(EndpointError::Directory { .. })), "{}: {refused:?}", directory.display());
        }
        // Nobody can take what is not theirs out of a sticky directory, but the socket's own directory has to be the owner's.
        fs::set_permissions(&open, Permissions::from_mode(0o1777)).unwrap();
        claim(&inside.join("agent.sock")).unwrap();
        assert!(claim(&open.join("agent.sock")).is_err());
    }

    #[test]
    fn a_path_that_is_too_long_names_the_variable() {
        let failure = Failure::from(claim(&Path::new("/").join("x".repeat(120))).unwrap_err());
        assert_eq!(failure.code, FailureCode::Misconfigured);
        assert!(failure.hint.contains("FLYTOKEN_SOCKET"));
    }
}
