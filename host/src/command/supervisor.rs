//! The process that starts programs and outlives none of them: this same binary, called with a hidden argument.
//!
//! It has no environment, no terminal and one channel, its standard input, over which the agent sends one request at a time. Arguments
//! of this process and of what it starts hold no secret. When the channel closes, because the agent died or gave up a call, it ends what
//! it started and itself.

use std::{
    io,
    os::{fd::AsFd, unix::net::UnixStream},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec},
    io::Errno,
};

use super::{
    confined, contained,
    frame::{self, Request},
};

/// The first argument that makes this binary a supervisor. `main` looks for it before anything else.
pub const SUPERVISE: &str = "__supervise";

/// How long a supervisor waits for its next request before it ends.
pub(super) const IDLE: Duration = Duration::from_secs(30);

/// Serves requests until the agent hangs up or has had nothing to run for 30 s. Fails if its standard input is no channel of an agent's,
/// as when a person types the hidden argument.
pub fn main() -> ExitCode {
    match io::stdin().as_fd().try_clone_to_owned().map(UnixStream::from).and_then(|channel| serve(&channel)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// The program to start as a supervisor: this very binary, even after an upgrade put another in its place (on Linux).
///
/// # Errors
/// If the system cannot tell; never on Linux.
pub fn this_program() -> io::Result<PathBuf> {
    if cfg!(target_os = "linux") { Ok(PathBuf::from("/proc/self/exe")) } else { std::env::current_exe() }
}

fn serve(channel: &UnixStream) -> io::Result<()> {
    // Before anything is changed: this fails on what is no socket.
    channel.peer_addr()?;
    contain_this_process()?;
    while request_comes(channel)? {
        let Some(request) = frame::read::<Request>(&mut &*channel)? else { return Ok(()) };
        let Some(answer) = contained::run(request, channel) else { return Ok(()) };
        frame::write(&mut &*channel, &answer, answer.size())?;
    }
    Ok(())
}

fn contain_this_process() -> io::Result<()> {
    // A session of its own: Ctrl-C in the agent's terminal does not end the supervisor before what it watches, and no program can
    // prompt on the terminal. Fails only for a leader of a process group, which has its own already.
    let _ = rustix::process::setsid();
    // The secrets of one run pass through the memory of this process, and the standard library's copies are not wiped: no core either.
    confined::limit_this_process();
    #[cfg(target_os = "linux")]
    {
        rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
        // Orphans of what runs here come to this process instead of process 1.
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    }
    Ok(())
}

/// Waits for the next request, or for the agent to hang up; false after [`IDLE`].
fn request_comes(channel: &UnixStream) -> io::Result<bool> {
    let idle = Timespec { tv_sec: i64::try_from(IDLE.as_secs()).unwrap_or(i64::MAX), tv_nsec: 0 };
    loop {
        match rustix::event::poll(&mut [PollFd::new(channel, PollFlags::IN)], Some(&idle)) {
            Ok(ready) => return Ok(ready > 0),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
