//! Warm supervisors: a process that waits is there in microseconds, one that has to be started takes milliseconds.

use std::{
    io,
    os::{fd::OwnedFd, unix::net::UnixStream as StdUnixStream},
    path::PathBuf,
    process::Stdio,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use rustix::process::Pid;
use tokio::{
    io::AsyncWriteExt,
    net::UnixStream,
    process::{Child, Command},
    sync::{oneshot, watch},
    time::Instant,
};

use super::{
    descendants,
    frame::{self, Answer, Request},
    supervisor::{IDLE, SUPERVISE},
};

/// Supervisors that wait for something to run. Started when needed; each ends after 30 s without work, or when the pool is dropped.
#[derive(Debug)]
pub(super) struct Pool {
    program: PathBuf,
    idle: Mutex<Vec<Idle>>,
    /// How many supervisor processes there are, idle or not.
    alive: watch::Sender<usize>,
}

#[derive(Debug)]
struct Idle {
    supervisor: Supervisor,
    since: Instant,
}

impl Pool {
    pub(super) fn new(program: PathBuf) -> Arc<Self> {
        Arc::new(Self { program, idle: Mutex::default(), alive: watch::Sender::new(0) })
    }

    /// How many supervisor processes there are.
    pub(super) fn alive(&self) -> usize {
        *self.alive.borrow()
    }

    /// A supervisor that waits for a request: the one that was busy last, or a new one.
    pub(super) fn take(self: &Arc<Self>) -> io::Result<Supervisor> {
        loop {
            let Some(Idle { supervisor, since }) = self.idle().pop() else { return self.start() };
            // One that is about to end by itself would take the request along.
            if since.elapsed() < IDLE.saturating_sub(MARGIN) && supervisor.is_waiting() {
                return Ok(supervisor);
            }
        }
    }

    /// Takes back a supervisor that has answered.
    pub(super) fn put_back(&self, supervisor: Supervisor) {
        let mut idle = self.idle();
        if idle.len() < MOST_IDLE {
            idle.push(Idle { supervisor, since: Instant::now() });
        }
    }

    /// Ends the supervisors that wait, and waits for these processes to be gone.
    pub(super) async fn close(&self) {
        self.idle().clear();
        let none = self.alive.subscribe();
        let _ = tokio::time::timeout(MARGIN, { none }.wait_for(|alive| *alive == 0)).await;
    }

    fn start(self: &Arc<Self>) -> io::Result<Supervisor> {
        let (ours, theirs) = StdUnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let channel = UnixStream::from_std(ours)?;
        let mut command = Command::new(&self.program);
        command.arg0("flytoken").arg(SUPERVISE).env_clear().current_dir("/");
        command.stdin(Stdio::from(OwnedFd::from(theirs))).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn()?;
        let id = child.id();
        let (kill, killed) = oneshot::channel();
        self.alive.send_modify(|alive| *alive += 1);
        tokio::spawn(look_after(child, killed, Arc::downgrade(self), id, self.alive.clone()));
        Ok(Supervisor { channel, id, kill })
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        // Nothing that could panic happens while the lock is held.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes note of a supervisor's end, and brings it about if it was asked to.
async fn look_after(mut child: Child, killed: oneshot::Receiver<()>, pool: Weak<Pool>, id: Option<u32>, alive: watch::Sender<usize>) {
    let killed = tokio::select! {
        _ = child.wait() => false,
        // Dropping the other side is no order: that one closes the channel too, and the supervisor cleans up by itself.
        Ok(()) = killed => true,
    };
    if killed {
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        // It cannot clean up any more, and with it gone nobody could find what it started.
        let _ = tokio::task::spawn_blocking(move || pid.map(descendants::kill_below)).await;
        let _ = child.kill().await;
    }
    if let Some(pool) = pool.upgrade() {
        pool.idle().retain(|idle| idle.supervisor.id != id);
    }
    alive.send_modify(|alive| *alive -= 1);
}

/// One supervisor process that this process alone talks to. Dropping it ends whatever it runs, and then it ends itself.
#[derive(Debug)]
pub(super) struct Supervisor {
    channel: UnixStream,
    id: Option<u32>,
    kill: oneshot::Sender<()>,
}

impl Supervisor {
    /// Hands a request over. From here on the program may have run.
    pub(super) async fn send(&mut self, request: Request) -> io::Result<()> {
        let frame = frame::encode(&request, request.size())?;
        drop(request);
        self.channel.write_all(&frame).await
    }

    pub(super) async fn answer(&mut self) -> io::Result<Answer> {
        frame::receive(&mut self.channel).await
    }

    /// Ends a supervisor that does not answer, and all that it started.
    pub(super) fn kill(self) {
        let _ = self.kill.send(());
    }

    /// Whether it still waits for a request.
    fn is_waiting(&self) -> bool {
        matches!(self.channel.try_read(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }
}

/// As many as can run at once.
const MOST_IDLE: usize = super::commands::AT_ONCE;

/// How long before its end a waiting supervisor is not used any more; also how long its end may take.
const MARGIN: Duration = Duration::from_secs(3);
