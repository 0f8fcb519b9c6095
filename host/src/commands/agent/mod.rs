//! `flytoken agent`: answers every tool until it is told to stop; or has a service manager see to that.

mod install;
mod run;
mod told;
mod uninstall;
mod upgrade;

use super::Context;
use crate::{
    cli::{Agent, AgentAction},
    protocol::Failure,
};

pub(super) fn run(agent: Agent, context: &Context) -> Result<(), Failure> {
    match agent.action {
        None => run::run(agent, context),
        Some(AgentAction::Install(install)) => install::run(install, context),
        Some(AgentAction::Uninstall(uninstall)) => uninstall::run(uninstall, context),
    }
}
