//! `flytoken completions`: a script for the user's shell.

use clap::CommandFactory;
use clap_complete::{generate, shells};

use super::Context;
use crate::{
    cli::{Cli, Completions, Shell},
    protocol::Failure,
};

pub(super) fn run(completions: &Completions, context: &Context) -> Result<(), Failure> {
    context.output.print(&script(completions.shell))
}

fn script(shell: Shell) -> String {
    let (mut command, mut script) = (Cli::command(), Vec::new());
    match shell {
        Shell::Bash => generate(shells::Bash, &mut command, "flytoken", &mut script),
        Shell::Zsh => generate(shells::Zsh, &mut command, "flytoken", &mut script),
        Shell::Fish => generate(shells::Fish, &mut command, "flytoken", &mut script),
    }
    String::from_utf8_lossy(&script).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_has_a_script_that_knows_the_commands() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = script(shell);
            assert!(script.contains("invalidate") && script.contains("machine-exec"), "{shell:?}");
        }
    }
}
