//! A copy of each line for the machine's own log: journald or syslog.
//!
//! The file stays what is verified, for its end can be read back after a kill. A copy that leaves the machine shows what was done to it.

use std::{
    fmt, io,
    os::unix::net::UnixDatagram,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

/// Who takes the copies, and where it listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forward {
    /// Who takes them.
    pub to: Collector,
    /// Its socket, by its absolute path.
    pub socket: PathBuf,
}

/// A service that collects what a machine's programs have to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Collector {
    /// systemd's journal, in its own protocol (<https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>).
    Journald,
    /// Whatever listens for syslog messages as RFC 3164 describes them.
    Syslog,
}

impl Collector {
    /// Where it listens on most machines.
    pub fn usual_socket(self) -> &'static Path {
        Path::new(match self {
            Self::Journald => "/run/systemd/journal/socket",
            Self::Syslog => "/dev/log",
        })
    }

    /// A line, which holds no line end, as it takes it.
    fn message(self, line: &str, time: jiff::Timestamp) -> String {
        match self {
            Self::Journald => {
                format!("PRIORITY={INFO}\nSYSLOG_FACILITY={AUTHPRIV}\nSYSLOG_IDENTIFIER=flytoken\nFLYTOKEN_AUDIT=1\nMESSAGE={line}\n")
            }
            // Who listens goes by the moment at which it arrives; the line has its own.
            Self::Syslog => {
                let (priority, time) = (AUTHPRIV * 8 + INFO, time.strftime("%b %e %H:%M:%S"));
                format!("<{priority}>{time} flytoken[{}]: {line}", std::process::id())
            }
        }
    }
}

impl fmt::Display for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Journald => "journald",
            Self::Syslog => "syslog",
        })
    }
}

/// Hands copies over.
pub(super) struct Forwarder {
    forward: Forward,
    socket: UnixDatagram,
}

impl Forwarder {
    /// To whoever listens there at each moment: nobody needs to yet.
    pub(super) fn new(forward: Forward) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        // A collector that is stuck holds up no answer.
        socket.set_nonblocking(true)?;
        Ok(Self { forward, socket })
    }

    /// Who takes them.
    pub(super) fn forward(&self) -> &Forward {
        &self.forward
    }

    /// Hands over a line, with or without its end.
    pub(super) fn send(&self, line: &[u8], time: jiff::Timestamp) -> io::Result<()> {
        let line = String::from_utf8_lossy(line.trim_ascii_end());
        let message = self.forward.to.message(&line, time);
        self.socket.send_to(message.as_bytes(), &self.forward.socket).map(drop)
    }
}

/// RFC 3164, 4.1.1: of authorization, for the administrator alone.
const AUTHPRIV: u8 = 10;

/// RFC 3164, 4.1.1: nothing is wrong.
const INFO: u8 = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_collector_gets_a_line_in_its_own_form() {
        let folder = tempfile::tempdir().unwrap();
        let time = "2026-11-06T07:08:09Z".parse().unwrap();
        let pid = std::process::id();
        for (to, expected) in [
            (Collector::Syslog, format!("<86>Nov  6 07:08:09 flytoken[{pid}]: {{\"number\":1}}")),
            (
                Collector::Journald,
                "PRIORITY=6\nSYSLOG_FACILITY=10\nSYSLOG_IDENTIFIER=flytoken\nFLYTOKEN_AUDIT=1\nMESSAGE={\"number\":1}\n".into(),
            ),
        ] {
            let socket = folder.path().join(to.to_string());
            let forwarder = Forwarder::new(Forward { to, socket: socket.clone() }).unwrap();
            assert_eq!(forwarder.send(b"{}\n", time).unwrap_err().kind(), io::ErrorKind::NotFound);
            let collector = UnixDatagram::bind(&socket).unwrap();
            forwarder.send(b"{\"number\":1}\n", time).unwrap();
            let mut buffer = [0; 512];
            let length = collector.recv(&mut buffer).unwrap();
            assert_eq!(String::from_utf8_lossy(&buffer[..length]), expected);
        }
    }

    #[test]
    fn a_collector_that_is_stuck_is_an_error_and_no_wait() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("log");
        let _stuck = UnixDatagram::bind(&socket).unwrap();
        let forwarder = Forwarder::new(Forward { to: Collector::Syslog, socket }).unwrap();
        let refused = (0..100_000).find_map(|_| forwarder.send(&[b'x'; 1000], jiff::Timestamp::UNIX_EPOCH).err());
        assert_eq!(refused.map(|error| error.kind()), Some(io::ErrorKind::WouldBlock));
    }
}
