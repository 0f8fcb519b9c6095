//! The agent over HTTP/1.1, for tools that speak nothing else: the same requests, the same policy, the same record of them.
//!
//! It is off unless the configuration says otherwise. What a request may say is bounded before it is read: no body, few headers, little time.

mod answer;
mod bearer;
mod connection;
mod guard;
mod openapi;
mod patient;
mod route;
mod standing;

use std::{
    io,
    net::{SocketAddr, TcpListener as StdTcpListener},
    path::Path,
    sync::Arc,
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    sync::watch,
    time::sleep,
};

pub use self::standing::Standing;
use self::{bearer::Bearer, connection::Caller, guard::Door, standing::Wanted};
use super::{Answers, Endpoint, accept::accept_each, admitted, client::Client, seats::Seats};
use crate::{
    attestation::Attestor,
    audience::Audience,
    causes::with_causes,
    protocol::{Failure, FailureCode},
};

/// Where the agent answers over HTTP; nowhere by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Places {
    /// On a Unix socket beside its own.
    pub socket: bool,
    /// Over TCP, on this address of the machine's own.
    pub loopback: Option<SocketAddr>,
}

/// Answers over HTTP where the configuration says, for as long as the other end of `stopping` is there; `standing` is told where that is.
/// `agent_socket` is the agent's own socket, beside which the other lies.
pub async fn serve(
    mut configured: watch::Receiver<Places>,
    (agent_socket, audience): (&Path, Audience),
    core: impl Answers,
    standing: Standing,
    mut stopping: watch::Receiver<()>,
) {
    let socket = agent_socket.with_file_name(SOCKET);
    let attestor = Attestor::new();
    loop {
        let places = *configured.borrow_and_update();
        let (end, ending) = watch::channel(());
        let on_socket = async {
            if places.socket {
                let wanted = standing.at(socket.display().to_string());
                on_socket((&socket, audience), &wanted, &attestor, &core, ending.clone()).await;
            }
        };
        let over_tcp = async {
            match places.loopback {
                Some(address) if audience == Audience::Owner => {
                    let wanted = standing.at(address.to_string());
                    let place = (address, &*agent_socket.with_file_name(BEARER));
                    on_loopback(place, &wanted, &attestor, &core, ending.clone()).await;
                }
                // Whoever has the bearer would be taken for the agent's own account, which root alone may use.
                Some(_) => tracing::warn!("an agent of the whole system does not answer over TCP: nothing there tells who asks"),
                None => {}
            }
        };
        let until_it_changes = async {
            let goes_on = tokio::select! {
                changed = configured.changed() => changed.is_ok(),
                () = ended(&mut stopping) => false,
            };
            drop(end);
            goes_on
        };
        let ((), (), goes_on) = tokio::join!(on_socket, over_tcp, until_it_changes);
        if !goes_on {
            return;
        }
    }
}

/// Answers on the Unix socket. What is in the way of it is told once, and tried again.
async fn on_socket(
    (socket, audience): (&Path, Audience),
    wanted: &Wanted,
    attestor: &Attestor,
    core: &impl Answers,
    mut ending: watch::Receiver<()>,
) {
    let listening = || {
        let (endpoint, listener) = Endpoint::claim(socket, audience).map_err(|error| with_causes(&error))?;
        let listener = UnixListener::from_std(listener).map_err(|cause| cause.to_string())?;
        Ok((endpoint, listener))
    };
    let Some((_endpoint, listener)) = until_it_listens(listening, wanted, &mut ending).await else { return };
    tracing::info!(socket = %socket.display(), "listening for HTTP");
    let (seats, door) = (Seats::default(), Arc::new(Door::of_socket()));
    let until = ending.clone();
    let served = |(stream, _): (UnixStream, _), open| {
        let why = match admitted(&stream, (open, MAX_CONNECTIONS), &seats, core) {
            Ok((facts, seat)) => match Caller::peer(&stream, Client::new(facts, attestor.clone())) {
                Ok(caller) => {
                    let serving = connection::serve(stream, caller, Arc::clone(&door), core.clone(), until.clone());
                    return Some(async move {
                        serving.await;
                        drop(seat);
                    });
                }
                Err(cause) => {
                    tracing::warn!(%cause, "hung up on a client: there are no descriptors left");
                    None
                }
            },
            Err(why) => why,
        };
        if let Some(failure) = &why {
            // As far as it can be said without waiting.
            let _: io::Result<usize> = stream.try_write(&turned_away(failure));
        }
        None
    };
    let clients = accept_each(|| listener.accept(), ended(&mut ending), served, |_| ()).await;
    drop(listener);
    clients.finish().await;
}

