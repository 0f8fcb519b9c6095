//! One contained run, in the supervisor's process: start, watch, end everything, answer.

use std::{
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::{net::UnixStream, process::CommandExt},
    },
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec},
    io::Errno,
    process::{Pid, Signal, WaitId, WaitIdOptions},
};
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::{
    confined, descendants,
    frame::{Answer, Bytes, Limits, Request},
    scratch,
};
use crate::trust::shown;

/// Runs one program, and returns when it and all it started are gone and its folder is removed. No answer means that the agent hung up
/// on `channel`, which ends the run.
pub(super) fn run(request: Request, channel: &UnixStream) -> Option<Answer> {
    let Request { dir, limits, .. } = &request;
    let (dir, limits) = (Path::new(dir.as_os_str()).to_owned(), *limits);
    let answer = match start(&request) {
        Ok(child) => {
            // The program has its own copy of the secrets now.
            drop(request);
            Run::new(child, limits).watch(channel)
        }
        Err(error) => {
            let program = shown(Path::new(request.name.as_os_str()));
            Ok(Some(Answer::Failed(format!("cannot start {program}: {error}"))))
        }
    };
    let clean = descendants::end_all(PATIENCE);
    scratch::remove(&dir);
    match answer {
        // What does not die on SIGKILL hangs in the kernel. Its output is not to be trusted to be complete, nor this process to be empty.
        Ok(Some(_)) if !clean => Some(Answer::Failed("the program left a process behind that could not be ended".to_owned())),
        Ok(answer) => answer,
        Err(error) => Some(Answer::Failed(format!("cannot watch the program: {error}"))),
    }
}

fn start(request: &Request) -> io::Result<Child> {
    let mut command = Command::new(request.program.as_os_str());
    command.arg0(request.name.as_os_str());
    command.args(request.args.iter().map(Bytes::as_os_str));
    command.env_clear();
    command.envs(request.env.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str())));
    command.current_dir(request.dir.as_os_str());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.process_group(0);
    let folders: Vec<&Path> = [&request.dir].into_iter().chain(&request.writes).map(|folder| Path::new(folder.as_os_str())).collect();
    for pause in BUSY_PAUSES {
        match confined::spawn(&mut command, &folders) {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => std::thread::sleep(pause),
            result => return result,
        }
    }
    confined::spawn(&mut command, &folders)
}

struct Run {
    /// Not reaped before its process group was killed: until then nobody else can get the group's number.
    child: Child,
    pid: Pid,
    /// Readable once the child has ended; without one its end is looked for every few milliseconds.
    end: Option<OwnedFd>,
    stdout: Stream,
    stderr: Stream,
    limits: Limits,
}

/// Why watching a program stopped.
enum Stop {
    Ended,
    TimedOut,
    TooMuchOutput,
    AgentGone,
}

impl Run {
    fn new(mut child: Child, limits: Limits) -> Self {
        let stdout = Stream::new(child.stdout.take().map(OwnedFd::from));
        let stderr = Stream::new(child.stderr.take().map(OwnedFd::from));
        let pid = Pid::from_child(&child);
        Self { child, pid, end: end_of(pid), stdout, stderr, limits }
    }

    fn watch(mut self, channel: &UnixStream) -> io::Result<Option<Answer>> {
        let stop = self.wait(channel);
        // A child that is still there, reaped or not, keeps its number and that of its group from being given to anybody else.
        let _ = rustix::process::kill_process_group(self.pid, Signal::KILL);
        let status = self.child.wait();
        Ok(match stop? {
            Stop::Ended => {
                let (stdout, stderr) = (self.stdout.into_bytes(), self.stderr.into_bytes());
                Some(Answer::Finished { code: status?.code(), stdout, stderr })
            }
            Stop::TimedOut => Some(Answer::TimedOut),
            Stop::TooMuchOutput => Some(Answer::TooMuchOutput),
            Stop::AgentGone => None,
        })
    }

