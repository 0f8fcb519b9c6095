//! Accepting clients, and serving each in a task of its own, whatever they speak.

use std::{future::Future, io, time::Duration};

use tokio::{
    task::{JoinError, JoinSet},
    time::{sleep, timeout},
};

use super::GRACE;

/// Accepts clients until `until` completes; then those who are still served are left. `serve` is told how many are, and answers with what serves
/// one more, if anything does; `changed` hears each time that there are more or less.
///
/// Nothing that one client does ends another's connection.
pub(super) async fn accept_each<S, A, R>(
    mut accept: impl FnMut() -> A,
    until: impl Future<Output = ()>,
    mut serve: impl FnMut(S, usize) -> Option<R>,
    changed: impl Fn(usize),
) -> Served
where
    A: Future<Output = io::Result<S>>,
    R: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    tokio::pin!(until);
    loop {
        // In this order: whoever has left no longer counts when the next one comes.
        tokio::select! {
            biased;
            () = &mut until => break,
            Some(ended) = connections.join_next(), if !connections.is_empty() => {
                note_panic(ended);
                changed(connections.len());
            }
            accepted = accept() => match accepted {
                Ok(stream) => {
                    if let Some(serving) = serve(stream, connections.len()) {
                        connections.spawn(serving);
                        changed(connections.len());
                    }
                }
                Err(cause) => {
                    // Out of descriptors, most likely: whoever waits to be accepted is served once others have left.
                    tracing::warn!(%cause, "cannot accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    Served(connections)
}

/// Clients that were accepted before it was over.
pub(super) struct Served(JoinSet<()>);

impl Served {
    /// Gives them a last [`GRACE`]; whoever is not done by then is hung up on.
    pub(super) async fn finish(mut self) {
        let finished = timeout(GRACE, async { while self.0.join_next().await.is_some() {} }).await;
        if finished.is_err() {
            tracing::warn!(connections = self.0.len(), "stopped before every request was answered");
        }
    }
}

fn note_panic(ended: Result<(), JoinError>) {
    if let Err(cause) = ended
        && cause.is_panic()
    {
        tracing::error!("a connection ended by a defect of flytoken; the others go on");
    }
}

/// The pause after a failed accept: without one the agent would spin for as long as it fails.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
