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

use rustix::{
    io::Errno,
    net::{AddressFamily, SocketAddrUnix, SocketType, sockopt::socket_acceptconn},
};

use super::{
    activation::HINT,
    lock::{AgentLock, Holder},
};
use crate::{
    audience::Audience,
    causes::with_causes,
    protocol::{Failure, FailureCode},
    store::LockError,
    trust,
};

/// The place of a socket of which this process is the only agent. Dropping it removes the socket if this process made it, then gives up the
/// lock.
#[derive(Debug)]
pub struct Endpoint {
    socket: PathBuf,
    maker: Maker,
    _lock: AgentLock,
}

/// Who made the socket, and removes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Maker {
    ThisProcess,
    ServiceManager,
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
        check_unused(socket)?;
        let lock = take_lock(socket)?;
        remove_stale(socket)?;
        let listener = UnixListener::bind(socket).map_err(EndpointError::io("listen on", socket))?;
        // Nobody else can reach it in between: the directory is the owner's.
        fs::set_permissions(socket, Permissions::from_mode(mode)).map_err(EndpointError::io("set the mode of", socket))?;
        listener.set_nonblocking(true).map_err(EndpointError::io("listen on", socket))?;
        Ok((Self { socket: socket.into(), maker: Maker::ThisProcess, _lock: lock }, listener))
    }

    /// Takes over a socket that a service manager made and listens on: it has to be the one that clients look for, in a directory and of a
    /// mode as if this process had made it. It stays when the agent goes, for whoever asks next. The listener is as from [`Self::claim`].
    ///
    /// # Errors
    /// As [`Self::claim`], and [`EndpointError::Handed`] says what is wrong with the socket.
    pub fn adopt(socket: &Path, listener: UnixListener) -> Result<(Self, UnixListener), EndpointError> {
        check_length(socket)?;
        check_handed(socket, &listener)?;
        check_directory(directory_of(socket))?;
        let lock = take_lock(socket)?;
        listener.set_nonblocking(true).map_err(EndpointError::io("listen on", socket))?;
        Ok((Self { socket: socket.into(), maker: Maker::ServiceManager, _lock: lock }, listener))
    }

    /// The socket's path.
    pub fn socket(&self) -> &Path {
        &self.socket
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        if self.maker == Maker::ThisProcess {
            // If it cannot be removed, the next agent takes it over.
            let _ = fs::remove_file(&self.socket);
        }
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
    /// Somebody listens on it and starts an agent for whoever asks, as systemd does.
    #[error("somebody listens on `{socket}` already, though no agent runs: a service manager that starts one for whoever asks", socket = socket.display())]
    Managed {
        /// The socket.
        socket: PathBuf,
    },
    /// What a service manager handed over is not what it should be.
    #[error("the socket that the unit hands over cannot be used: {problem}")]
    Handed {
        /// What is wrong with it.
        problem: String,
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
            Self::Managed { .. } => {
                "just ask, which starts it: `flytoken status`; or have it started by nobody: `flytoken agent uninstall`".into()
            }
            Self::Handed { .. } => HINT.into(),
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
            EndpointError::Running { .. } | EndpointError::Managed { .. } | EndpointError::Lock(_) | EndpointError::Io { .. } => {
                FailureCode::Agent
            }
            EndpointError::Handed { .. }
            | EndpointError::TooLong { .. }
            | EndpointError::Directory { .. }
            | EndpointError::Occupied { .. } => FailureCode::Misconfigured,
        };
        let message = with_causes(&error);
        Self { code, message, hint: error.hint(), steps: Vec::new() }
    }
}

fn take_lock(socket: &Path) -> Result<AgentLock, EndpointError> {
    AgentLock::take(socket)?.map_err(|pid| EndpointError::Running { socket: socket.into(), pid: Pid(pid) })
}

/// Checks that nothing of this user's listens there: whose socket is removed from under them waits for clients that never come. What
/// somebody else put there is not even connected to.
fn check_unused(socket: &Path) -> Result<(), EndpointError> {
    let own = rustix::process::geteuid().as_raw();
    let is_ours = |metadata: fs::Metadata| metadata.file_type().is_socket() && metadata.uid() == own;
    if !fs::symlink_metadata(socket).is_ok_and(is_ours) || !is_listened_on(socket) {
        return Ok(());
    }
    match AgentLock::holder(socket)? {
        Holder::Agent(pid) => Err(EndpointError::Running { socket: socket.into(), pid: Pid(pid) }),
        Holder::Nobody => Err(EndpointError::Managed { socket: socket.into() }),
    }
}

