//! What the service manager that started the agent is told: that it is ready, that it is well, that it stops.
//!
//! By the protocol of [`sd_notify(3)`](https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html): datagrams to the socket that
//! `NOTIFY_SOCKET` names. Each process that the agent starts has variables of its own and is not given that one.

use std::{io, os::unix::net::UnixDatagram, time::Duration};

use crate::system::Environment;

/// Whoever started the agent; perhaps nobody who wants to hear of it.
#[derive(Debug, Default)]
pub struct ServiceManager {
    notices: Option<UnixDatagram>,
    watchdog: Option<Duration>,
}

/// What there is to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// Requests are answered from now on.
    Ready,
    /// The agent is well. Without this for too long it is ended and started anew.
    Alive,
    /// It stops, as it was told to or of its own accord.
    Stopping,
}

impl ServiceManager {
    /// The one that the variables name.
    pub fn of(environment: &Environment) -> Self {
        let Some(address) = environment.text("NOTIFY_SOCKET") else { return Self::default() };
        let notices = match connect(address) {
            Ok(socket) => Some(socket),
            Err(cause) => {
                tracing::warn!(%cause, "the service manager is not told how the agent is");
                None
            }
        };
        Self { notices, watchdog: watchdog(environment, std::process::id()) }
    }

    /// How often [`Notice::Alive`] has to be told: twice in the time that it waits for one. None if it does not wait.
    pub fn watchdog(&self) -> Option<Duration> {
        self.watchdog.filter(|_| self.notices.is_some())
    }

    /// Tells it, without waiting.
    pub fn tell(&self, notice: Notice) {
        let Some(socket) = &self.notices else { return };
        let text = match notice {
            Notice::Ready => "READY=1",
            Notice::Alive => "WATCHDOG=1",
            Notice::Stopping => "STOPPING=1",
        };
        if let Err(cause) = socket.send(text.as_bytes()) {
            tracing::debug!(%cause, text, "the service manager was not told");
        }
    }
}

fn connect(address: &str) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    // A manager that does not read must not hold up the agent.
    socket.set_nonblocking(true)?;
    match address.strip_prefix('@') {
        #[cfg(target_os = "linux")]
        Some(name) => {
            use std::os::{linux::net::SocketAddrExt, unix::net::SocketAddr};
            socket.connect_addr(&SocketAddr::from_abstract_name(name)?)?;
        }
        _ if address.starts_with('/') => socket.connect(address)?,
        _ => return Err(io::Error::new(io::ErrorKind::Unsupported, "NOTIFY_SOCKET names no socket that there can be")),
    }
    Ok(socket)
}

/// Half the time between two signs of life, if they are expected of this process.
fn watchdog(environment: &Environment, own: u32) -> Option<Duration> {
    let meant = environment.text("WATCHDOG_PID").is_none_or(|pid| pid == own.to_string());
    let most = environment.text("WATCHDOG_USEC")?.parse().ok().filter(|most| *most > 0)?;
    meant.then(|| (Duration::from_micros(most) / 2).max(SHORTEST))
}

/// Nobody who means it waits for less, and telling without pause would take a processor.
const SHORTEST: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_of_life_come_twice_in_the_time_that_is_waited_for_them() {
        let cases = [
            (&[][..], None),
            (&[("WATCHDOG_USEC", "30000000")], Some(Duration::from_secs(15))),
            (&[("WATCHDOG_USEC", "30000000"), ("WATCHDOG_PID", "7")], Some(Duration::from_secs(15))),
            (&[("WATCHDOG_USEC", "30000000"), ("WATCHDOG_PID", "8")], None),
            (&[("WATCHDOG_USEC", "1")], Some(SHORTEST)),
            (&[("WATCHDOG_USEC", "0")], None),
            (&[("WATCHDOG_USEC", "soon")], None),
        ];
        for (variables, expected) in cases {
            assert_eq!(watchdog(&variables.iter().copied().collect(), 7), expected, "{variables:?}");
        }
    }

    #[test]
    fn a_manager_hears_what_it_is_told_and_one_that_does_not_read_holds_up_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let manager = ServiceManager::of(&[("NOTIFY_SOCKET", &path)].into_iter().collect());
        manager.tell(Notice::Ready);
        let mut text = [0; 64];
        let length = socket.recv(&mut text).unwrap();
        assert_eq!(&text[..length], b"READY=1");
        for _ in 0..10_000 {
            manager.tell(Notice::Alive);
        }
    }

    #[test]
    fn whoever_is_no_manager_is_told_nothing() {
        for address in ["", "relative", "/nowhere/at/all", "vsock:2:1234"] {
            let manager = ServiceManager::of(&[("NOTIFY_SOCKET", address), ("WATCHDOG_USEC", "10")].into_iter().collect());
            assert_eq!(manager.watchdog(), None, "{address}");
            manager.tell(Notice::Ready);
        }
    }
}
