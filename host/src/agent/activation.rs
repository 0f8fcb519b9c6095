//! A socket that a service manager made: systemd listens on it, and starts the agent once somebody asks.
//!
//! By the protocol of [`sd_listen_fds(3)`](https://www.freedesktop.org/software/systemd/man/latest/sd_listen_fds.html).

use std::{io, os::unix::net::UnixListener};

use listenfd::ListenFd;

use crate::{
    protocol::{Failure, FailureCode},
    system::Environment,
};

/// Takes the socket that this process was started with; none if it was started otherwise.
///
/// To be called before this process opens anything: descriptors are handed over by their numbers. The variables that announce it are gone
/// afterwards, and no program that the agent starts inherits the socket.
///
/// # Errors
/// [`ActivationError`] if what was handed over is not one Unix socket.
pub fn passed(environment: &Environment) -> Result<Option<UnixListener>, ActivationError> {
    // Meant for another process that this one was started by, unless its own number stands there.
    let own = std::process::id().to_string();
    if environment.text("LISTEN_PID") != Some(&own) {
        return Ok(None);
    }
    let announced = environment.text("LISTEN_FDS").unwrap_or_default();
    match announced.parse() {
        Ok(0_u32) => return Ok(None),
        Ok(1) => {}
        // Before anything is allocated for so many.
        _ => return Err(ActivationError::Several(announced.into())),
    }
    ListenFd::from_env().take_unix_listener(0).map_err(ActivationError::Unusable)
}

/// Why what a service manager handed over cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum ActivationError {
    /// It is not one socket.
    #[error("the unit hands over `{0}` sockets, and the agent takes one")]
    Several(String),
    /// It is something else.
    #[error("what the unit hands over is no Unix stream socket: {0}")]
    Unusable(#[source] io::Error),
}

impl From<ActivationError> for Failure {
    fn from(error: ActivationError) -> Self {
        Self { code: FailureCode::Misconfigured, message: error.to_string(), hint: HINT.into(), steps: Vec::new() }
    }
}

/// What mends a unit.
pub(super) const HINT: &str = "have the units written anew: `flytoken agent install`";

#[cfg(test)]
mod tests {
    use super::*;

    fn announced(pid: &str, count: &str) -> Result<Option<UnixListener>, ActivationError> {
        passed(&[("LISTEN_PID", pid), ("LISTEN_FDS", count)].into_iter().collect())
    }

    #[test]
    fn what_is_meant_for_another_process_is_left_alone() {
        let own = std::process::id().to_string();
        for (pid, count) in [("1", "1"), ("", "1"), ("x", "1"), (&own, "0")] {
            assert!(matches!(announced(pid, count), Ok(None)), "{pid} {count}");
        }
        assert!(matches!(passed(&Environment::default()), Ok(None)));
    }

    #[test]
    fn an_announced_number_of_sockets_costs_nothing() {
        let own = std::process::id().to_string();
        for count in ["2", "18446744073709551615", "-1", "many", ""] {
            assert!(matches!(announced(&own, count), Err(ActivationError::Several(_))), "{count}");
        }
    }
}