    fn wait(&mut self, channel: &UnixStream) -> io::Result<Stop> {
        let deadline = Instant::now() + Duration::from_millis(self.limits.run_ms);
        let mut linger = None;
        loop {
            if linger.is_none() && self.has_ended()? {
                linger = Some(Instant::now() + Duration::from_millis(self.limits.linger_ms));
            }
            if linger.is_some() && self.stdout.is_closed() && self.stderr.is_closed() {
                return Ok(Stop::Ended);
            }
            let left = linger.unwrap_or(deadline).saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(if linger.is_some() { Stop::Ended } else { Stop::TimedOut });
            }
            let ready = self.poll(channel, left, linger.is_none())?;
            if ready.channel {
                return Ok(Stop::AgentGone);
            }
            if ready.stdout && self.stdout.read()? > self.limits.stdout {
                return Ok(Stop::TooMuchOutput);
            }
            if ready.stderr {
                self.stderr.read()?;
                self.stderr.bytes.truncate(self.limits.stderr);
            }
        }
    }

    /// Waits until something happens, or for `left`.
    fn poll(&self, channel: &UnixStream, left: Duration, running: bool) -> io::Result<Ready> {
        let end = self.end.as_ref().filter(|_| running);
        let left = if running && end.is_none() { left.min(TICK) } else { left };
        let sources = [Some(channel.as_fd()), self.stdout.fd(), self.stderr.fd(), end.map(AsFd::as_fd)];
        let mut fds: Vec<PollFd<'_>> = sources.iter().flatten().map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
        let timeout = Timespec { tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX), tv_nsec: left.subsec_nanos().into() };
        match rustix::event::poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut happened = fds.iter().map(|fd| !fd.revents().is_empty());
        let [channel, stdout, stderr, _] = sources.map(|source| source.is_some() && happened.next().unwrap_or(false));
        Ok(Ready { channel, stdout, stderr })
    }

    fn has_ended(&self) -> io::Result<bool> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match rustix::process::waitid(WaitId::Pid(self.pid), options) {
            Ok(status) => Ok(status.is_some()),
            Err(Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

struct Ready {
    /// The agent never speaks while a program runs: it has hung up.
    channel: bool,
    stdout: bool,
    stderr: bool,
}

#[cfg(target_os = "linux")]
fn end_of(pid: Pid) -> Option<OwnedFd> {
    rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).ok()
}

#[cfg(not(target_os = "linux"))]
fn end_of(_: Pid) -> Option<OwnedFd> {
    None
}

/// One output of a program, and what was read from it.
struct Stream {
    pipe: Option<OwnedFd>,
    bytes: Zeroizing<Vec<u8>>,
}

impl Stream {
    fn new(pipe: Option<OwnedFd>) -> Self {
        Self { pipe, bytes: Zeroizing::default() }
    }

    fn fd(&self) -> Option<std::os::fd::BorrowedFd<'_>> {
        self.pipe.as_ref().map(AsFd::as_fd)
    }

    fn is_closed(&self) -> bool {
        self.pipe.is_none()
    }

    /// Reads once, which does not wait after `poll` has reported the pipe. Returns how many bytes there are in all.
    fn read(&mut self) -> io::Result<usize> {
        let Some(pipe) = &self.pipe else { return Ok(self.bytes.len()) };
        if self.bytes.capacity() - self.bytes.len() < LEAST_ROOM {
            // `Vec` would leave the old copy behind unwiped.
            let mut larger = Zeroizing::new(Vec::with_capacity((self.bytes.capacity() * 2).max(2 * LEAST_ROOM)));
            larger.extend_from_slice(&self.bytes);
            self.bytes = larger;
        }
        match rustix::io::read(pipe, rustix::buffer::spare_capacity(&mut self.bytes)) {
            Ok(0) => self.pipe = None,
            Ok(_) | Err(Errno::INTR | Errno::AGAIN) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(self.bytes.len())
    }

    fn into_bytes(self) -> Bytes {
        Bytes(self.bytes)
    }
}

/// How often a child's end is looked for where no handle tells it.
const TICK: Duration = Duration::from_millis(5);

/// The least room that a read is worth the system call for. A pipe holds 64 KiB.
const LEAST_ROOM: usize = 4096;

/// How long to wait for killed processes to be gone: far more than it takes, unless one hangs in the kernel.
const PATIENCE: Duration = Duration::from_secs(1);

/// A program that is just being written, by an upgrade say, cannot be started for a moment.
const BUSY_PAUSES: [Duration; 3] = [Duration::from_millis(5), Duration::from_millis(20), Duration::from_millis(80)];
