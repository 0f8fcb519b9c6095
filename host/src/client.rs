//! Asking the agent, without a runtime: one blocking connection, so that a command answered by the agent costs little more than its
//! process.

mod system;

use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use crate::{
    agent::{AgentLock, EndpointError, Holder, Pid},
    paths::SystemAgent,
    protocol::{
        Answer, Failure, FailureCode, FrameError, Incoming, MAX_ANSWER, Outgoing, Reply, Request, VERSION, decode_answer, encode_request,
        skew,
    },
    store::LockError,
};

/// Asks the agent that listens on `socket`; none if there is no agent.
///
/// An agent that restarts is waited for, up to two seconds, and so is one that holds its lock and does not listen yet. A request
/// that it took and did not answer before it went is sent again, unless doing it twice would cost something.
///
/// # Errors
/// [`ClientError`] if there is an agent and it cannot be asked. That is never a reason to go on without it.
pub fn ask(socket: &Path, request: &Request) -> Result<Option<Answer>, ClientError> {
    ask_as(Whose::Own(socket), request, Without::GoesOn)
}

/// As [`ask`], for somebody who does not go on without an agent: one that was there a moment ago is waited for as well.
///
/// # Errors
/// As [`ask`].
pub fn ask_insistently(socket: &Path, request: &Request) -> Result<Option<Answer>, ClientError> {
    ask_as(Whose::Own(socket), request, Without::Waits)
}

/// Asks the agent of the whole system; none if there is none. Nothing is sent before it is sure whose it is.
///
/// # Errors
/// As [`ask`], and [`ClientError::Untrusted`] if somebody else could be in its place.
pub fn ask_system(agent: SystemAgent<'_>, request: &Request) -> Result<Option<Answer>, ClientError> {
    ask_as(Whose::System(agent), request, Without::GoesOn)
}

/// What the agent on `socket` answers at once; none if there is no agent, or it takes longer than a person's finger rests on a key.
pub fn glance(socket: &Path, request: &Request) -> Option<Reply> {
    let mut client = Client::connect(socket).ok()?;
    client.wait_at_most(GLANCE).ok()?;
    client.ask(request).ok()?.ok()
}

/// Whose agent is asked.
#[derive(Clone, Copy)]
enum Whose<'a> {
    Own(&'a Path),
    System(SystemAgent<'a>),
}

impl Whose<'_> {
    fn socket(&self) -> &Path {
        match self {
            Self::Own(socket) => socket,
            Self::System(agent) => agent.socket,
        }
    }

    fn connect(&self) -> Result<Client, ClientError> {
        match self {
            Self::Own(socket) => Client::connect(socket),
            Self::System(agent) => system::connect(*agent),
        }
    }

    fn holder(&self) -> Result<Holder, ClientError> {
        match self {
            Self::Own(socket) => Ok(AgentLock::holder(socket)?),
            // Its lock is its own to look at: a socket on which nobody listens is what is left of one that was killed.
            Self::System(_) => Ok(Holder::Nobody),
        }
    }
}

/// What a client does once there is no agent any more.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Without {
    GoesOn,
    Waits,
}

fn ask_as(whose: Whose<'_>, request: &Request, without: Without) -> Result<Option<Answer>, ClientError> {
    let socket = whose.socket();
    let (mut retries, mut was_there) = (RETRIES, false);
    loop {
        let outcome = match whose.connect() {
            Ok(mut client) => match client.ask(request) {
                Err(ClientError::Gone) if is_repeatable(request) => Err(ClientError::Gone),
                // It stops, and says so.
                Ok(Err(failure)) if failure.code == FailureCode::Agent && is_repeatable(request) => Ok(Some(Err(failure))),
                Err(ClientError::Frame(FrameError::Version(theirs))) => return Err(ClientError::skew(socket, theirs)),
                asked => return asked.map(Some),
            },
            Err(ClientError::Unreachable { .. }) => match whose.holder()? {
                Holder::Nobody if without == Without::Waits && was_there => Ok(None),
                Holder::Nobody => return Ok(None),
                Holder::Agent(pid) => Err(ClientError::Deaf { socket: socket.into(), pid: Pid(pid) }),
            },
            Err(error) => return Err(error),
        };
        if retries == 0 {
            return outcome;
        }
        was_there = true;
        retries -= 1;
        thread::sleep(RETRY_PAUSE);
    }
}

/// A connection to an agent: of the same user, or of the whole system.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    incoming: Incoming,
    last_id: u64,
}

