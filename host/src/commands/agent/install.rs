//! `flytoken agent install`: systemd or launchd start the agent from now on.

use std::{fs, io};

use super::service;
use crate::{
    agent::{AgentLock, Holder},
    cli::AgentInstall,
    commands::{
        Context, failure,
        told::{CommandState, FileState, Told},
    },
    protocol::{Failure, FailureCode},
    service::{Found, Service, ServiceFile},
    store, trust,
};

pub(super) fn run(install: AgentInstall, context: &Context) -> Result<(), Failure> {
    let told = if install.dry_run { would_do(context)? } else { put_in_force(context)? };
    if install.json {
        return context.output.print_json(&told.json());
    }
    context.output.print(&told.text(context.output.paint()))?;
    if install.dry_run {
        return told.texts().try_for_each(|(path, text)| context.output.print(&format!("\n{path}:\n{text}")));
    }
    let begins =
        if cfg!(target_os = "macos") { "runs, and is started at each login" } else { "starts for the first who asks, whenever that is" };
    context.output.print(&format!("\nThe agent {begins}. How it is: `flytoken status`\n"))
}

/// Puts the service in force, or says what is left to do.
///
/// # Errors
/// Exit 6 if the files are written and the service manager could not be told, with the commands to type.
fn put_in_force(context: &Context) -> Result<Told, Failure> {
    let service = service(context)?;
    let found = look(&service)?;
    refuse_to_take_over(&service, &found)?;
    refuse_beside_another(&found, context)?;
    let mut told = Told::default();
    for (file, found) in service.files.iter().zip(found) {
        if found != Found::Same {
            write(file)?;
        }
        told.file(&file.path, if found == Found::Same { FileState::Unchanged } else { FileState::Written }, None);
    }
    for (at, invocation) in service.begin.iter().enumerate() {
        if let Err(why) = invocation.run(&context.environment) {
            let left: Vec<String> = service.begin[at..].iter().filter(|left| !left.may_fail).map(ToString::to_string).collect();
            let files: Vec<String> = service.files.iter().map(|file| trust::shown(&file.path)).collect();
            let message = format!("the agent is not installed: {why}\nwritten are {}", files.join(" and "));
            let hint = format!("once that works, type `{}`; or go on without: every command works by itself", left.join(" && "));
            return Err(failure(FailureCode::NeedsHuman, message, hint));
        }
        told.command(invocation, CommandState::Done);
    }
    Ok(told)
}

/// What there is to do.
fn would_do(context: &Context) -> Result<Told, Failure> {
    let service = service(context)?;
    let found = look(&service)?;
    refuse_to_take_over(&service, &found)?;
    let mut told = Told::default();
    for (file, found) in service.files.iter().zip(found) {
        told.file(&file.path, if found == Found::Same { FileState::Unchanged } else { FileState::WouldWrite }, Some(&file.text));
    }
    service.begin.iter().for_each(|invocation| told.command(invocation, CommandState::WouldRun));
    Ok(told)
}

fn look(service: &Service) -> Result<Vec<Found>, Failure> {
    service.files.iter().map(|file| file.found().map_err(|cause| unusable(file, "look at", &cause))).collect()
}

fn refuse_to_take_over(service: &Service, found: &[Found]) -> Result<(), Failure> {
    let foreign = service.files.iter().zip(found).find(|(_, found)| **found == Found::Foreign);
    foreign.map_or(Ok(()), |(file, _)| {
        let path = trust::shown(&file.path);
        let message = format!("{path} was not written by flytoken, and is left as it is");
        Err(failure(FailureCode::Misconfigured, message, format!("if it may go: `mv {path} {path}.old`")))
    })
}

/// An agent that somebody started by hand would have its socket taken away.
fn refuse_beside_another(found: &[Found], context: &Context) -> Result<(), Failure> {
    let is_installed = found.iter().any(|found| *found != Found::Nothing);
    let Ok(Some(socket)) = context.paths.socket() else { return Ok(()) };
    let Ok(Holder::Agent(pid)) = AgentLock::holder(socket) else { return Ok(()) };
    if is_installed {
        return Ok(());
    }
    let (process, kill) = pid.map_or_else(<(String, String)>::default, |pid| (format!(", process {pid}"), format!(": `kill {pid}`")));
    let message = format!("an agent runs{process}, that somebody started by hand: both would want the same socket");
    Err(failure(FailureCode::Agent, message, format!("stop it{kill}; then `flytoken agent install`")))
}

fn write(file: &ServiceFile) -> Result<(), Failure> {
    let folder = file.path.parent().unwrap_or(&file.path);
    fs::create_dir_all(folder).map_err(|cause| unusable(file, "make the folder of", &cause))?;
    store::replace(&file.path, file.text.as_bytes()).map_err(|error| {
        let message = format!("{} cannot be written: {}", trust::shown(&file.path), crate::causes::with_causes(&error));
        failure(FailureCode::Misconfigured, message, whose(file))
    })
}

fn whose(file: &ServiceFile) -> String {
    format!("see that its folder is yours, and can be written: `ls -ld {}`", trust::shown(file.path.parent().unwrap_or(&file.path)))
}

fn unusable(file: &ServiceFile, doing: &str, cause: &io::Error) -> Failure {
    let message = format!("cannot {doing} {}: {cause}", trust::shown(&file.path));
    failure(FailureCode::Misconfigured, message, whose(file))
}