/// Whether a connection can be made, without waiting for it: somebody with too many to accept listens as well.
fn is_listened_on(socket: &Path) -> bool {
    let connected = SocketAddrUnix::new(socket).and_then(|address| {
        let stream = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
        rustix::io::ioctl_fionbio(&stream, true)?;
        rustix::net::connect(&stream, &address)
    });
    matches!(connected, Ok(()) | Err(Errno::AGAIN | Errno::INPROGRESS))
}

/// Checks that this is the socket that clients look for, that somebody listens on it, and that it is the owner's alone.
fn check_handed(socket: &Path, listener: &UnixListener) -> Result<(), EndpointError> {
    let refused = |problem: String| Err(EndpointError::Handed { problem });
    let look = |path: &Path| fs::symlink_metadata(path).map_err(EndpointError::io("look at", path));
    let address = listener.local_addr().map_err(EndpointError::io("take over", socket))?;
    let Some(path) = address.as_pathname() else {
        return refused(format!("it has no path, and clients look for `{}`", socket.display()));
    };
    if !socket_acceptconn(listener).map_err(|cause| EndpointError::io("take over", socket)(cause.into()))? {
        return refused(format!("nobody listens on `{}`: the unit needs `Accept=no`", path.display()));
    }
    let (is, wanted) = (look(path)?, look(socket)?);
    if (is.dev(), is.ino()) != (wanted.dev(), wanted.ino()) {
        return refused(format!("it is `{}`, and clients look for `{}`", path.display(), socket.display()));
    }
    if !wanted.file_type().is_socket() {
        return Err(EndpointError::Occupied { socket: socket.into() });
    }
    match (wanted.uid(), wanted.mode() & 0o7777) {
        (owner, _) if owner != rustix::process::geteuid().as_raw() => refused(format!("`{}` belongs to user {owner}", socket.display())),
        (_, mode) if mode & 0o077 != 0 => {
            refused(format!("`{}` has mode {mode:04o}, and others could use it: the unit needs `SocketMode=0600`", socket.display()))
        }
        _ => Ok(()),
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

    /// A socket as a service manager makes it.
    fn made_by_a_manager(socket: &Path, mode: u32) -> UnixListener {
        let listener = UnixListener::bind(socket).unwrap();
        fs::set_permissions(socket, Permissions::from_mode(mode)).unwrap();
        listener
    }

    #[test]
    fn a_socket_that_a_service_manager_made_is_taken_over_and_stays() {
        let home = tempfile::tempdir().unwrap();
        let socket = home.path().join("agent.sock");
        let manager = made_by_a_manager(&socket, 0o600);
        let (endpoint, _listener) = Endpoint::adopt(&socket, manager.try_clone().unwrap()).unwrap();
        assert!(matches!(claim(&socket), Err(EndpointError::Running { .. })));
        assert!(matches!(Endpoint::adopt(&socket, manager.try_clone().unwrap()), Err(EndpointError::Running { .. })));
        drop(endpoint);
        assert!(socket.exists());
        assert!(matches!(claim(&socket), Err(EndpointError::Managed { .. })), "clients of the manager's would wait for nobody");
    }

    #[test]
    fn one_that_clients_do_not_look_for_or_others_could_use_is_not() {
        let home = tempfile::tempdir().unwrap();
        let path = |name: &str| home.path().join(name);
        let refused = |socket: &Path, listener: UnixListener| Endpoint::adopt(socket, listener).unwrap_err();
        let elsewhere = made_by_a_manager(&path("elsewhere"), 0o600);
        fs::write(path("agent.sock"), "a letter").unwrap();
        assert!(matches!(refused(&path("agent.sock"), elsewhere), EndpointError::Handed { .. }));
        let open = made_by_a_manager(&path("open"), 0o660);
        assert!(refused(&path("open"), open).to_string().contains("SocketMode=0600"));
        let gone = made_by_a_manager(&path("gone"), 0o600);
        fs::remove_file(path("gone")).unwrap();
        assert!(matches!(refused(&path("gone"), gone), EndpointError::Io { .. }));

        fs::create_dir(path("shared")).unwrap();
        let shared = made_by_a_manager(&path("shared/agent.sock"), 0o600);
        fs::set_permissions(path("shared"), Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(refused(&path("shared/agent.sock"), shared), EndpointError::Directory { .. }));
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