impl Client {
    /// Connects, and makes sure that the other end is a process of the same user.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`] if nobody listens, [`ClientError::Foreign`] if somebody else does, [`ClientError::Endpoint`] if the
    /// path cannot be a socket's.
    pub fn connect(socket: &Path) -> Result<Self, ClientError> {
        let stream = Self::reach(socket)?;
        let io = |doing| move |cause| ClientError::Io { doing, socket: socket.into(), cause };
        let (own, theirs) = (rustix::process::geteuid().as_raw(), owner(&stream, socket).map_err(io("look who listens on"))?);
        if own != theirs {
            return Err(ClientError::Foreign { socket: socket.into(), uid: theirs });
        }
        Self::over(stream, socket)
    }

    fn reach(socket: &Path) -> Result<UnixStream, ClientError> {
        UnixStream::connect(socket).map_err(|cause| match cause.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused | io::ErrorKind::NotADirectory => {
                ClientError::Unreachable { socket: socket.into() }
            }
            io::ErrorKind::InvalidInput => EndpointError::too_long(socket).into(),
            _ => ClientError::Io { doing: "connect to", socket: socket.into(), cause },
        })
    }

    fn over(stream: UnixStream, socket: &Path) -> Result<Self, ClientError> {
        let client = Self { stream, incoming: Incoming::new(MAX_ANSWER), last_id: 0 };
        client.wait_at_most(ANSWER_LIMIT).map_err(|cause| ClientError::Io { doing: "use", socket: socket.into(), cause })?;
        Ok(client)
    }

    fn wait_at_most(&self, limit: Duration) -> io::Result<()> {
        self.stream.set_read_timeout(Some(limit)).and_then(|()| self.stream.set_write_timeout(Some(limit)))
    }

    /// Sends one request and waits for its answer.
    ///
    /// # Errors
    /// [`ClientError::Gone`] if the agent closes before it answers, [`ClientError::Silent`] if it takes longer than a resolution may,
    /// [`ClientError::Frame`] and [`ClientError::Refused`] if the two do not understand each other.
    pub fn ask(&mut self, request: &Request) -> Result<Answer, ClientError> {
        self.last_id += 1;
        let mut outgoing = Outgoing::default();
        encode_request(&mut outgoing, self.last_id, request)?;
        // A peer that hung up may have said why: what it sent is read all the same.
        let sent = self.stream.write_all(outgoing.unsent());
        drop(outgoing);
        loop {
            match self.incoming.next(decode_answer)?.transpose()? {
                Some((0, Err(failure))) => return Err(ClientError::Refused(Box::new(failure))),
                Some((id, answer)) if id == self.last_id => return Ok(answer),
                // Of an earlier request that nobody waits for.
                Some(_) => continue,
                None => {}
            }
            match self.stream.read(self.incoming.room()) {
                Ok(0) => return Err(ClientError::Gone),
                Ok(count) => self.incoming.received(count),
                Err(cause) => match (cause.kind(), &sent) {
                    (io::ErrorKind::Interrupted, _) => {}
                    (io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut, Ok(())) => return Err(ClientError::Silent),
                    _ => return Err(ClientError::Gone),
                },
            }
        }
    }
}

/// Why the agent cannot be asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Nobody listens.
    #[error("no agent listens on `{socket}`", socket = socket.display())]
    Unreachable {
        /// The socket.
        socket: PathBuf,
    },
    /// An agent holds the lock, and nobody listens.
    #[error("an agent{pid} holds the lock of `{socket}` and does not listen on it", socket = socket.display())]
    Deaf {
        /// The socket.
        socket: PathBuf,
        /// The agent.
        pid: Pid,
    },
    /// Somebody else listens: whatever they answered would be theirs.
    #[error("the process that listens on `{socket}` belongs to user {uid}, not to you", socket = socket.display())]
    Foreign {
        /// The socket.
        socket: PathBuf,
        /// The user who listens.
        uid: u32,
    },
    /// Somebody else could listen where the agent of the whole system should.
    #[error("the agent of the whole system is not asked, for somebody else could be in its place: {problem}")]
    Untrusted {
        /// What is wrong, and with what.
        problem: String,
    },
    /// The agent went while it had the request.
    #[error("the agent closed the connection before it answered")]
    Gone,
    /// The agent has the request and says nothing.
    #[error("the agent has not answered for {} seconds", ANSWER_LIMIT.as_secs())]
    Silent,
    /// The agent speaks another version, and nothing that is understood here.
    #[error("the agent{pid} speaks version {theirs} of the protocol, and this command version {VERSION}")]
    Skew {
        /// The agent's version.
        theirs: u64,
        /// The agent.
        pid: Pid,
    },
    /// The agent will not talk to this client.
    #[error("the agent refuses: {}", .0.message)]
    Refused(Box<Failure>),
    /// The two do not understand each other, or the request is too long.
    #[error("the agent and this command do not understand each other: {0}")]
    Frame(#[from] FrameError),
    /// The path cannot be a socket's.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The agent's lock cannot be looked at.
    #[error("the agent's lock cannot be looked at: {0}")]
    Lock(#[from] LockError),
    /// The system says no.
    #[error("cannot {doing} `{socket}`: {cause}", socket = socket.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With which socket.
        socket: PathBuf,
        /// What the system says.
        #[source]
        cause: io::Error,
    },
}

