//! `flytoken agent`: answers every tool until it is told to stop; or has a service manager see to that.

mod install;
mod run;
mod uninstall;
mod upgrade;

use super::{Context, failure};
use crate::{
    cli::{Agent, AgentAction, AgentInstall},
    plain,
    protocol::{Failure, FailureCode},
    service::{Definition, Installed, Service},
};

pub(super) fn run(agent: Agent, context: &Context) -> Result<(), Failure> {
    match agent.action {
        None => run::run(agent, context),
        Some(AgentAction::Install(install)) => install::run(install, context),
        Some(AgentAction::Uninstall(uninstall)) => uninstall::run(uninstall, context),
    }
}

/// What is installed of the agent as a service, as far as it can be told.
pub(super) fn found(context: &Context) -> Installed {
    service(context).map_or(Installed::Not, |service| service.installed())
}

/// The command that has an agent answer: where a service manager is to start it, one by hand would be in its way.
pub(super) fn start(context: &Context) -> &'static str {
    if found(context) == Installed::Not { "flytoken agent" } else { "flytoken agent install" }
}

/// Has a service manager start the agent, and says so.
///
/// # Errors
/// As `agent install`.
pub(super) fn install(context: &Context) -> Result<(), Failure> {
    install::run(AgentInstall::default(), context)
}

/// Whether there is a service manager that would start it.
///
/// # Errors
/// Why not, in words.
pub(super) fn can_be_installed(context: &Context) -> Result<(), String> {
    let service = service(context).map_err(|failure| failure.message)?;
    service.reach.map_or(Ok(()), |reach| reach.run(&context.environment))
}

/// What was installed and is to be undone, in words; none if nothing was.
///
/// # Errors
/// If it cannot be told.
pub(super) fn installed(context: &Context) -> Result<Option<String>, Failure> {
    let told = uninstall::would_do(&service(context)?);
    Ok((!told.is_nothing()).then(|| told.files().collect::<Vec<_>>().join(" and ")))
}

/// Undoes it.
///
/// # Errors
/// What could not be done, in words.
pub(super) fn uninstall(context: &Context) -> Result<(), String> {
    let told = |failure: Failure| plain::whole_line(&format!("{}; {}", failure.message.replace('\n', "; "), failure.hint));
    uninstall::undo(context).map(drop).map_err(told)
}

/// The service that the agent of this user and profile would be.
///
/// # Errors
/// Exit 7 if it cannot be one.
fn service(context: &Context) -> Result<Service, Failure> {
    let Context { program, environment, paths, .. } = context;
    let definition = Definition::here(program, environment, paths).map_err(|error| {
        failure(
            FailureCode::Misconfigured,
            error.to_string(),
            "name a short path in a directory of your own: `export FLYTOKEN_SOCKET=~/.flytoken/agent.sock`",
        )
    })?;
    Service::of(&definition, environment, paths).map_err(|error| {
        failure(
            FailureCode::Misconfigured,
            error.to_string(),
            "have folders and variables named by plain text; see what they hold with `env`",
        )
    })
}
