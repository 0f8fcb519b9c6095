//! Answers every tool until it is told to stop.

use std::{
    convert::Infallible,
    future::{Future, pending},
    io,
    os::unix::net::UnixListener as Listener,
    sync::Arc,
    time::Duration,
};

use tokio::{net::UnixListener, runtime::Handle, sync::watch, time::sleep};
use tracing::Level;

use super::upgrade::Upgrade;
use crate::{
    agent::{Endpoint, Executable, Notice, ServiceManager, harden, http, passed, serve, stop_signal, turn_away},
    cli::{self, LogForm},
    commands::{
        Context, administrators, failure,
        local::{self, Served},
        unexpected_end,
    },
    core::{Core, Mode, Setup},
    paths::Paths,
    protocol::{Failure, FailureCode},
    service::launchd,
};

pub(super) fn run(agent: cli::Agent, context: &Context) -> Result<(), Failure> {
    // First of all: it is handed over as a descriptor's number, which is anybody's once something else was opened.
    let passed = passed(&context.environment)?;
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
    let is_started_again = passed.is_some() || context.environment.text("XPC_SERVICE_NAME").is_some_and(launchd::is_label);
    let (endpoint, listener) = match passed {
        Some(_) if agent.system => {
            return Err(failure(
                FailureCode::Misconfigured,
                NO_ACTIVATION,
                "have nobody listen for it: `systemctl disable --now flytoken-system.socket`",
            ));
        }
        Some(listener) => Endpoint::adopt(socket, listener)?,
        None => Endpoint::claim(socket, paths.audience())?,
    };
    let manager = ServiceManager::of(&context.environment);
    let executable = is_started_again.then(|| Executable::of_this_process(&context.program));
    let executable = executable.transpose().unwrap_or_else(|cause| {
        tracing::warn!(%cause, "an upgrade will go unnoticed");
        None
    });
    let agent = Agent { context, endpoint: &endpoint, manager: &manager, executable };
    let served = connections.block_on(agent.answer(setup, runtime.handle(), listener, stop));
    runtime.shutdown_background();
    served
}

/// An agent that has its place.
struct Agent<'a> {
    context: &'a Context,
    endpoint: &'a Endpoint,
    manager: &'a ServiceManager,
    /// Its program, if somebody starts it again once it ended.
    executable: Option<Executable>,
}

impl Agent<'_> {
    async fn answer(self, setup: Setup, runtime: &Handle, listener: Listener, stop: impl Future<Output = ()>) -> Result<(), Failure> {
        let Self { context, endpoint, manager, executable } = self;
        let listener = UnixListener::from_std(listener).map_err(|cause| exhausted(&cause))?;
        tokio::pin!(stop);
        let clock = Arc::clone(&setup.clock);
        let core = tokio::select! {
            started = runtime.spawn(Core::start(setup)) => started.map_err(|_| unexpected_end()).flatten(),
            () = &mut stop => return Ok(()),
        };
        let core = match core {
            Ok(core) => core,
            Err(failure) => {
                turn_away(&listener, &failure).await;
                return Err(failure);
            }
        };
        match context.global.log {
            LogForm::Text => context.output.say(&format!("flytoken agent: listening on {}", endpoint.socket().display())),
            // Who reads the log by a program gets no line in between that is none of it.
            LogForm::Json => tracing::info!(socket = %endpoint.socket().display(), "listening"),
        }
        manager.tell(Notice::Ready);
        let standing = http::Standing::default();
        let served = Served::new(core.clone(), runtime.clone(), standing.clone());
        let upgrade = executable.map(|executable| Upgrade { executable, activity: served.activity(), core: core.clone(), clock });
        let (stopping, stopped) = watch::channel(());
        let until_stopped = async move {
            tokio::select! {
                () = stop => {}
                () = replaced(upgrade, manager.watchdog()) => {}
                never = alive(manager, runtime) => match never {},
            }
            manager.tell(Notice::Stopping);
            drop(stopping);
        };
        let over_http = http::serve(core.http(), (endpoint.socket(), core.audience()), served.clone(), standing, stopped);
        tokio::join!(serve(listener, served, until_stopped), over_http);
        // What still has to be kept runs on the core's own threads.
        let _ = runtime.spawn(core.shutdown()).await;
        Ok(())
    }
}

/// Completes once a newer program is to answer; never where nobody would start it.
async fn replaced(upgrade: Option<Upgrade>, interval: Option<Duration>) {
    match upgrade {
        Some(upgrade) => upgrade.awaited(interval).await,
        None => pending().await,
    }
}

/// Tells the service manager that the agent is well, for as long as its connections and its core both are.
async fn alive(manager: &ServiceManager, core: &Handle) -> Infallible {
    let Some(interval) = manager.watchdog() else { return pending().await };
    loop {
        sleep(interval).await;
        // Threads of the core that all hang answer nobody: then this is not told either.
        let _ = core.spawn(async {}).await;
        manager.tell(Notice::Alive);
    }
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

const NO_ACTIVATION: &str = "the agent of the whole system makes its socket itself, and takes none from a unit";

const PLACE: &str = "name a short path in a directory of your own: `export FLYTOKEN_SOCKET=~/.flytoken/agent.sock`";
