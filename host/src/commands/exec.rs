//! `flytoken exec`: replaces itself by a command that has the token in its environment.

use std::{ffi::OsString, io, os::unix::process::CommandExt, process::Command};

use super::{Context, Stopped, failure};
use crate::{
    cli::Exec,
    protocol::{Failure, FailureCode},
};

/// The exit code of a failure of `exec` itself, so that it is not taken for one of the command.
pub(super) const FAILED: u8 = 125;

/// Returns only if the command cannot be started.
pub(super) fn run(exec: &Exec, context: &Context) -> Stopped {
    replace(exec, context).unwrap_or_else(|failure| Stopped { failure, exit: Some(FAILED) })
}

fn replace(exec: &Exec, context: &Context) -> Result<Stopped, Failure> {
    let Some((program, arguments)) = exec.command.split_first() else {
        return Err(super::usage("no command was given", "add one: `flytoken exec APP -- COMMAND`"));
    };
    let delivered = context.token(&exec.app, exec.kind, exec.wish)?;
    let mut command = Command::new(program);
    command.args(arguments).env("FLY_API_TOKEN", delivered.token.printed().as_str());
    for rival in RIVALS {
        command.env_remove(rival);
    }
    context.tell(&delivered.facts);
    // Nothing of this process is left once the command has taken its place.
    context.stand_in.settle();
    let cause = command.exec();
    let name = program.to_string_lossy();
    let (exit, message, hint) = if cause.kind() == io::ErrorKind::NotFound {
        (127, format!("the command `{name}` is not found"), "check its name, and PATH")
    } else {
        (126, format!("the command `{name}` cannot be executed: {cause}"), "check its mode: `chmod +x`")
    };
    Ok(Stopped { failure: failure(FailureCode::Usage, message, hint), exit: Some(exit) })
}

/// Variables that carry another token: `FLY_ACCESS_TOKEN` goes before `FLY_API_TOKEN` at flyctl, `FLY_AUTH_TOKEN` is what some tools take
/// for it, and `FLY_METRICS_TOKEN` identifies the user.
const RIVALS: [&str; 3] = ["FLY_ACCESS_TOKEN", "FLY_AUTH_TOKEN", "FLY_METRICS_TOKEN"];

/// Whether this process, with these arguments, is to run another command: whatever else it ends with is that command's.
pub(super) fn is_meant(arguments: &[OsString]) -> bool {
    let mut words = arguments.iter().skip(1).map(|word| word.to_str().unwrap_or_default());
    while let Some(word) = words.next() {
        match word {
            "--" => return false,
            "--agent" | "--profile" | "--log" => drop(words.next()),
            option if option.starts_with('-') => {}
            command => return command == "exec",
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn a_command_is_known_behind_whatever_stands_before_it() {
        for (line, expected) in [
            ("flytoken exec web -- true", true),
            ("flytoken -v --profile exec --agent=never exec web", true),
            ("flytoken --profile exec get web", false),
            ("flytoken get exec", false),
            ("flytoken -- exec web -- true", false),
            ("flytoken", false),
        ] {
            let arguments: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            assert_eq!(is_meant(&arguments), expected, "{line}");
        }
        // Whatever takes a value before the command is known here.
        for option in Cli::command().get_arguments().filter(|option| option.get_action().takes_values()) {
            let arguments = ["flytoken".into(), format!("--{}", option.get_long().unwrap()).into(), "value".into(), "exec".into()];
            assert!(is_meant(&arguments), "{option}");
        }
    }
}
