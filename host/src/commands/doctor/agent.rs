//! The agent: whether one runs, and whether it is well.

use super::{Context, check::Check};
use crate::{
    cli::AgentUse,
    protocol::{Failure, Reply, Request, Status},
};

/// What the agent says of itself; none if there is none, or it is not to be asked.
pub(super) fn ask(context: &Context) -> Result<Option<Status>, Failure> {
    match context.ask_agent(&Request::Status)? {
        Some(Reply::Status(status)) => Ok(Some(*status)),
        Some(_) => Err(crate::commands::unexpected()),
        None => Ok(None),
    }
}

pub(super) fn check(context: &Context, running: &Result<Option<Status>, Failure>) -> Check {
    match running {
        Ok(Some(status)) => of_running(status),
        Ok(None) if context.global.agent == AgentUse::Never => Check::ok("agent", "not asked, as --agent never says"),
        Ok(None) => Check::warn("agent", "none runs, so that every command resolves by itself").mended_by("flytoken agent"),
        Err(failure) => {
            let hint = failure.hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
            Check::fail("agent", format!("{}{hint}", failure.message))
        }
    }
}

fn of_running(status: &Status) -> Check {
    let own = env!("CARGO_PKG_VERSION");
    let Status { pid, version, config, storage, login, .. } = status;
    let problem = [
        ("its configuration is not the newest", &config.problem),
        ("nothing of it survives a restart", &storage.problem),
        ("its login is not the newest", &login.problem),
    ]
    .into_iter()
    .find_map(|(what, problem)| problem.as_ref().map(|problem| format!("process {pid} runs, but {what}: {problem}")));
    match problem {
        _ if version != own => Check::warn("agent", format!("process {pid} is of version {version}, and this command of {own}"))
            .mended_by(format!("kill {pid}; flytoken agent")),
        Some(problem) => Check::fail("agent", problem).mended_by("flytoken status"),
        None => Check::ok("agent", format!("process {pid} runs, version {version}")),
    }
}
