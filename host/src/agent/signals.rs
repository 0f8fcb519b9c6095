//! The signals that stop the agent.

use std::{future::Future, io};

use tokio::signal::unix::{SignalKind, signal};

/// Completes when the agent is told to stop: by SIGTERM, by Ctrl-C, or because its terminal is gone. The signals no longer end the
/// process from the moment of the call.
///
/// # Errors
/// If the system does not let them be handled.
pub fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    Ok(async move {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
            _ = hang_up.recv() => "SIGHUP",
        };
        tracing::info!(signal = name, "stopping");
    })
}
