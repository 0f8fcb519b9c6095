//! The agent over HTTP: where it answers, and whether that can be reached.

use std::{
    net::{SocketAddr, TcpStream},
    os::unix::net::UnixStream,
    path::PathBuf,
    time::Duration,
};

use super::{
    Context,
    agent::{Running, restart},
    check::Check,
};
use crate::{
    agent::http::{BEARER, Places, SOCKET},
    causes::with_causes,
    config::Config,
    protocol::{Failure, Status},
    store::private_text,
    trust::shown,
};

pub(super) fn check(context: &Context, config: &Config, running: &Result<Running, Failure>) -> Check {
    let Ok(Some(socket)) = context.paths.socket() else { return Check::ok("http", "off: there is no place for a socket") };
    let wanted = Wanted { places: config.http, socket: socket.with_file_name(SOCKET), bearer: socket.with_file_name(BEARER) };
    match running {
        _ if config.http == Places::default() => Check::ok("http", "off, as the configuration has it"),
        Ok(Running::Status(status)) if status.agent && !status.system => wanted.of_running(status, context),
        _ => Check::ok("http", format!("off, as no agent of yours runs; it would be on {}", wanted.named())),
    }
}

/// What is configured, and where that lies.
struct Wanted {
    places: Places,
    socket: PathBuf,
    bearer: PathBuf,
}

impl Wanted {
    fn of_running(&self, status: &Status, context: &Context) -> Check {
        if let Some(place) = status.http.iter().find(|place| place.problem.is_some()) {
            let problem = place.problem.as_deref().unwrap_or_default();
            return Check::fail("http", format!("the agent does not answer on {}: {problem}", place.at))
                .mended_by(restart(status.pid, context));
        }
        let answers = |place: &str| status.http.iter().any(|known| known.at == place);
        if let Some(place) = self.all().into_iter().find(|place| !answers(place)) {
            return Check::warn(
                "http",
                format!("it is configured on {place}, and the agent does not answer there: a policy may be against it"),
            )
            .mended_by("flytoken policy show");
        }
        if self.places.socket
            && let Err(cause) = UnixStream::connect(&self.socket)
        {
            return Check::fail("http", format!("{} cannot be reached: {cause}", shown(&self.socket)))
                .mended_by(restart(status.pid, context));
        }
        match self.places.loopback {
            Some(address) => self.over_tcp(address, status, context),
            None => Check::ok("http", format!("on {}", self.named())),
        }
    }

    /// Whoever asks there has to show what is in a file.
    fn over_tcp(&self, address: SocketAddr, status: &Status, context: &Context) -> Check {
        if let Err(cause) = TcpStream::connect_timeout(&address, PATIENCE) {
            return Check::fail("http", format!("{address} cannot be reached: {cause}")).mended_by(restart(status.pid, context));
        }
        let bearer = shown(&self.bearer);
        match private_text(&self.bearer, LONGEST) {
            Ok(Some(_)) => Check::ok("http", format!("on {}; over TCP for who shows what is in {bearer}", self.named())),
            Ok(None) => {
                Check::fail("http", format!("{bearer} is gone, so that nobody can ask over TCP")).mended_by(restart(status.pid, context))
            }
            Err(error) => Check::fail("http", format!("nobody can ask over TCP: {}; {}", with_causes(&error), error.hint()))
                .mended_by(format!("chmod 600 {bearer}")),
        }
    }

    fn all(&self) -> Vec<String> {
        let socket = self.places.socket.then(|| self.socket.display().to_string());
        socket.into_iter().chain(self.places.loopback.map(|address| address.to_string())).collect()
    }

    fn named(&self) -> String {
        self.all().join(" and ")
    }
}

/// Whoever listens on this machine answers at once.
const PATIENCE: Duration = Duration::from_secs(1);

/// Bytes of the bearer's file.
const LONGEST: u64 = 512;
