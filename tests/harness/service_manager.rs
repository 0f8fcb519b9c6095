//! A service manager: it listens on the agent's socket, starts the agent with it, and hears how it is.

use std::{
    fs::{self, Permissions},
    os::{
        fd::OwnedFd,
        unix::{
            fs::PermissionsExt,
            net::{UnixDatagram, UnixListener},
        },
    },
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use super::{Agent, Home, wrapped};

/// As systemd does it for one user's agent.
pub(crate) struct ServiceManager {
    pub(crate) socket: PathBuf,
    listener: UnixListener,
    notices: UnixDatagram,
    notify: PathBuf,
}

impl ServiceManager {
    /// Listens where the agent of `home` would.
    pub(crate) fn listen(home: &Home) -> Self {
        Self::listen_on(home, &home.path(".local/state/flytoken/run/agent.sock"))
    }

    /// Listens here.
    pub(crate) fn listen_on(home: &Home, socket: &Path) -> Self {
        let socket = socket.to_owned();
        fs::create_dir_all(socket.parent().unwrap()).unwrap();
        fs::set_permissions(socket.parent().unwrap(), Permissions::from_mode(0o700)).unwrap();
        let listener = UnixListener::bind(&socket).unwrap();
        fs::set_permissions(&socket, Permissions::from_mode(0o600)).unwrap();
        let notify = home.outside("notify");
        let notices = UnixDatagram::bind(&notify).unwrap();
        notices.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        Self { socket, listener, notices, notify }
    }

    /// The command of an agent that is handed the socket on its standard input, from where the shell puts it to descriptor 3.
    pub(crate) fn command(&self, command: &Command) -> Command {
        let mut command = wrapped("exec 3<&0 0</dev/null; export LISTEN_FDS=1 LISTEN_PID=$$", command);
        command.env("NOTIFY_SOCKET", &self.notify).env("WATCHDOG_USEC", "100000").stdin(OwnedFd::from(self.listener.try_clone().unwrap()));
        command
    }

    /// Starts the agent of `home`.
    pub(crate) fn start(&self, home: &Home) -> Agent {
        self.start_by(home, &home.command(&["agent", "-v"]))
    }

    /// Starts an agent by this command.
    pub(crate) fn start_by(&self, home: &Home, command: &Command) -> Agent {
        let listener = OwnedFd::from(self.listener.try_clone().unwrap());
        Agent::start_with(home, self.command(command), &self.socket, listener.into())
    }

    /// What it hears next.
    pub(crate) fn hears(&self) -> String {
        let mut text = [0; 256];
        let length = self.notices.recv(&mut text).unwrap();
        String::from_utf8(text[..length].to_vec()).unwrap()
    }

    /// What it calls its end of the socket, in `/proc`.
    pub(crate) fn socket_name(&self) -> String {
        use std::os::fd::AsRawFd;
        fs::read_link(format!("/proc/self/fd/{}", self.listener.as_raw_fd())).unwrap().display().to_string()
    }
}
