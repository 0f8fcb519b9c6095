//! `flytoken agent`: answers every tool until it is told to stop.

use std::{future::Future, io, sync::Arc};

use tokio::{net::UnixListener, runtime::Handle};
use tracing::Level;

use super::{
    Context, administrators, failure,
    local::{self, Served},
    unexpected_end,
};
use crate::{
    agent::{Endpoint, harden, serve, stop_signal},
    cli::{self, LogForm},
    core::{Core, Mode, Setup},
    paths::Paths,
    protocol::{Failure, FailureCode},
};

pub(super) fn run(agent: cli::Agent, context: &Context) -> Result<(), Failure> {
    harden();
    local::begin_log(context, Level::INFO);
    let setup = if agent.system { of_the_system(context)? } else { local::setup(context, Mode::Agent) };
    let paths = setup.paths.clone();
    let socket = paths.socket().map_err(|error| failure(FailureCode::Misconfigured, error.to_string(), PLACE))?;
    let socket = socket.ok_or_else(|| failure(FailureCode::Misconfigured, "there is no place for the agent's socket", PLACE))?;
    let runtime = local::core_runtime()?;
    let connections = local::connections_runtime()?;
    // Before there is a socket: whoever sees one and stops the agent finds nothing left of it.
    let stop = {
        let _within = connections.enter();
        stop_signal().map_err(|cause| exhausted(&cause))?
    };
    // Before anything slow: whoever connects from now on waits for the answer rather than going without the agent.
    let (endpoint, listener) = Endpoint::claim(socket, paths.audience())?;
    let served = connections.block_on(answer(context, setup, runtime.handle(), &endpoint, listener, stop));
    runtime.shutdown_background();
    served
}

async fn answer(
    context: &Context,
    setup: Setup,
    runtime: &Handle,
    endpoint: &Endpoint,
    listener: std::os::unix::net::UnixListener,
    stop: impl Future<Output = ()>,
) -> Result<(), Failure> {
    let listener = UnixListener::from_std(listener).map_err(|cause| exhausted(&cause))?;
    tokio::pin!(stop);
    let core = tokio::select! {
        started = runtime.spawn(Core::start(setup)) => started.map_err(|_| unexpected_end())??,
        () = &mut stop => return Ok(()),
    };
    match context.global.log {
        LogForm::Text => context.output.say(&format!("flytoken agent: listening on {}", endpoint.socket().display())),
        // Who reads the log by a program gets no line in between that is none of it.
        LogForm::Json => tracing::info!(socket = %endpoint.socket().display(), "listening"),
    }
    serve(listener, Served::new(core.clone(), runtime.clone()), stop).await;
    // What still has to be kept runs on the core's own threads.
    let _ = runtime.spawn(core.shutdown()).await;
    Ok(())
}

/// What the agent of the whole system is made of: what its unit says and an administrator wrote, and nothing of a user.
fn of_the_system(context: &Context) -> Result<Setup, Failure> {
    if !cfg!(target_os = "linux") {
        let message = "an agent of the whole system needs Linux: elsewhere nothing tells it enough of its clients";
        return Err(failure(FailureCode::Misconfigured, message, "start one for each user: `flytoken agent`"));
    }
    if rustix::process::geteuid().is_root() {
        let message = "an agent of the whole system has an account of its own, and that is not root: what it starts would be root too";
        return Err(failure(
            FailureCode::Misconfigured,
            message,
            "start it by its unit, which names one: `systemctl start flytoken-system`",
        ));
    }
    let environment = context.environment.of_a_service();
    let paths = Paths::of_the_system(&environment, administrators(&environment))
        .map_err(|error| failure(FailureCode::Misconfigured, error.to_string(), error.hint()))?;
    Ok(Setup { clock: Arc::clone(&context.clock), environment, paths, mode: Mode::Agent })
}

fn exhausted(cause: &io::Error) -> Failure {
    failure(FailureCode::Agent, format!("the agent cannot listen: {cause}"), "see that the system has descriptors left: `ulimit -n`")
}

const PLACE: &str = "name a short path in a directory of your own: `export FLYTOKEN_SOCKET=~/.flytoken/agent.sock`";
