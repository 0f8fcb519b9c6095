//! `flytoken uninstall`: nothing of flytoken's is left on this machine, and nothing of anybody else's is touched.

mod plan;

use std::{process::ExitCode, thread, time::Duration};

use rustix::process::{Pid, Signal, kill_process};

use self::plan::{Outcome, Plan, Step};
use super::{Context, agent, consent, docker, unexpected};
use crate::{
    agent::{AgentLock, Holder},
    causes::with_causes,
    cli::Uninstall,
    plain,
    protocol::{Failure, FailureCode, Reply, Request},
    trust,
};

pub(super) fn run(uninstall: Uninstall, context: &Context) -> Result<ExitCode, Failure> {
    let plan = Plan::look(uninstall, context)?;
    if plan.is_empty() || uninstall.dry_run {
        show(&plan, uninstall, context)?;
        return Ok(ExitCode::SUCCESS);
    }
    if !uninstall.yes {
        context.output.say(plan.text(context).trim_end());
        consent::ask("Do all this?", "look at it with `--dry-run`, and add `--yes`", context)?;
    }
    let done = carry_out(plan, context);
    show(&done, uninstall, context)?;
    Ok(match done.problems() {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::from(FailureCode::Misconfigured as u8),
    })
}

fn show(plan: &Plan, uninstall: Uninstall, context: &Context) -> Result<(), Failure> {
    if uninstall.json {
        return context.output.print_json(&plan.json());
    }
    if plan.is_empty() {
        context.output.print("There is nothing to remove but the programs themselves.\n")?;
    }
    context.output.print(&plan.text(context))
}

/// Does one step after the other. What fails keeps no other from being done, but for one thing: while a mint is not revoked its name has to
/// stay on record.
fn carry_out(mut plan: Plan, context: &Context) -> Plan {
    let mut revoked_all = true;
    for at in 0..plan.steps.len() {
        let (step, outcome) = &plan.steps[at];
        if *outcome != Outcome::ToDo {
            continue;
        }
        let done = match step {
            Step::Revoke { name, .. } => {
                let done = revoke(name, context);
                revoked_all &= done.is_ok();
                done
            }
            Step::Service(_) => agent::uninstall(context),
            Step::Docker(_) => docker::undo(context).map(drop).map_err(|failure| told(&failure)),
            Step::Stop(pid) => stop(*pid, context),
            Step::ForgetKey | Step::RemoveState(_) if !revoked_all => Err(NAMES_STAY.into()),
            Step::ForgetKey => plan::key_search(context).map_or(Ok(()), |search| search.forget().map_err(|error| with_causes(&error))),
            Step::RemoveState(leavings) | Step::Remove(leavings) => {
                leavings.remove().map_err(|(path, cause)| format!("cannot remove {}: {cause}", trust::shown(&path)))
            }
            Step::Keep { .. } => Ok(()),
        };
        plan.steps[at].1 = done.map_or_else(Outcome::Failed, |()| Outcome::Done);
    }
    plan
}

fn revoke(name: &str, context: &Context) -> Result<(), String> {
    let answer = context.ask_own(Request::Revoke { name: name.into() });
    // The databases are free for whoever comes next, and for being removed.
    context.stand_in.settle();
    match answer.map_err(|failure| told(&failure))? {
        Reply::Revoked { .. } => Ok(()),
        _ => Err(told(&unexpected())),
    }
}

fn told(failure: &Failure) -> String {
    plain::whole_line(&format!("{}; {}", failure.message, failure.hint))
}

/// Tells an agent to stop that nobody starts again, and waits until it is gone.
fn stop(pid: u32, context: &Context) -> Result<(), String> {
    let Ok(Some(socket)) = context.paths.socket() else { return Ok(()) };
    let runs = || matches!(AgentLock::holder(socket), Ok(Holder::Agent(Some(holder))) if holder == pid);
    // It may have gone with its units.
    let Some(process) = Pid::from_raw(pid.try_into().unwrap_or(0)).filter(|_| runs()) else { return Ok(()) };
    kill_process(process, Signal::TERM).map_err(|cause| format!("process {pid} cannot be stopped: {cause}; type `kill {pid}`"))?;
    for _ in 0..PATIENCE.as_millis() / PAUSE.as_millis() {
        if !runs() {
            return Ok(());
        }
        thread::sleep(PAUSE);
    }
    Err(format!("process {pid} does not stop; type `kill -9 {pid}`"))
}

const NAMES_STAY: &str = "it has the names of what could not be revoked; try again, or add `--no-revoke`";

/// Twice what an agent takes to answer whoever waits.
const PATIENCE: Duration = Duration::from_secs(5);

const PAUSE: Duration = Duration::from_millis(20);
