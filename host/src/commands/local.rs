//! A core in this process: for one request of a command without an agent, or for the agent itself.

use std::{future::Future, io, sync::Arc};

use tokio::{
    runtime::{Builder, Handle, Runtime},
    time::{Instant, timeout_at},
};
use tracing::Level;

use super::{Context, turn::Turn};
use crate::{
    agent::Answers,
    audit::Peer,
    core::{Core, Mode, PATIENCE, Setup},
    output::init_log,
    protocol::{Answer, Failure, FailureCode, Reply, Request},
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
        let core = runtime.block_on(start(context, Mode::OneShot))?;
        Ok(Self { runtime, core, turn })
    }

    /// The answer, if it comes until `deadline`.
    pub(super) fn answer(&self, request: Request, deadline: Instant) -> Result<Reply, Failure> {
        self.runtime
            .block_on(async { timeout_at(deadline, self.core.serve(this_process(), request)).await.unwrap_or_else(|_| Err(too_late())) })
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
    pub(super) core: Core,
    pub(super) runtime: Handle,
}

impl Answers for Served {
    fn answer(&self, client: &Peer, request: Request) -> impl Future<Output = Answer> + Send + 'static {
        let at_once = self.core.serve_at_once(client, &request).map(Ok);
        let Self { core, runtime } = self.clone();
        let client = client.clone();
        async move {
            if let Some(answer) = at_once {
                return answer;
            }
            let answering = runtime.spawn(async move { core.serve(client, request).await });
            answering.await.unwrap_or_else(|_| Err(super::unexpected_end()))
        }
    }
}

/// The core's runtime: two threads, so that one source at work leaves room for another.
pub(super) fn core_runtime() -> Result<Runtime, Failure> {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(|cause| no_runtime(&cause))
}

/// The runtime of the agent's connections: this thread.
pub(super) fn connections_runtime() -> Result<Runtime, Failure> {
    Builder::new_current_thread().enable_all().build().map_err(|cause| no_runtime(&cause))
}

/// Starts a core.
pub(super) fn start(context: &Context, mode: Mode) -> impl Future<Output = Result<Core, Failure>> + Send + 'static {
    let setup = Setup { clock: Arc::clone(&context.clock), environment: context.environment.clone(), paths: context.paths.clone(), mode };
    Core::start(setup)
}

/// Begins to log from `usual` on, or from further down if the user wants to hear more.
pub(super) fn begin_log(context: &Context, usual: Level) {
    let levels = [Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE];
    let usual = levels.iter().position(|level| *level == usual).unwrap_or(0);
    let wanted = (usual + usize::from(context.global.verbose)).min(levels.len() - 1);
    init_log(context.global.log, levels[wanted], context.output.stderr_has_colours());
}

/// A command without an agent asks for itself.
fn this_process() -> Peer {
    let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    Peer { pid: Some(std::process::id()), uid, gid }
}

fn too_late() -> Failure {
    super::failure(FailureCode::TryAgain, format!("no source answered within {} s", PATIENCE.as_secs()), "try again in a moment")
}

fn no_runtime(cause: &io::Error) -> Failure {
    super::failure(
        FailureCode::Internal,
        format!("the runtime does not start: {cause}"),
        "see that the system has threads and descriptors left",
    )
}