/// Answers over TCP whoever shows the bearer. What is in the way of it is told once, and tried again.
async fn on_loopback(
    (address, bearer): (SocketAddr, &Path),
    wanted: &Wanted,
    attestor: &Attestor,
    core: &impl Answers,
    mut ending: watch::Receiver<()>,
) {
    let listening = || {
        let bearer = Bearer::at(bearer)?;
        let listener = StdTcpListener::bind(address).and_then(|listener| {
            listener.set_nonblocking(true)?;
            TcpListener::from_std(listener)
        });
        Ok((bearer, listener.map_err(|cause| format!("cannot listen on {address}: {cause}"))?))
    };
    let Some((bearer, listener)) = until_it_listens(listening, wanted, &mut ending).await else { return };
    tracing::info!(%address, "listening for HTTP");
    let door = Arc::new(Door::of_loopback(address, bearer));
    let until = ending.clone();
    let served = |(stream, _): (TcpStream, _), open| {
        if open >= MAX_CONNECTIONS {
            let hint = "close connections that are not used, or ask on the socket: `curl --unix-socket`";
            let message = format!("the agent has {MAX_CONNECTIONS} connections over TCP already, which is all it serves");
            let failure = Failure { code: FailureCode::TryAgain, message, hint: hint.into(), steps: Vec::new() };
            let _: io::Result<usize> = stream.try_write(&turned_away(&failure));
            return None;
        }
        // Answers are short, and go out at once.
        let _ = stream.set_nodelay(true);
        let caller = Caller::by_bearer(Client::by_bearer(attestor.clone()));
        Some(connection::serve(stream, caller, Arc::clone(&door), core.clone(), until.clone()))
    };
    let clients = accept_each(|| listener.accept(), ended(&mut ending), served, |_| ()).await;
    drop(listener);
    clients.finish().await;
}

/// What listens, as soon as it does; none if that is no longer wanted.
async fn until_it_listens<T>(listen: impl Fn() -> Result<T, String>, wanted: &Wanted, ending: &mut watch::Receiver<()>) -> Option<T> {
    let mut told = String::new();
    loop {
        match listen() {
            Ok(listening) => {
                wanted.tell(None);
                return Some(listening);
            }
            Err(problem) if problem != told => {
                wanted.tell(Some(&problem));
                tracing::warn!("not listening for HTTP, and tried again: {problem}");
                told = problem;
            }
            Err(_) => {}
        }
        tokio::select! {
            () = ended(ending) => return None,
            () = sleep(LISTEN_PAUSE) => {}
        }
    }
}

/// Completes once the other end is dropped.
async fn ended(end: &mut watch::Receiver<()>) {
    while end.changed().await.is_ok() {}
}

/// An answer to whoever is not served, whatever they ask.
fn turned_away(failure: &Failure) -> Vec<u8> {
    let body = answer::error_text(failure);
    let head = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nCache-Control: no-store\r\nRetry-After: 1\r\nConnection: close";
    format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// The socket's name, beside the agent's own.
pub const SOCKET: &str = "http.sock";

/// The file of what has to be shown over TCP, beside it.
pub const BEARER: &str = "http.bearer";

/// Connections at a time, each with two descriptors and 16 KiB. Tools that ask often use frames.
const MAX_CONNECTIONS: usize = 128;

/// How long until it is tried again to listen.
const LISTEN_PAUSE: Duration = Duration::from_secs(5);