impl ClientError {
    fn skew(socket: &Path, theirs: u64) -> Self {
        let pid = match AgentLock::holder(socket) {
            Ok(Holder::Agent(pid)) => pid,
            // What it says of itself is only there to be typed.
            Ok(Holder::Nobody) | Err(_) => None,
        };
        Self::Skew { theirs, pid: Pid(pid) }
    }

    fn hint(&self) -> String {
        match self {
            Self::Unreachable { .. } => "start one: `flytoken agent`".into(),
            Self::Deaf { pid: Pid(Some(pid)), .. } => format!("stop it with `kill {pid}` and start another: `flytoken agent`"),
            Self::Deaf { .. } | Self::Gone => "try again; if it stays so, start another agent: `flytoken agent`".into(),
            Self::Foreign { .. } => {
                "name one in a directory of your own: `export FLYTOKEN_SOCKET=~/.flytoken/agent.sock`; or run this as that user".into()
            }
            Self::Untrusted { .. } => "have the administrator look at it; an agent of your own goes before it: `flytoken agent`".into(),
            Self::Silent => "see what it is busy with: `flytoken status`, or the agent's log".into(),
            Self::Skew { theirs, pid: Pid(pid) } => skew::hint_of_client(*theirs, *pid),
            Self::Frame(_) => "see that it is the socket of a flytoken agent: `echo $FLYTOKEN_SOCKET`".into(),
            Self::Refused(failure) => failure.hint.clone(),
            Self::Endpoint(error) => error.hint(),
            Self::Lock(_) | Self::Io { .. } => {
                "see that you may use that path, or name another: `export FLYTOKEN_SOCKET=~/.flytoken/agent.sock`".into()
            }
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        if let ClientError::Endpoint(error) = error {
            return error.into();
        }
        Self { code: FailureCode::Agent, message: error.to_string(), hint: error.hint(), steps: Vec::new() }
    }
}

/// Whether a request may be sent twice: a second mint would cost something.
fn is_repeatable(request: &Request) -> bool {
    !matches!(request, Request::Refresh { .. } | Request::Explain { resolve: true, .. })
}

/// The user that the other end belongs to.
#[cfg(target_os = "linux")]
fn owner(stream: &UnixStream, _socket: &Path) -> io::Result<u32> {
    Ok(rustix::net::sockopt::socket_peercred(stream)?.uid.as_raw())
}

/// The user that the other end belongs to: where the system does not tell without unsafe code, the one who owns the socket's file, in
/// a directory that nobody else can write to.
#[cfg(not(target_os = "linux"))]
fn owner(_stream: &UnixStream, socket: &Path) -> io::Result<u32> {
    use std::os::unix::fs::MetadataExt;
    crate::agent::check_directory_of(socket).map_err(io::Error::other)?;
    Ok(std::fs::symlink_metadata(socket)?.uid())
}

/// How long an answer may take: every step of a chain at its greatest time-out, and a queue before them.
const ANSWER_LIMIT: Duration = Duration::from_mins(1);

/// How long whoever only wants to know what can be had waits.
const GLANCE: Duration = Duration::from_millis(500);

/// An agent that restarts is back within two seconds: so many tries, with a pause before each.
const RETRIES: u32 = 200;
const RETRY_PAUSE: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn an_agent_that_stays_silent_is_a_failure_and_no_reason_to_go_without() {
        let home = tempfile::tempdir().unwrap();
        let socket = home.path().join("agent.sock");
        let _listener = UnixListener::bind(&socket).unwrap();
        let mut client = Client::connect(&socket).unwrap();
        client.wait_at_most(Duration::from_millis(10)).unwrap();
        let failed = client.ask(&Request::Status).expect_err("nobody answers");
        assert!(matches!(failed, ClientError::Silent), "{failed:?}");
        assert_eq!(Failure::from(failed).code, FailureCode::Agent);
    }
}
