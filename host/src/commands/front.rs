//! What `flytoken` does by itself: the questions that are asked most often, where an agent answers them.

use std::{ffi::OsString, process::ExitCode, sync::Arc};

use super::{Context, Stopped, docker, exec, get, handover::Handover, quick};
use crate::{
    cli::Global,
    docker::is_helper,
    output::Output,
    system::{Clock, Environment},
};

/// Asks the agent what the arguments say, the program's name first, and tells how it went. This process becomes `flytokend` if they are no
/// question to an agent, or if there is no agent.
pub fn ask(arguments: &[OsString], environment: Environment, clock: Arc<dyn Clock>) -> ExitCode {
    let program = arguments.first().cloned().unwrap_or_default();
    if is_helper(&program) {
        return docker::answer(arguments, environment, clock, |input| Box::new(Handover::new(arguments).with_input(input)));
    }
    let output = Output::of_this_process(&environment);
    let handover = Handover::new(arguments);
    let Some(get) = quick::parse(arguments) else {
        let failure = handover.take_place();
        output.report(&failure, arguments.iter().take_while(|word| *word != "--").any(|word| word == "--json"));
        return ExitCode::from(if exec::is_meant(arguments) { exec::FAILED } else { failure.code as u8 });
    };
    match Context::new(Global::default(), program, environment, clock, output, Box::new(handover)) {
        Ok(context) => context.end(get::run(&get, &context).map(|()| ExitCode::SUCCESS).map_err(Stopped::from), get.json),
        Err(failure) => {
            output.report(&failure, get.json);
            ExitCode::from(failure.code as u8)
        }
    }
}
