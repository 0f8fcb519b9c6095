//! The agent: whether one runs, and whether it is well.

use super::{Context, check::Check};
use crate::{
    cli::AgentUse,
    commands::{agent::start, asking::Asked},
    protocol::{Failure, FailureCode, Reply, Request, Status},
};

/// What an agent says of itself.
pub(super) enum Running {
    /// None runs, or none is to be asked.
    None,
    /// This.
    Status(Box<Status>),
    /// That it is the whole system's, and tells how it is to its administrator alone.
    Reserved,
}

/// Asks the agent that commands would ask.
pub(super) fn ask(context: &Context) -> Result<Running, Failure> {
    match context.ask_some_agent(&Request::Status)? {
        Some(Asked::System(Err(failure))) if failure.code == FailureCode::Denied => Ok(Running::Reserved),
        Some(Asked::Own(answer) | Asked::System(answer)) => match answer? {
            Reply::Status(status) => Ok(Running::Status(status)),
            _ => Err(crate::commands::unexpected()),
        },
        None => Ok(Running::None),
    }
}

pub(super) fn check(context: &Context, running: &Result<Running, Failure>) -> Check {
    match running {
        Ok(Running::Status(status)) => of_running(status, context),
        Ok(Running::Reserved) => {
            let socket = context.paths.system_agent().map(|agent| agent.socket.display().to_string()).unwrap_or_default();
            let text = format!("the one of the whole system is asked, at {socket}, and tells how it is to root and its own account alone");
            Check::ok("agent", text)
        }
        Ok(Running::None) if context.global.agent == AgentUse::Never => Check::ok("agent", "not asked, as --agent never says"),
        Ok(Running::None) => Check::warn("agent", "none runs, so that every command resolves by itself").mended_by("flytoken agent"),
        Err(failure) => Check::fail("agent", format!("{}; {}", failure.message, failure.hint)).mended_as(&failure.hint),
    }
}

/// What has another process take the place of the agent. Where a service manager starts it, that does so for the next who asks.
pub(super) fn restart(pid: u32, context: &Context) -> String {
    if start(context) == "flytoken agent" { format!("kill {pid}; flytoken agent") } else { format!("kill {pid}") }
}

fn of_running(status: &Status, context: &Context) -> Check {
    let own = env!("CARGO_PKG_VERSION");
    let Status { pid, version, system, config, storage, login, .. } = status;
    let problem = [
        ("its configuration is not the newest", &config.problem),
        ("nothing of it survives a restart", &storage.problem),
        ("its login is not the newest", &login.problem),
    ]
    .into_iter()
    .find_map(|(what, problem)| problem.as_ref().map(|problem| format!("process {pid} runs, but {what}: {problem}")));
    match problem {
        _ if version != own => Check::warn("agent", format!("process {pid} is of version {version}, and this command of {own}"))
            .mended_by(restart(*pid, context)),
        Some(problem) => Check::fail("agent", problem).mended_by("flytoken status"),
        None if *system => Check::ok("agent", format!("process {pid} runs for the whole system, version {version}")),
        None => Check::ok("agent", format!("process {pid} runs, version {version}")),
    }
}
