//! `flytoken agent uninstall`: what `install` did is undone.

use std::{fs, io};

use super::service;
use crate::{
    cli::AgentUninstall,
    commands::{
        Context, failure,
        told::{CommandState, FileState, Told},
    },
    protocol::{Failure, FailureCode},
    service::{Found, Service},
    trust,
};

pub(super) fn run(uninstall: AgentUninstall, context: &Context) -> Result<(), Failure> {
    let told = if uninstall.dry_run { would_do(&service(context)?) } else { undo(context)? };
    if uninstall.json {
        return context.output.print_json(&told.json());
    }
    if told.is_nothing() {
        return context.output.print("No agent is installed.\n");
    }
    context.output.print(&told.text(context.output.paint()))
}

/// Stops the agent that was installed, and removes what was written for it and nothing else.
///
/// # Errors
/// Exit 6 if the files are removed and the service manager could not be told, with the commands to type.
pub(in crate::commands) fn undo(context: &Context) -> Result<Told, Failure> {
    let service = service(context)?;
    let mut told = Told::default();
    if !is_installed(&service) {
        return Ok(told);
    }
    let mut left = Vec::new();
    // While its files are there, from which a service manager knows what to stop.
    run_all(&service.end, context, &mut told, &mut left);
    for file in &service.files {
        match file.found() {
            Ok(Found::Same | Found::Older) => {
                fs::remove_file(&file.path).map_err(|cause| unremoved(&file.path, &cause))?;
                told.file(&file.path, FileState::Removed, None);
            }
            Ok(Found::Foreign) => told.file(&file.path, FileState::Foreign, None),
            Ok(Found::Nothing) => {}
            Err(cause) => return Err(unremoved(&file.path, &cause)),
        }
    }
    run_all(&service.ended, context, &mut told, &mut left);
    let Some((_, why)) = left.first() else { return Ok(told) };
    let commands: Vec<&str> = left.iter().map(|(command, _)| command.as_str()).collect();
    let message = format!("the agent may go on running: {why}\nits files are removed");
    Err(failure(FailureCode::NeedsHuman, message, format!("type `{}`", commands.join("; "))))
}

/// What there is to undo.
pub(in crate::commands) fn would_do(service: &Service) -> Told {
    let mut told = Told::default();
    if !is_installed(service) {
        return told;
    }
    service.end.iter().for_each(|invocation| told.command(invocation, CommandState::WouldRun));
    for file in &service.files {
        match file.found() {
            Ok(Found::Same | Found::Older) => told.file(&file.path, FileState::WouldRemove, None),
            Ok(Found::Foreign) => told.file(&file.path, FileState::Foreign, None),
            Ok(Found::Nothing) | Err(_) => {}
        }
    }
    service.ended.iter().for_each(|invocation| told.command(invocation, CommandState::WouldRun));
    told
}

fn is_installed(service: &Service) -> bool {
    service.files.iter().any(|file| matches!(file.found(), Ok(Found::Same | Found::Older)))
}

fn run_all(invocations: &[crate::service::Invocation], context: &Context, told: &mut Told, left: &mut Vec<(String, String)>) {
    for invocation in invocations {
        match invocation.run(&context.environment) {
            Ok(()) => told.command(invocation, CommandState::Done),
            Err(why) => left.push((invocation.to_string(), why)),
        }
    }
}

fn unremoved(path: &std::path::Path, cause: &io::Error) -> Failure {
    let path = trust::shown(path);
    failure(FailureCode::Misconfigured, format!("cannot remove {path}: {cause}"), format!("type `rm {path}`"))
}
