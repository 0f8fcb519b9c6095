//! `flytoken:source/command`: one granted program with granted arguments.

use std::sync::Arc;

use wasmtime::component::HasData;

use crate::{
    command as programs,
    denials::Denials,
    runtime::{
        access::CommandAccess,
        bindings::flytoken::source::command,
        trace::{Open, Tracer, Use},
    },
};

/// The programs that one call may run.
pub(in crate::runtime) struct Commands {
    access: Option<Arc<dyn CommandAccess>>,
    denials: Denials,
    trace: Tracer,
}

impl Commands {
    /// Runs through `access`; none only if the host linked `command` and then lends none.
    pub(in crate::runtime) fn new(access: Option<Arc<dyn CommandAccess>>, denials: Denials) -> Self {
        Self { access, denials, trace: Tracer::default() }
    }

    /// The same, written down.
    pub(in crate::runtime) fn traced(mut self, trace: &Tracer) -> Self {
        self.trace = trace.clone();
        self
    }

    fn step(&self, function: &str, program: &str, args: &[String]) -> Open {
        self.trace.uses(|| Use::Command { program: program.to_owned(), args: args.to_vec() });
        self.trace.step(|| format!("{function} {program} {}", args.join(" ")))
    }

    /// What the source is told of a run; that it was denied is remembered.
    fn told(&self, ran: Result<Arc<programs::Output>, programs::Failure>, step: Open) -> Result<command::Output, command::Failure> {
        step.end_with(
            &ran,
            |output| output.code.map_or_else(|| "ended by a signal".into(), |code| format!("exit code {code}")),
            ToString::to_string,
        );
        if let Err(programs::Failure::Denied(text)) = &ran {
            self.denials.note(text.as_str());
        }
        ran.map(|output| command_output(&output)).map_err(failure)
    }
}

impl command::Host for Commands {
    async fn run(&mut self, program: String, args: Vec<String>) -> wasmtime::Result<Result<command::Output, command::Failure>> {
        let Some(access) = self.access.clone() else { return Ok(Err(no_program())) };
        let step = self.step("command.run", &program, &args);
        let ran = access.run(&program, &args).await;
        Ok(self.told(ran, step))
    }

    async fn run_on(
        &mut self,
        program: String,
        args: Vec<String>,
        id: String,
    ) -> wasmtime::Result<Result<command::Output, command::Failure>> {
        let Some(access) = self.access.clone() else { return Ok(Err(no_program())) };
        let step = self.step("command.run-on", &program, &args);
        let ran = access.run_on(&program, &args, &id).await;
        Ok(self.told(ran, step))
    }
}

fn no_program() -> command::Failure {
    command::Failure::Failed("no program can run in this call".into())
}

/// The engine takes the bytes by value and does not wipe them; the copy lives until it is in the guest's memory.
fn command_output(output: &programs::Output) -> command::Output {
    command::Output { code: output.code, stdout: output.stdout.to_vec(), stderr: output.stderr.to_vec() }
}

fn failure(failure: programs::Failure) -> command::Failure {
    match failure {
        programs::Failure::NotFound(places) => command::Failure::NotFound(places.iter().map(|place| place.display().to_string()).collect()),
        programs::Failure::TimedOut => command::Failure::TimedOut,
        programs::Failure::TooMuchOutput => command::Failure::TooMuchOutput,
        programs::Failure::Failed(text) => command::Failure::Failed(text),
        programs::Failure::Denied(text) => command::Failure::Denied(text),
    }
}

/// Lets the linker borrow [`Commands`], and nothing else, out of a call.
pub(in crate::runtime) struct HasCommands;

impl HasData for HasCommands {
    type Data<'a> = &'a mut Commands;
}

#[cfg(test)]
mod tests {
    use super::{super::fixtures::Programs, command::Host as _, *};

    #[tokio::test]
    async fn output_reaches_the_source() {
        let mut commands = Commands::new(Some(Arc::new(Programs)), Denials::default());
        let output = commands.run("fly".into(), vec!["version".into()]).await.expect("no trap").expect("granted");
        assert_eq!((output.code, output.stdout.as_slice()), (Some(0), b"fly version".as_slice()));
        let output = commands.run_on("fly".into(), vec!["revoke".into()], "a1".into()).await.expect("no trap").expect("granted");
        assert_eq!(output.stdout, b"fly revoke on a1");
        assert_eq!(commands.denials.first(), None);
    }

    #[tokio::test]
    async fn a_denied_command_is_remembered() {
        let mut commands = Commands::new(Some(Arc::new(Programs)), Denials::default());
        let failure = commands.run("rm".into(), vec!["-rf".into()]).await.expect("no trap").expect_err("not granted");
        assert!(matches!(failure, command::Failure::Denied(_)));
        assert_eq!(commands.denials.first().as_deref(), Some("`rm` is not granted"));
    }
}
