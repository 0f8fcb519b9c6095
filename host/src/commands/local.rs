//! A core in this process: for one request of a command without an agent, or for the agent itself.

use std::{
    future::Future,
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::Notify,
    task::yield_now,
    time::{Instant, timeout_at},
};
use tracing::Level;

use super::{Context, turn::Turn};
use crate::{
    agent::{Answers, MAX_CONNECTIONS, MAX_CONNECTIONS_OF_A_USER, http::Standing},
    attestation::{self, Attested, Wanted},
    audience::Audience,
    core::{Core, Mode, PATIENCE, Setup},
    output::init_log,
    protocol::{Answer, Failure, FailureCode, Reply, Request, Status},
};

/// A core with a runtime of its own.
pub(super) struct Local {
    runtime: Runtime,
    core: Core,
    /// Kept until what was obtained is remembered.
    turn: Option<Turn>,
}

impl Local {
    /// Starts a core for one request, in the turn that the request needs.
    pub(super) fn start(context: &Context, turn: Option<Turn>) -> Result<Self, Failure> {
        begin_log(context, Level::WARN);
        let runtime = Builder::new_current_thread().enable_all().build().map_err(|cause| no_runtime(&cause))?;
        let core = runtime.block_on(Core::start(setup(context, Mode::OneShot)))?;
        Ok(Self { runtime, core, turn })
    }

    /// The answer, if it comes until `deadline`.
    pub(super) fn answer(&self, request: Request, deadline: Instant) -> Result<Reply, Failure> {
        let client = Arc::new(attestation::of_this_process(self.core.wanted()));
        self.runtime.block_on(async { timeout_at(deadline, self.core.serve(client, request)).await.unwrap_or_else(|_| Err(too_late())) })
    }

    /// Revokes what was replaced, out of turn: by now everybody finds the newer one.
    pub(super) fn revoke_replaced(&mut self) {
        self.runtime.block_on(self.core.settle());
        drop(self.turn.take());
        self.runtime.block_on(self.core.revoke_replaced());
    }

    /// Waits for what the core promised after its answer.
    pub(super) fn settle(self) {
        self.runtime.block_on(self.core.shutdown());
        // A source that blocks a thread must not hold up a command that has its answer.
        self.runtime.shutdown_background();
        drop(self.turn);
    }
}

/// A core at work on a runtime of its own, as the agent's connections see it.
///
/// Connections live on one thread that does nothing but read, look into the cache and write: a source at work, or a disk that syncs, holds
/// up no cached answer.
#[derive(Clone)]
pub(super) struct Served {
    core: Core,
    runtime: Handle,
    activity: Arc<Activity>,
    http: Standing,
}

/// What an agent is asked at the moment.
#[derive(Debug, Default)]
pub(super) struct Activity {
    /// Connections that are open.
    open: AtomicUsize,
    /// That their number changed.
    connected: Notify,
    /// Requests since the start.
    asked: AtomicU64,
    /// Those that were not answered at once and still wait.
    in_flight: AtomicUsize,
}

impl Activity {
    /// Completes once somebody connects or leaves.
    pub(super) async fn connected(&self) {
        self.connected.notified().await;
    }

    /// How many requests there were since the start.
    pub(super) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    /// How many wait for their answer.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    fn begin(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(Arc::clone(self))
    }
}

/// A request that waits, until it is dropped.
struct InFlight(Arc<Activity>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Served {
    /// No connection yet. `http` is where it is answered over HTTP.
    pub(super) fn new(core: Core, runtime: Handle, http: Standing) -> Self {
        Self { core, runtime, activity: Arc::default(), http }
    }

    /// What it is asked.
    pub(super) fn activity(&self) -> Arc<Activity> {
        Arc::clone(&self.activity)
    }

    /// Adds to a status what only the connections' own runtime knows.
    fn complete(&self, status: &mut Status) {
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        status.resources.connections = count(self.activity.open.load(Ordering::Relaxed));
        status.http = self.http.places();
        status.resources.tasks += count(Handle::current().metrics().num_alive_tasks());
    }
}

impl Answers for Served {
    fn answer(&self, client: &Arc<Attested>, request: Request) -> impl Future<Output = Answer> + Send + 'static {
        self.activity.asked.fetch_add(1, Ordering::Relaxed);
        let at_once = self.core.serve_at_once(client, &request).map(Ok);
        let waits = at_once.is_none().then(|| self.activity.begin());
        let served = self.clone();
        let client = Arc::clone(client);
        let counts = matches!(request, Request::Status);
        async move {
            if let Some(answer) = at_once {
                return answer;
            }
            if counts {
                // Never ready at once, so that the task that counts is there to be counted each time.
                yield_now().await;
            }
            let core = served.core.clone();
            let answering = served.runtime.spawn(async move { core.serve(client, request).await });
            let mut answer = answering.await.unwrap_or_else(|_| Err(super::unexpected_end()));
            drop(waits);
            if let Ok(Reply::Status(status)) = &mut answer {
                served.complete(status);
            }
            answer
        }
    }

    fn metrics(&self, client: &Arc<Attested>) -> impl Future<Output = Result<String, Failure>> + Send + 'static {
        let (core, client) = (self.core.clone(), Arc::clone(client));
        let counting = self.runtime.spawn(async move { core.metrics(client).await });
        async move { counting.await.unwrap_or_else(|_| Err(super::unexpected_end())) }
    }

    fn wanted(&self) -> Wanted {
        self.core.wanted()
    }

    fn enforces(&self) -> bool {
        self.core.enforces()
    }

    fn admits(&self, uid: u32) -> bool {
        // Who is admitted as a client may still be denied everything: they hear why.
        self.core.audience() == Audience::Everybody || uid == own_uid()
    }

    fn share(&self, uid: u32) -> usize {
        if self.core.audience().trusts(uid, own_uid()) { MAX_CONNECTIONS } else { MAX_CONNECTIONS_OF_A_USER }
    }

    fn connected(&self, open: usize) {
        self.activity.open.store(open, Ordering::Relaxed);
        self.activity.connected.notify_one();
    }
}

fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// The core's runtime: two threads, so that one source at work leaves room for another.
pub(super) fn core_runtime() -> Result<Runtime, Failure> {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(|cause| no_runtime(&cause))
}

/// The runtime of the agent's connections: this thread.
pub(super) fn connections_runtime() -> Result<Runtime, Failure> {
    Builder::new_current_thread().enable_all().build().map_err(|cause| no_runtime(&cause))
}

/// What a core of this user is made of.
pub(super) fn setup(context: &Context, mode: Mode) -> Setup {
    Setup { clock: Arc::clone(&context.clock), environment: context.environment.clone(), paths: context.paths.clone(), mode }
}

/// Begins to log from `usual` on, or from further down if the user wants to hear more.
pub(super) fn begin_log(context: &Context, usual: Level) {
    let levels = [Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE];
    let usual = levels.iter().position(|level| *level == usual).unwrap_or(0);
    let wanted = (usual + usize::from(context.global.verbose)).min(levels.len() - 1);
    init_log(context.global.log, levels[wanted], context.output.stderr_has_colours());
}

fn too_late() -> Failure {
    super::failure(
        FailureCode::TryAgain,
        format!("no source answered within {} s", PATIENCE.as_secs()),
        "try again in a moment; `flytoken status` says how the agent is",
    )
}

fn no_runtime(cause: &io::Error) -> Failure {
    super::failure(
        FailureCode::Internal,
        format!("the runtime does not start: {cause}"),
        "see that the system has threads and descriptors left: `ulimit -u -n`",
    )
}
