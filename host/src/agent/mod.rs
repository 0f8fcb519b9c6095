//! The agent: one socket that answers every tool of one user.
//!
//! [`Endpoint::claim`] makes the socket, or [`Endpoint::adopt`] takes one over that a service manager made; [`serve`] answers on it until it is
//! told to stop.

mod accept;
mod activation;
mod client;
mod connection;
mod endpoint;
mod executable;
pub mod http;
mod lock;
mod process;
mod seats;
mod service_manager;
mod signals;

use std::{future::Future, io, sync::Arc, time::Duration};

use tokio::{
    net::{UnixListener, UnixStream},
    sync::watch,
};

pub use activation::{ActivationError, passed};
#[cfg(not(target_os = "linux"))]
pub use endpoint::check_directory_of;
pub use endpoint::{Endpoint, EndpointError, Pid};
pub use executable::Executable;
pub use lock::{AgentLock, Holder};
pub use process::harden;
pub use service_manager::{Notice, ServiceManager};
pub use signals::stop_signal;

use self::{
    accept::accept_each,
    client::Client,
    seats::{Seat, Seats},
};
use crate::attestation::{Attested, Attestor, Facts, Wanted};
use crate::protocol::{Answer, Failure, FailureCode, Outgoing, Request, encode_answer};

/// What answers requests: the core, or a stand-in of a test.
pub trait Answers: Clone + Send + Sync + 'static {
    /// The answer to one request of `client`. Should be ready at its first poll where nobody has to be asked: the connection then writes it at
    /// once, without a task of its own.
    ///
    /// The client was confirmed just before ([`Attested::last_confirmed`] says how). What is answered to one that has changed is not sent but
    /// if it is a failure; and whatever takes its time is confirmed once more before it is sent.
    fn answer(&self, client: &Arc<Attested>, request: Request) -> impl Future<Output = Answer> + Send + 'static;

    /// Numbers for whoever watches the agent, as Prometheus reads them.
    fn metrics(&self, client: &Arc<Attested>) -> impl Future<Output = Result<String, Failure>> + Send + 'static {
        let _ = client;
        async { Ok(String::new()) }
    }

    /// What has to be known of a client before it is answered. Asked at each request, since it may change.
    fn wanted(&self) -> Wanted {
        Wanted::default()
    }

    /// Whether a client that has changed gets nothing, rather than being reported.
    fn enforces(&self) -> bool {
        true
    }

    /// Whether processes of this user are heard at all.
    fn admits(&self, uid: u32) -> bool {
        uid == rustix::process::geteuid().as_raw()
    }

    /// How many connections of this user may be open at a time.
    fn share(&self, uid: u32) -> usize {
        let _ = uid;
        MAX_CONNECTIONS
    }

    /// Is told how many connections are open, each time that changes.
    fn connected(&self, open: usize) {
        let _ = open;
    }
}

/// Answers every client of `listener` until `shutdown` completes; then requests in flight get a last [`GRACE`].
///
/// Whoever connects as a user that is not admitted is hung up on, and so is whoever comes when [`MAX_CONNECTIONS`] are open, or their user's
/// share of them.
pub async fn serve(listener: UnixListener, core: impl Answers, shutdown: impl Future<Output = ()>) {
    let (stop, stopping) = watch::channel(());
    let (attestor, seats) = (Attestor::new(), Seats::default());
    let served = |(stream, _): (UnixStream, _), open| match admitted(&stream, (open, MAX_CONNECTIONS), &seats, &core) {
        Ok((client, seat)) => {
            let running = connection::run(stream, Client::new(client, attestor.clone()), core.clone(), stopping.clone());
            Some(async move {
                running.await;
                drop(seat);
            })
        }
        Err(why) => {
            if let Some(why) = why {
                tell(&stream, &why);
            }
            None
        }
    };
    let clients = accept_each(|| listener.accept(), shutdown, served, |open| core.connected(open)).await;
    drop(listener);
    drop(stop);
    clients.finish().await;
}

/// Whose connection it is, if its peer may be heard, where so many are open of those that there may be.
///
/// # Errors
/// What to say before hanging up, if anything is to be said.
fn admitted(
    stream: &UnixStream,
    (open, most): (usize, usize),
    seats: &Seats,
    core: &impl Answers,
) -> Result<(Facts, Seat), Option<Failure>> {
    let client = match stream.peer_cred() {
        Ok(peer) if core.admits(peer.uid()) => Facts {
            pid: peer.pid().and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid != 0),
            uid: peer.uid(),
            gid: peer.gid(),
            ..Facts::default()
        },
        Ok(peer) => {
            tracing::warn!(uid = peer.uid(), pid = peer.pid(), "hung up on a process of another user");
            return Err(None);
        }
        Err(cause) => {
            tracing::warn!(%cause, "hung up on a process of unknown user");
            return Err(None);
        }
    };
    let full = |message: String| {
        Some(Failure {
            code: FailureCode::TryAgain,
            message,
            hint: "close connections that are not used; `flytoken status` counts them".into(),
            steps: Vec::new(),
        })
    };
    if open >= most {
        tracing::warn!(open, "hung up on a client: too many connections");
        return Err(full(format!("the agent has {most} connections already, which is all it serves")));
    }
    let share = core.share(client.uid).min(MAX_CONNECTIONS) * most / MAX_CONNECTIONS;
    let Some(seat) = seats.take(client.uid, share) else {
        tracing::warn!(uid = client.uid, most = share, "hung up on a client: its user has too many connections");
        return Err(full(format!("your user has {share} connections to the agent already, which is all it serves")));
    };
    Ok((client, seat))
}

/// Tells everybody of this user who waits to be accepted why the agent does not serve them. A service manager would start it again and again
/// for a connection that nobody accepted.
pub async fn turn_away(listener: &UnixListener, failure: &Failure) {
    let own = rustix::process::geteuid().as_raw();
    for _ in 0..MAX_CONNECTIONS {
        let Ok(Ok((stream, _))) = tokio::time::timeout(NOBODY_WAITS, listener.accept()).await else { return };
        if stream.peer_cred().is_ok_and(|peer| peer.uid() == own) {
            tell(&stream, failure);
        }
    }
}

/// Says something of the connection, as far as it can be said without waiting: a fresh one has room for so little.
fn tell(stream: &UnixStream, failure: &Failure) {
    let mut outgoing = Outgoing::default();
    encode_answer(&mut outgoing, 0, &Err(failure.clone()));
    let written: io::Result<usize> = stream.try_write(outgoing.unsent());
    if let Err(cause) = written {
        tracing::debug!(%cause, "a refused client was not told why");
    }
}

fn about_to_stop() -> Failure {
    Failure {
        code: FailureCode::Agent,
        message: "the agent was told to stop, and no source had answered by then".into(),
        hint: "try again; without an agent the command does it by itself, and `flytoken agent` starts another".into(),
        steps: Vec::new(),
    }
}

/// The most connections at a time. Bounds the memory and descriptors that clients can take.
pub const MAX_CONNECTIONS: usize = 1024;

/// The most connections of one user where several are served: eight users who take all they can still leave no room, and one or two do.
pub const MAX_CONNECTIONS_OF_A_USER: usize = MAX_CONNECTIONS / 8;

/// How long requests in flight may take once the agent is told to stop, so that it is gone within two seconds.
pub const GRACE: Duration = Duration::from_millis(1750);

/// How much of that sources have: what has no answer by then is told why, and the rest is for clients to read it.
const ANSWER_GRACE: Duration = Duration::from_millis(1500);

/// Whoever waits to be accepted is accepted at once.
const NOBODY_WAITS: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests;
