//! `flytoken completions`: a script for the user's shell, and what that asks at each Tab.

use std::{ffi::OsString, process::ExitCode, sync::Arc};

use clap::{Arg, Command, CommandFactory};
use clap_complete::{
    engine::{ArgValueCompleter, CompletionCandidate},
    env::{EnvCompleter, Shells},
};

use super::{Context, in_process::InProcess, profile};
use crate::{
    cli::{Cli, Completions, Global, Shell},
    client, config,
    output::Output,
    paths::Paths,
    protocol::{Failure, FailureCode, Reply, Request},
    system::{Clock, Environment},
};

pub(super) fn run(completions: &Completions, context: &Context) -> Result<(), Failure> {
    context.output.print(&script(completions.shell)?)
}

/// The script asks the program that PATH finds, so that an upgrade needs no other script.
fn script(shell: Shell) -> Result<String, Failure> {
    let name = match shell {
        Shell::Bash => "bash",
        Shell::Zsh => "zsh",
        Shell::Fish => "fish",
    };
    let mut script = Vec::new();
    let written = shell_called(name).and_then(|shell| shell.write_registration(VARIABLE, PROGRAM, PROGRAM, PROGRAM, &mut script).ok());
    written.ok_or_else(super::unexpected_end)?;
    Ok(String::from_utf8_lossy(&script).into_owned())
}

/// The shell that asks what there is to complete, as its script does: in a variable, with nothing but the line as far as it is typed behind `--`.
pub(super) fn asking(arguments: &[OsString], environment: &Environment) -> Option<&'static dyn EnvCompleter> {
    environment.text(VARIABLE).and_then(shell_called).filter(|_| arguments.get(1).is_some_and(|word| word == "--"))
}

/// Answers it. What cannot be told is left out: nothing is to be printed between somebody's keys.
pub(super) fn answer(shell: &dyn EnvCompleter, arguments: &[OsString], environment: Environment, clock: Arc<dyn Clock>) -> ExitCode {
    let output = Output::of_this_process(&environment);
    let program = arguments.first().cloned().unwrap_or_default();
    let line = arguments.get(2..).unwrap_or_default().to_vec();
    let Ok(context) = Context::new(global(&line), program, environment, clock, output, Box::new(InProcess::default())) else {
        return ExitCode::from(FailureCode::Usage as u8);
    };
    let mut command = with_values(Cli::command(), &Arc::new(Names::of(&context)));
    command.build();
    let mut text = Vec::new();
    let answered = shell.write_complete(&mut command, line, None, &mut text).is_ok();
    let printed = answered && output.print(&String::from_utf8_lossy(&text)).is_ok();
    if printed { ExitCode::SUCCESS } else { ExitCode::from(FailureCode::Internal as u8) }
}

fn shell_called(name: &str) -> Option<&'static dyn EnvCompleter> {
    const SHELLS: Shells<'static> = Shells::builtins();
    SHELLS.0.iter().copied().find(|shell| shell.is(name))
}

/// The profile that the line names, which has an agent of its own.
fn global(line: &[OsString]) -> Global {
    let words: Vec<_> = line.iter().filter_map(|word| word.to_str()).collect();
    let joined = words.iter().find_map(|word| word.strip_prefix("--profile="));
    let apart = || words.windows(2).find(|pair| pair[0] == "--profile").map(|pair| pair[1]);
    Global {
        profile: joined.or_else(apart).filter(|name| config::ProfileName::parse(name).is_ok()).map(str::to_owned),
        ..Global::default()
    }
}

/// Where names are looked for, once they are asked for.
struct Names {
    paths: Paths,
    profiles: Vec<String>,
}

impl Names {
    fn of(context: &Context) -> Self {
        Self { paths: context.paths.clone(), profiles: profile::names(context).unwrap_or_default() }
    }

    /// What the user's own agent answers; nobody is started for it, and nobody else is asked.
    fn agent(&self, request: &Request) -> Option<Reply> {
        client::glance(self.paths.socket().ok()??, request)
    }

    /// The apps that the agent has tokens for.
    fn apps(&self) -> Vec<String> {
        let Some(Reply::Status(status)) = self.agent(&Request::Status) else { return Vec::new() };
        let mut apps: Vec<String> = status.apps.iter().map(|app| app.lease.app.to_string()).collect();
        apps.sort_unstable();
        apps.dedup();
        apps
    }

    /// The mints that may be revoked.
    fn mints(&self) -> Vec<String> {
        let Some(Reply::Minted { mints, .. }) = self.agent(&Request::Minted) else { return Vec::new() };
        mints.into_iter().filter(|mint| mint.revoked.is_none()).map(|mint| mint.name).collect()
    }

    /// The sources that are configured.
    fn sources(&self) -> Vec<String> {
        let loaded = config::load(&self.paths.layers(rustix::process::getuid().as_raw()));
        loaded.map(|loaded| loaded.config.sources.keys().map(ToString::to_string).collect()).unwrap_or_default()
    }
}

/// The command line, with the names that some of its values may have.
fn with_values(command: Command, names: &Arc<Names>) -> Command {
    let path = command.get_name().to_owned();
    let command = command.mut_args(|arg| with_value(arg, &path, names));
    command.mut_subcommands(|command| with_values(command, names))
}

fn with_value(arg: Arg, command: &str, names: &Arc<Names>) -> Arg {
    let list: fn(&Names) -> Vec<String> = match (arg.get_id().as_str(), command) {
        ("app" | "app_option", _) => Names::apps,
        ("name", "revoke") => Names::mints,
        ("name", "enable" | "disable" | "remove") => Names::sources,
        ("profile", _) | ("name", "use") => |names| names.profiles.clone(),
        _ => return arg,
    };
    let names = Arc::clone(names);
    arg.add(ArgValueCompleter::new(move |typed: &std::ffi::OsStr| {
        let typed = typed.to_string_lossy();
        list(&names).into_iter().filter(|name| name.starts_with(&*typed)).map(CompletionCandidate::new).collect()
    }))
}

/// By this variable a shell's script asks.
const VARIABLE: &str = "FLYTOKEN_COMPLETE";

const PROGRAM: &str = "flytoken";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_has_a_script_that_asks_the_program_in_path() {
        for (shell, part) in [
            (Shell::Bash, "FLYTOKEN_COMPLETE=\"bash\" \\\n        \"flytoken\" --"),
            (Shell::Zsh, "FLYTOKEN_COMPLETE=\"zsh\""),
            (Shell::Fish, "FLYTOKEN_COMPLETE=fish"),
        ] {
            let script = script(shell).unwrap();
            assert!(script.contains(part), "{script}");
        }
    }
}
